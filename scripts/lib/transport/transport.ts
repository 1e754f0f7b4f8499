/**
 * How a worker is reached. Two implementations behind one interface: kubectl for a pod, plain processes for a worker on
 * this machine. A multiplexed connection could become a third.
 */
import { CliError, type ErrorDetails } from '../cli/errors.ts';
import { bytes } from '../cli/text.ts';
import type { Argv } from '../exec.ts';
import type { Frame } from './frame.ts';

/**
 * Why a worker could not be asked.
 *
 * - `unreachable` the cluster does not answer
 * - `node-unreachable` the cluster answers, the node of the worker's pod does not
 * - `unauthorized` it does not know who we are; `forbidden` it knows and refuses
 * - `missing` no such context, namespace, pod or local worker
 * - `not-running` there is a pod, but no container to enter
 * - `timeout` the worker took longer than allowed; what was started there ends at its own time limit
 * - `broken` the connection ended before the answer was whole: what was asked may or may not have happened
 * - `program` a program is missing, here or in the worker
 */
export type TransportErrorKind =
  | 'unreachable'
  | 'node-unreachable'
  | 'unauthorized'
  | 'forbidden'
  | 'missing'
  | 'not-running'
  | 'timeout'
  | 'broken'
  | 'program';

export interface TransportErrorDetails extends ErrorDetails {
  /** Not even a connection was made, so that nothing of what was asked has happened or will. */
  readonly neverBegan?: boolean;
}

/** The cluster gave no whole answer. */
const UNANSWERED: ReadonlySet<TransportErrorKind> = new Set<TransportErrorKind>([
  'broken',
  'timeout',
  'unreachable',
]);

/** After these what was asked may or may not have happened. */
const UNCERTAIN: ReadonlySet<TransportErrorKind> = new Set<TransportErrorKind>([
  ...UNANSWERED,
  'node-unreachable',
]);

/** After these, asking again may help. */
const PASSING: ReadonlySet<TransportErrorKind> = new Set<TransportErrorKind>([...UNCERTAIN, 'not-running']);

export class TransportError extends CliError {
  override readonly name = 'TransportError';
  readonly kind: TransportErrorKind;
  readonly neverBegan: boolean;

  constructor(kind: TransportErrorKind, message: string, details: TransportErrorDetails = {}) {
    super(message, details);
    this.kind = kind;
    this.neverBegan = details.neverBegan ?? false;
  }

  /** Whether the cluster gave no whole answer, which says nothing of the worker. */
  get unanswered(): boolean {
    return UNANSWERED.has(this.kind);
  }

  /** Whether a worker that is asked again may answer. */
  get mayPass(): boolean {
    return PASSING.has(this.kind);
  }

  /** Whether what was asked may have happened all the same. */
  get mayHaveHappened(): boolean {
    return !this.neverBegan && UNCERTAIN.has(this.kind);
  }
}

/** A worker, or the cluster for it, printed without end. @param asked what it was to answer: the script, or kubectl's verb */
export function floodError(worker: string, limitBytes: number, asked: string): TransportError {
  return new TransportError(
    'broken',
    `${worker} answered with more than ${bytes(limitBytes)} to \`${asked}\`; no such answer is that long, and nothing of it was read`,
  );
}

export interface RemoteCall {
  /** Name of a script in `scripts/remote`, without `.sh`. */
  readonly script: string;
  /** Data for the script; never part of its text. */
  readonly args: readonly string[];
  /** The script is ended in the worker after this time, and here a little later. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A program that gets the terminal. */
export interface TerminalCall {
  readonly argv: Argv;
  readonly env?: NodeJS.ProcessEnv;
  /** Lines of its stderr that are the transport's own and say nothing to people. */
  readonly dropStderr?: RegExp;
}

export interface Transport {
  /**
   * Runs a script in the worker and gives its whole answer.
   *
   * @throws TransportError when there is no whole answer; InterruptedError after Ctrl-C
   */
  run(call: RemoteCall): Promise<Frame>;
  /**
   * @param argv a program to run in the worker
   * @param tty whether it gets a terminal there; stdin is passed on in either case
   * @returns what to start here for that
   */
  terminal(argv: Argv, tty: boolean): TerminalCall;
}
