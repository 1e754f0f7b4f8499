/** Observes workers: enters each, probes it, judges it. A worker that cannot be reached becomes an observation too. */
import type { Context } from '../cli/command.ts';
import { ExitCode, InterruptedError } from '../cli/errors.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import type { Frame } from '../transport/frame.ts';
import type { PodFacts } from '../transport/pods.ts';
import { type RemoteCall, TransportError, type TransportErrorKind } from '../transport/transport.ts';
import { type LastSeen, recallPod, recallSeen, rememberSeen } from '../worker/last-seen.ts';
import { createReach, NoEntranceError, type Reach } from '../worker/observe.ts';
import { parseSnapshot, type Snapshot } from '../worker/snapshot.ts';
import type { CommandLine, Status } from '../worker/status.ts';
import { type Facts, type Finding, NOT_ASKED } from './facts.ts';
import type { Miss } from './outages.ts';
import { assess, severityOf } from './report.ts';

/** A worker at one moment. */
export interface Observation {
  readonly worker: WorkerEntry;
  readonly status: Status;
  /** What is wrong, or explains why nothing happens; the finding that decides the STATUS column comes first. */
  readonly problems: readonly Finding[];
  /** Null for a local worker, and when there is no pod. */
  readonly pod: PodFacts | null;
  /** Null when the worker could not be entered. */
  readonly snapshot: Snapshot | null;
  /** What it did when it was last probed from here; null while it can be probed, or when it never was. */
  readonly lastSeen: LastSeen | null;
  /** The failure of its cluster that kept us out, which other workers share. */
  readonly reason?: string;
}

/**
 * Probes a worker.
 *
 * @param scope `brief` for what a list shows, `full` for what `status` shows
 * @returns always an observation; throws only when interrupted, or when kubectl is missing
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
 * The same with a script that returns more than a probe; `frame` is its whole answer, null when the worker gave none.
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
  const early = lookEarly(reach, worker, { ...call, timeoutMs, signal }, env);
  try {
    let entrance = await reach.enter(worker);
    pod = entrance.pod;
    const ask = () => entrance.transport.run({ ...call, timeoutMs, signal });
    const frame = await (early.of(pod) ?? ask()).catch(async (error: unknown) => {
      if (!(error instanceof TransportError) || error.kind !== 'not-running') throw error;
      // Its container has ended since the list of pods was read: read it again.
      entrance = await createReach(context, timeoutMs).enter(worker);
      ({ pod } = entrance);
      return ask();
    });
    const snapshot = parseSnapshot(frame);
    rememberSeen(env, worker, { snapshot, pod }, now());
    const seen = { worker, pod, snapshot, lastSeen: null, ...assess(worker, pod, snapshot, commandLine) };
    return { seen, frame };
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    // Without kubectl no worker can be entered: that is the command's failure, not the worker's.
    if (error.exitCode === ExitCode.missingProgram) throw error;
    const status = statusOf(error, pod);
    const there = error instanceof NoEntranceError ? error.pod : pod;
    const seen = {
      worker,
      pod: there,
      snapshot: null,
      lastSeen: recallSeen(env, worker),
      status,
      problems: [refusal(status, there, error)],
      ...(error.reason === null ? {} : { reason: error.reason }),
    };
    return { seen, frame: null };
  } finally {
    early.end();
  }
}

/**
 * Looks into the pod where the worker was last time, while its pod is being looked up: one waits for the longer of the two, and
 * not for both.
 *
 * @returns `of` the pod that was found: the answer, or null when that is another pod
 */
function lookEarly(reach: Reach, worker: WorkerEntry, call: RemoteCall, env: NodeJS.ProcessEnv) {
  const guess = recallPod(env, worker);
  const transport = guess && reach.unconfirmed(worker, guess);
  const ended = new AbortController();
  const signal = AbortSignal.any([call.signal, ended.signal]);
  const answer = transport?.run({ ...call, signal }) ?? null;
  // Of another pod it is not waited for.
  answer?.catch(() => {});
  return {
    of: (pod: PodFacts | null) =>
      guess !== null && pod?.name === guess.name && pod.container === guess.container ? answer : null,
    end: () => ended.abort(new InterruptedError()),
  };
}

/** The facts of an observation; the caller adds what it read in addition. */
export function factsOf({ worker, pod, snapshot, problems }: Observation, command: CommandLine): Facts {
  const refusal = snapshot === null ? (problems[0] ?? null) : null;
  return { ...NOT_ASKED, worker, pod, refusal, snapshot, command };
}

/** Why a worker was not entered. @param pod its pod, if there is one anyway */
function refusal(status: Status, pod: PodFacts | null, { message, hints }: TransportError): Finding {
  return { id: status, severity: severityOf(status, pod), status, cause: message, evidence: [], next: hints };
}

/** An observation of a worker whose answer we failed to handle, through a bug of ours. @param sentence says so */
export function unexpected(worker: WorkerEntry, sentence: string): Observation {
  return {
    worker,
    status: 'degraded',
    problems: [
      {
        id: UNEXPECTED,
        severity: 'error',
        status: 'degraded',
        cause: `${worker.name}: ${sentence}`,
        evidence: [],
        next: [],
      },
    ],
    pod: null,
    snapshot: null,
    lastSeen: null,
  };
}

const UNEXPECTED = 'unexpected-error';

/** @param pod the pod that could not be entered, if there was one */
function statusOf(error: TransportError, pod: PodFacts | null): Status {
  if (error instanceof NoEntranceError) return error.status;
  if (error.kind === 'not-running' && pod?.state === 'draining') return 'draining';
  // A restarting kubelet does not answer either, but its pods stay Ready.
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

/** Why a worker was not entered, for {@link outagesOf}. */
export function missOf({ worker, status, reason, problems }: Observation): Miss {
  return { worker, status, reason: reason ?? null, next: problems[0]?.next ?? [] };
}

/** For the commands whose exit code says what {@link exitCodeOf} a worker is. */
export const EXIT_CODE_FLAG = {
  'exit-code': { type: 'boolean', description: 'exit with 4 when something needs the operator' },
} as const;

/**
 * The exit code of a command about one worker: 1 when its state is not known.
 *
 * @param findings what was found; an error needs the operator
 * @param asked whether --exit-code was given
 */
export function exitCodeOf(seen: Observation, findings: readonly Finding[], asked: boolean): number {
  if (!isKnown(seen)) return ExitCode.failed;
  return asked && findings.some(({ severity }) => severity === 'error')
    ? ExitCode.needsOperator
    : ExitCode.ok;
}

/** Whether the state of a worker is known; decides between exit 0 and 3 of a command on several workers. */
export function isKnown({ snapshot, status, problems }: Observation): boolean {
  if (snapshot !== null) return true;
  const lost = ['unreachable', 'forbidden', 'unauthorized', 'missing', 'node-lost'].includes(status);
  return !lost && problems.every(({ id }) => id !== UNEXPECTED);
}
