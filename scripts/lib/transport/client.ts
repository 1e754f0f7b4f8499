/**
 * How a worker's cluster is asked: the interface, and the way that starts a kubectl for each request.
 *
 * Each way answers as a kubectl that has ended: exit code, stdout, stderr. So what is made of an answer (frames, error kinds,
 * sentences) does not depend on the way it came.
 */
import type { ClusterWorker } from '../config/worker-entry.ts';
import { LIMITS, type RunResult } from '../exec.ts';
import { type Cluster, kubectl } from './kubectl.ts';
import type { ContainerName, PodList, PodObject } from './pods.ts';
import { GRACE_MS, scriptArgv } from './scripts.ts';
import type { RemoteCall } from './transport.ts';

/** What can be read: all pods of the worker's namespace, or one object of it. */
export type ObjectRef =
  | { readonly kind: 'pods' }
  | { readonly kind: 'pod' | 'deployment'; readonly name: string };

export interface ClusterClient {
  /**
   * The pods of the worker's namespace, where a watch knows them.
   *
   * @returns null where none does: they have to be read
   */
  watchedPods?(worker: ClusterWorker): readonly PodObject[] | null;
  /** Watches the pods of the worker's namespace from now on, where that is wanted and possible. @param list as it was just read */
  watchPods?(worker: ClusterWorker, list: PodList): void;
  /**
   * @returns the object as JSON on stdout; nothing, with exit code 0, when there is none with that name
   * @throws TransportError when the answer is too long; InterruptedError after Ctrl-C
   */
  read(worker: ClusterWorker, object: ObjectRef): Promise<RunResult>;
  /**
   * Runs a script in a pod.
   *
   * @param nonce of its frame
   * @throws TransportError when it prints too much; InterruptedError after Ctrl-C
   */
  run(worker: ClusterWorker, pod: ContainerName, call: RemoteCall, nonce: string): Promise<RunResult>;
}

/** A process for each request. */
export function kubectlClient(cluster: Cluster): ClusterClient {
  return {
    read: (worker, object) =>
      kubectl(
        cluster,
        worker,
        object.kind === 'pods'
          ? ['get', 'pods', '--output=json']
          : ['get', object.kind, object.name, '--output=json', '--ignore-not-found'],
      ),
    run: (worker, pod, call, nonce) =>
      kubectl(
        { ...cluster, timeoutMs: call.timeoutMs + GRACE_MS, signal: call.signal },
        worker,
        [...execArgs(pod), '--', ...scriptArgv(call, nonce)],
        // Without --request-timeout, which would cut the stream.
        { bounded: false, maxBytes: LIMITS.frameBytes, asked: call.script },
      ),
  };
}

/** The arguments with which kubectl enters a pod. */
export function execArgs({ name, container }: ContainerName): string[] {
  return ['exec', name, `--container=${container}`];
}
