/** The entries of `workers.yaml`. */

/** A worker in a cluster: the four fields that were always there, and what some clusters need in addition. */
export interface ClusterWorker {
  readonly runtime: 'kubernetes';
  readonly name: string;
  /** The Deployment's, StatefulSet's or pod's name. */
  readonly pod: string;
  readonly namespace: string;
  /** kubectl context. */
  readonly context: string;
  readonly container?: string;
  /** Path of a kubeconfig file; without it kubectl's own rules apply. */
  readonly kubeconfig?: string;
  /** How long the connection to its cluster stays open after a command, for the next one: `10m`, `2h`. */
  readonly keepConnection?: string;
}

/** A worker on this machine, made by `local up`. */
export interface LocalWorker {
  readonly runtime: 'local';
  readonly name: string;
  /** Its folder, absolute. */
  readonly home: string;
}

export type WorkerEntry = ClusterWorker | LocalWorker;

/** The content of one workers.yaml. */
export interface WorkersFile {
  /** Where it was read from, for messages. */
  readonly path: string;
  readonly workers: readonly WorkerEntry[];
}
