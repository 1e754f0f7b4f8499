/** Brings a worker to rest before it is stopped: drains it, and waits for its running stage. */
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { DRAINED_BY } from '../contract.ts';
import { TransportError } from '../transport/transport.ts';
import { createReach } from '../worker/observe.ts';
import { parseSnapshot } from '../worker/snapshot.ts';
import { drainWorker, liftDrain } from './drain.ts';
import { waitForRest } from './rest.ts';

/** The owner of the drain before a stop. `start` lifts it, from any laptop. */
const OWNER = { release: DRAINED_BY.stop, force: false };

export interface Rest {
  readonly reason: string;
  /** How long the running stage may take. */
  readonly waitMs: number;
  /** How long the worker may take to answer. */
  readonly timeoutMs: number;
  readonly say: (what: string) => void;
  /** What to type instead of waiting, for the timeout message. */
  readonly hints: readonly string[];
}

const LIFT_MS = 15_000;

/**
 * Drains the worker, unless it is drained already, and waits until nothing runs. When that fails or is interrupted, lifts its
 * own drain again: a worker that is not stopped after all continues to work.
 *
 * @throws CliError (exit 124) when the running stage does not end in time
 */
async function bringToRest(worker: WorkerEntry, rest: Rest, context: Context): Promise<void> {
  const { reason, waitMs, timeoutMs, say } = rest;
  const { signal, commandLine } = context;
  const enter = async () => (await createReach(context, timeoutMs).enter(worker)).transport;
  const transport = await enter();
  const { drain } = parseSnapshot(
    await transport.run({ script: 'look', args: ['brief'], timeoutMs, signal }),
  );
  const others = drain !== null && drain.release !== OWNER.release;
  if (others) {
    say(
      `is drained by ${drain.by}@${drain.host} already (${drain.reason || 'no reason given'}); that drain stays`,
    );
  }
  try {
    if (!others) await drainWorker(transport, worker, reason, OWNER, { timeoutMs, signal, commandLine });
    const outcome = await waitForRest({
      worker: worker.name,
      enter,
      timeoutMs,
      limitMs: waitMs,
      signal,
      say,
    });
    if (outcome.rests) return;
    throw new CliError(
      `${worker.name} does not come to rest within ${Math.round(waitMs / 1000)}s: it ${outcome.it}`,
      { exitCode: ExitCode.timeout, hints: rest.hints },
    );
  } catch (error) {
    if (!others) say(await lift(worker, context, LIFT_MS));
    throw error;
  }
}

/** The drain before a stop: lifted again when the stop fails, left alone once the worker is being stopped. */
export interface Resting {
  /** Brings the worker to rest; see {@link bringToRest}. */
  begin(): Promise<string>;
  /** From here on the worker stops, and the drain stays on its volume. */
  done(): void;
  /** A later step failed: a worker that is not stopped after all continues to work. */
  giveUp(): Promise<void>;
}

export function resting(worker: WorkerEntry, rest: Rest, context: Context): Resting {
  let rests = false;
  return {
    async begin() {
      await bringToRest(worker, rest, context);
      rests = true;
      return 'nothing runs any more';
    },
    done() {
      rests = false;
    },
    async giveUp() {
      if (rests) rest.say(await lift(worker, context, LIFT_MS));
    },
  };
}

/**
 * Lifts the drain of a stop, also after Ctrl-C. Never fails: the earlier error is the one to report.
 *
 * @returns a sentence about it
 */
export async function lift(worker: WorkerEntry, context: Context, timeoutMs: number): Promise<string> {
  // Not the command's own signal, which Ctrl-C has aborted.
  const signal = AbortSignal.timeout(3 * timeoutMs);
  try {
    const { transport } = await createReach({ ...context, signal }, timeoutMs).enter(worker);
    const { word, drain } = await liftDrain(transport, worker, OWNER, {
      timeoutMs,
      signal,
      commandLine: context.commandLine,
    });
    if (word === 'none') return 'it is not drained';
    return `its drain of ${drain?.since || 'just now'} is lifted: it takes up work again`;
  } catch (error) {
    const unanswered = error instanceof TransportError || error instanceof InterruptedError;
    // Another owner's drain.
    if (error instanceof CliError && !unanswered) return `${error.message}; that drain stays`;
    return `it may still be drained (${unanswered ? 'it did not answer' : (error as Error).message}); look: ${context.commandLine('status', worker.name)}`;
  }
}
