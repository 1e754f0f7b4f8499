/** Enters workers: finds the pod of each, or says why there is none to enter. */
import type { Context } from '../cli/command.ts';
import { parseDuration } from '../config/duration.ts';
import type { WorkerFlagValues } from '../config/flags.ts';
import type { ClusterWorker, WorkerEntry } from '../config/worker-entry.ts';
import { chooseWorker, loadWorkers } from '../config/workers-file.ts';
import { clientOf, openConnections } from '../transport/connections.ts';
import { type PodSearch, podFinder } from '../transport/find-pod.ts';
import { clusterOf } from '../transport/kubectl.ts';
import { kubectlCommand, kubectlInNamespace } from '../transport/kubectl-errors.ts';
import { localTransport } from '../transport/local.ts';
import { podTransport } from '../transport/pod-transport.ts';
import type { ContainerName, PodFacts } from '../transport/pods.ts';
import { type Transport, TransportError } from '../transport/transport.ts';
import type { CommandLine, Status } from './status.ts';

/** The entrance to a worker, valid for one command. */
export interface Entrance {
  readonly transport: Transport;
  readonly pod: PodFacts | null;
}

export interface Reach {
  /**
   * Finds the entrance to a worker.
   *
   * @throws TransportError when there is none now, with the reason and what to do
   */
  enter(worker: WorkerEntry): Promise<Entrance>;
  /**
   * The way into a pod that may no longer be the worker's, for a script that only looks, while `enter` finds out.
   *
   * @returns null where `enter` need not ask
   */
  unconfirmed(worker: WorkerEntry, pod: ContainerName): Transport | null;
}

/** @param timeoutMs how long each call to a cluster may take */
export function createReach(context: Context, timeoutMs: number): Reach {
  const { exec, commandLine } = context;
  const cluster = clusterOf(context, timeoutMs);
  const findPod = podFinder(cluster);
  return {
    async enter(worker) {
      if (worker.runtime === 'local')
        return { transport: localTransport(worker, exec, commandLine), pod: null };
      const search = await findPod(worker);
      if (search.kind === 'none') throw new NoEntranceError(worker, search, null, commandLine);
      if (!search.pod.enterable) throw new NoEntranceError(worker, search, search.pod, commandLine);
      return { transport: podTransport(cluster, worker, search.pod), pod: search.pod };
    },
    unconfirmed(worker, pod) {
      if (worker.runtime === 'local' || clientOf(cluster).watchedPods?.(worker)) return null;
      return podTransport(cluster, worker, pod);
    },
  };
}

/** The worker that a command is about. */
export interface FoundWorker {
  readonly worker: WorkerEntry;
  /** How long each call to it may take. */
  readonly timeoutMs: number;
  /** Finds the entrance, again at each call; see {@link Reach}. */
  readonly enter: () => Promise<Entrance>;
}

/** For a command that gives a terminal or a long stream to kubectl: it keeps no connection of its own beside that. */
export const BY_KUBECTL = { connected: false } as const;

/**
 * Finds a worker in workers.yaml, using the flags that every worker command has.
 *
 * @throws UsageError when there is none with that name
 */
export async function findWorker(
  context: Context,
  flags: WorkerFlagValues,
  name: string,
  { connected = true, watching = false }: { readonly connected?: boolean; readonly watching?: boolean } = {},
): Promise<FoundWorker> {
  const timeoutMs = parseDuration(flags.timeout, '--timeout');
  const worker = chooseWorker(await loadWorkers(context.env, flags, context.commandLine), name);
  if (connected) openConnections(context, [worker], { watching });
  return found(context, worker, timeoutMs);
}

/** The same for entries of workers.yaml; they share the connections to their clusters. */
export function foundWorkers(
  context: Context,
  flags: WorkerFlagValues,
  workers: readonly WorkerEntry[],
): FoundWorker[] {
  const timeoutMs = parseDuration(flags.timeout, '--timeout');
  openConnections(context, workers);
  return workers.map((worker) => found(context, worker, timeoutMs));
}

function found(context: Context, worker: WorkerEntry, timeoutMs: number): FoundWorker {
  return { worker, timeoutMs, enter: () => createReach(context, timeoutMs).enter(worker) };
}

/** There is no running container to enter; `status` and `pod` say why. */
export class NoEntranceError extends TransportError {
  readonly status: Status;
  readonly pod: PodFacts | null;

  constructor(worker: ClusterWorker, search: PodSearch, pod: PodFacts | null, command: CommandLine) {
    const status = search.kind === 'none' ? search.status : search.pod.state;
    const reason = search.kind === 'none' ? search.reason : search.pod.reason;
    super('not-running', `${worker.name} is ${status}: ${reason}`, {
      hints: hintsFor(status, worker, pod, command),
    });
    this.status = status;
    this.pod = pod;
  }
}

function hintsFor(
  status: Status,
  worker: ClusterWorker,
  pod: PodFacts | null,
  command: CommandLine,
): string[] {
  const kubectl = (...words: string[]) => kubectlInNamespace(worker, ...words);
  switch (status) {
    case 'missing':
      return [
        `what there is: ${kubectl('get', 'deployments,pods')}`,
        `install it: ${command('provision', worker.name)}`,
      ];
    case 'stopped':
      // A pod that has ended (evicted, for example) is replaced automatically.
      return pod === null
        ? [`start it: ${command('start', worker.name)}`]
        : [`why: ${kubectl('describe', 'pod', pod.name)}`];
    case 'node-lost':
      return [
        `the node: ${kubectlCommand(worker, 'get', 'node', ...(pod?.node ? [pod.node] : []))}`,
        `if the machine is gone for good: ${kubectl('delete', 'pod', pod?.name ?? worker.pod, '--force', '--grace-period=0')}`,
      ];
    case 'crash-looping':
      return [`its last output: ${command('logs', worker.name, 'boot', '--previous')}`];
    default:
      // Without a pod it is the Deployment that says why there is none.
      if (pod === null) return [`events: ${kubectl('describe', 'deployment', worker.pod)}`];
      // The scheduler's words, which are in the message, name neither the nodes nor the volume.
      if (status === 'pending') return [`why: ${command('why', worker.name)}`];
      return [`events: ${kubectl('describe', 'pod', pod.name)}`];
  }
}
