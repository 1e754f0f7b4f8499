/**
 * The interface to a worker. Two implementations: a pod, entered as `kubectl exec` does, and plain processes for a local
 * worker.
 */
import { CliError, type ErrorDetails } from '../cli/errors.ts';
import { bytes } from '../cli/text.ts';
import type { Argv } from '../exec.ts';
import type { Frame } from './frame.ts';

/**
 * Why a worker did not answer.
 *
 * - `unreachable` the cluster does not answer
 * - `node-unreachable` the cluster answers, the node of the worker's pod does not
 * - `unauthorized` the cluster does not know who we are; `forbidden` it knows, and refuses
 * - `missing` no such context, namespace, pod or local worker
 * - `not-running` there is a pod, but no container to enter
 * - `timeout` the worker took longer than allowed; the script there ends at its own time limit
 * - `broken` the connection ended before the answer was complete: the request may or may not have taken effect
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
  /** No connection was made, so the request has not taken effect and never will. */
  readonly neverBegan?: boolean;
  /** The cluster's failure, in words that hold for every worker in it. */
  readonly reason?: string | undefined;
}

/** The cluster gave no complete answer. */
const UNANSWERED: ReadonlySet<TransportErrorKind> = new Set<TransportErrorKind>([
  'broken',
  'timeout',
  'unreachable',
]);

/** After these, the request may or may not have taken effect. */
const UNCERTAIN: ReadonlySet<TransportErrorKind> = new Set<TransportErrorKind>([
  ...UNANSWERED,
  'node-unreachable',
]);

/** After these, a retry may help. */
const PASSING: ReadonlySet<TransportErrorKind> = new Set<TransportErrorKind>([...UNCERTAIN, 'not-running']);

export class TransportError extends CliError {
  override readonly name = 'TransportError';
  readonly kind: TransportErrorKind;
  readonly neverBegan: boolean;
  readonly reason: string | null;

  constructor(kind: TransportErrorKind, message: string, details: TransportErrorDetails = {}) {
    super(message, details);
    this.kind = kind;
    this.neverBegan = details.neverBegan ?? false;
    this.reason = details.reason ?? null;
  }

  /** Whether the cluster gave no complete answer, which says nothing about the worker. */
  get unanswered(): boolean {
    return UNANSWERED.has(this.kind);
  }

  /** Whether a retry may succeed. */
  get mayPass(): boolean {
    return PASSING.has(this.kind);
  }

  /** Whether the request may have taken effect anyway. */
  get mayHaveHappened(): boolean {
    return !this.neverBegan && UNCERTAIN.has(this.kind);
  }
}

/** A worker, or its cluster, printed too much. @param asked the request: the script, or kubectl's verb */
export function floodError(worker: string, limitBytes: number, asked: string): TransportError {
  return new TransportError(
    'broken',
    `${worker} answered with more than ${bytes(limitBytes)} to \`${asked}\`; no valid answer is that long, and none of it was read`,
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
  /** Lines of its stderr that come from the transport itself and mean nothing to people. */
  readonly dropStderr?: RegExp;
}

export interface Transport {
  /**
   * Runs a script in the worker and returns its complete answer.
   *
   * @throws TransportError when there is no complete answer; InterruptedError after Ctrl-C
   */
  run(call: RemoteCall): Promise<Frame>;
  /**
   * @param argv a program to run in the worker
   * @param tty whether it gets a terminal there; stdin is passed on either way
   * @returns the program to start here for that
   */
  terminal(argv: Argv, tty: boolean): TerminalCall;
}
