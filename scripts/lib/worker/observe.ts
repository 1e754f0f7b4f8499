/** Looking at workers: reach each, probe it, assess it. A worker that cannot be reached becomes an observation too. */
import type { Context } from '../cli/command.ts';
import { ExitCode } from '../cli/errors.ts';
import type { ClusterWorker, WorkerEntry } from '../config/worker-entry.ts';
import type { Frame } from '../transport/frame.ts';
import { clusterOf, kubectlTransport, type PodSearch, podFinder } from '../transport/kubectl.ts';
import { kubectlCommand, kubectlInNamespace } from '../transport/kubectl-errors.ts';
import { localTransport } from '../transport/local.ts';
import type { PodFacts } from '../transport/pods.ts';
import {
  type RemoteCall,
  type Transport,
  TransportError,
  type TransportErrorKind,
} from '../transport/transport.ts';
import { type LastSeen, recallSeen, rememberSeen } from './last-seen.ts';
import { parseSnapshot, type Snapshot } from './snapshot.ts';
import { assess, type CommandLine, type Problem, type Status } from './status.ts';

/** A worker at one moment. */
export interface Observation {
  readonly worker: WorkerEntry;
  readonly status: Status;
  readonly problems: readonly Problem[];
  /** Null for a local worker, and where there is no pod. */
  readonly pod: PodFacts | null;
  /** Null when the worker could not be entered. */
  readonly snapshot: Snapshot | null;
  /** What it did when it could last be asked from here; null while it can be asked, or when it never was. */
  readonly lastSeen: LastSeen | null;
}

/** A way into a worker, valid for one command. */
export interface Entrance {
  readonly transport: Transport;
  readonly pod: PodFacts | null;
}

export interface Reach {
  /**
   * Finds the way into a worker.
   *
   * @throws TransportError when there is none just now, with the reason and what to do
   */
  enter(worker: WorkerEntry): Promise<Entrance>;
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
      return { transport: kubectlTransport(cluster, worker, search.pod), pod: search.pod };
    },
  };
}

/** There is no running container to enter; what there is says why. */
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
      // A pod that has ended, evicted perhaps, is replaced by itself.
      return pod === null
        ? [`start it: ${command('start', worker.name)}`]
        : [`why: ${kubectl('describe', 'pod', pod.name)}`];
    case 'node-lost':
      return [
        `the node: ${kubectlCommand(worker, 'get', 'node', ...(pod?.node ? [pod.node] : []))}`,
        `when the machine is gone for good: ${kubectl('delete', 'pod', pod?.name ?? worker.pod, '--force', '--grace-period=0')}`,
      ];
    case 'crash-looping':
      return [`what it said last: ${command('logs', worker.name, 'boot', '--previous')}`];
    default:
      return [`events: ${kubectl('describe', 'pod', pod?.name ?? worker.pod)}`];
  }
}

/**
 * Probes a worker.
 *
 * @param scope `brief` for what a list shows, `full` for what `status` shows
 * @returns always an observation; thrown are only an interruption, and that kubectl is missing
 */
export async function observe(
  reach: Reach,
  worker: WorkerEntry,
  scope: 'brief' | 'full',
  context: Context,
  timeoutMs: number,
): Promise<Observation> {
  return (await observeWith(reach, worker, { script: 'look', args: [scope] }, context, timeoutMs)).seen;
}

/**
 * The same with a script that probes and tells more; `frame` is its whole answer, null when the worker gave none.
 */
export async function observeWith(
  reach: Reach,
  worker: WorkerEntry,
  call: Pick<RemoteCall, 'script' | 'args'>,
  context: Context,
  timeoutMs: number,
): Promise<{ readonly seen: Observation; readonly frame: Frame | null }> {
  const { env, signal, now, commandLine } = context;
  let pod: PodFacts | null = null;
  try {
    let entrance = await reach.enter(worker);
    pod = entrance.pod;
    const ask = () => entrance.transport.run({ ...call, timeoutMs, signal });
    const frame = await ask().catch(async (error: unknown) => {
      if (!(error instanceof TransportError) || error.kind !== 'not-running') throw error;
      // Its container has ended since the list of pods: another list says what became of it.
      entrance = await createReach(context, timeoutMs).enter(worker);
      ({ pod } = entrance);
      return ask();
    });
    const snapshot = parseSnapshot(frame);
    rememberSeen(env, worker, snapshot, now());
    const seen = { worker, pod, snapshot, lastSeen: null, ...assess(worker, pod, snapshot, commandLine) };
    return { seen, frame };
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    // Without kubectl no worker can be asked: that is the command's failure, not the worker's.
    if (error.exitCode === ExitCode.missingProgram) throw error;
    const status = statusOf(error, pod);
    const problem = { id: status, cause: error.message, next: error.hints };
    const seen = {
      worker,
      pod: error instanceof NoEntranceError ? error.pod : pod,
      snapshot: null,
      lastSeen: recallSeen(env, worker),
      status,
      problems: [problem],
    };
    return { seen, frame: null };
  }
}

/** A worker whose answer we could not deal with, through a mistake of ours. @param sentence says so */
export function unexpected(worker: WorkerEntry, sentence: string): Observation {
  return {
    worker,
    status: 'degraded',
    problems: [{ id: UNEXPECTED, cause: `${worker.name}: ${sentence}`, next: [] }],
    pod: null,
    snapshot: null,
    lastSeen: null,
  };
}

const UNEXPECTED = 'unexpected-error';

/** @param pod the pod that was entered in vain, if there was one */
function statusOf(error: TransportError, pod: PodFacts | null): Status {
  if (error instanceof NoEntranceError) return error.status;
  if (error.kind === 'not-running' && pod?.state === 'draining') return 'draining';
  // A kubelet that restarts does not answer either, but its pods stay Ready.
  if (error.kind === 'node-unreachable' && pod?.ready === false) return 'node-lost';
  return STATUS_OF[error.kind];
}

const STATUS_OF: Readonly<Record<TransportErrorKind, Status>> = {
  unreachable: 'unreachable',
  'node-unreachable': 'unreachable',
  timeout: 'unreachable',
  broken: 'unreachable',
  unauthorized: 'unauthorized',
  forbidden: 'forbidden',
  missing: 'missing',
  'not-running': 'starting',
  program: 'degraded',
};

/** Whether a worker could be asked at all; decides between exit 0 and 3 of a command on several. */
export function isKnown({ snapshot, status, problems }: Observation): boolean {
  if (snapshot !== null) return true;
  const lost = ['unreachable', 'forbidden', 'unauthorized', 'missing', 'node-lost'].includes(status);
  return !lost && problems.every(({ id }) => id !== UNEXPECTED);
}
