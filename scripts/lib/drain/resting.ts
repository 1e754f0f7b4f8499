/** Bringing a worker to rest before it is stopped: drained, and its running stage at its end. */
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { DRAINED_BY } from '../contract.ts';
import { TransportError } from '../transport/transport.ts';
import { createReach } from '../worker/observe.ts';
import { parseSnapshot } from '../worker/snapshot.ts';
import { drainWorker, liftDrain } from './drain.ts';
import { waitForRest } from './rest.ts';

/** In whose name a worker is drained before it is stopped: whoever starts it again lifts that, from whatever laptop. */
const OWNER = { release: DRAINED_BY.stop, force: false };

export interface Rest {
  readonly reason: string;
  /** How long the running stage may take. */
  readonly waitMs: number;
  /** How long the worker may take to answer. */
  readonly timeoutMs: number;
  readonly say: (what: string) => void;
  /** What to type instead of waiting, for the message when the time is over. */
  readonly hints: readonly string[];
}

const LIFT_MS = 15_000;

/**
 * Drains the worker, unless somebody has, and waits until nothing runs. When that fails or is interrupted, its own drain is
 * lifted again: a worker that is not stopped after all goes on working.
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

/** A drain on the way to something else: lifted again when that fails, given up once the worker is being stopped. */
export interface Resting {
  /** Brings the worker to rest; see {@link bringToRest}. */
  begin(): Promise<string>;
  /** From here on the worker stops: the drain stays on its volume. */
  done(): void;
  /** What comes after failed: a worker that is not stopped after all goes on working. */
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
 * Lifts the drain of a stop, also after Ctrl-C, and never fails: what went wrong before is what must be told.
 *
 * @returns a sentence about it
 */
export async function lift(worker: WorkerEntry, context: Context, timeoutMs: number): Promise<string> {
  // Ctrl-C has aborted the command's own signal.
  const signal = AbortSignal.timeout(3 * timeoutMs);
  try {
    const { transport } = await createReach({ ...context, signal }, timeoutMs).enter(worker);
    const { word, drain } = await liftDrain(transport, worker, OWNER, {
      timeoutMs,
      signal,
      commandLine: context.commandLine,
    });
    if (word === 'none') return 'it is not drained';
    return `its drain of ${drain?.since || 'just now'} is lifted: it takes up work`;
  } catch (error) {
    const unanswered = error instanceof TransportError || error instanceof InterruptedError;
    // Somebody else's.
    if (error instanceof CliError && !unanswered) return `${error.message}; that drain stays`;
    return `whether it is drained is not known (${unanswered ? 'it did not answer' : (error as Error).message}); look: ${context.commandLine('status', worker.name)}`;
  }
}
