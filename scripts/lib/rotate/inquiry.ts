/** Asks a worker which tokens it uses, and waits until they are the new ones. */

import type { Context } from '../cli/command.ts';
import { onlyNews } from '../cli/news.ts';
import { pause } from '../cli/pause.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { Hashes } from '../secret/secret.ts';
import { TransportError } from '../transport/transport.ts';
import { createReach, NoEntranceError } from '../worker/observe.ts';
import type { Status } from '../worker/status.ts';
import { type Credentials, parseCredentials } from './layers.ts';

const POLL_MS = 2_000;
/** gh and claude have their own time limits in the worker (scripts/remote/rotate.sh). */
const CALLS_MS = 90_000;

/** A worker leaves these states by itself, perhaps because of the new tokens. */
const PASSING = new Set<Status>(['starting', 'crash-looping', 'draining']);

/** The tokens that a worker uses; or why it could not be entered. */
export type Proof = Credentials | NoEntranceError;

/** The result of waiting: the tokens are `there`; it is too `late`; or no container can be entered. */
export type Arrival = 'there' | 'late' | NoEntranceError;

export interface Inquiry {
  /**
   * Also lets gh and claude use their tokens, which takes seconds.
   *
   * @throws TransportError when the worker cannot be asked
   */
  ask(): Promise<Proof>;
  /** Polls until the mounted files have the new tokens; waits for a worker that is starting. */
  untilMounted(wanted: Hashes, waitMs: number): Promise<Arrival>;
}

export function createInquiry(context: Context, worker: ClusterWorker, timeoutMs: number): Inquiry {
  const { signal, stderr } = context;
  const ask = async (call: boolean): Promise<Proof> => {
    const entrance = await createReach(context, timeoutMs)
      .enter(worker)
      .catch((error: unknown) => {
        if (error instanceof NoEntranceError) return error;
        throw error;
      });
    if (entrance instanceof NoEntranceError) return entrance;
    const frame = await entrance.transport.run({
      script: 'rotate',
      args: [call ? 'call' : 'look'],
      timeoutMs: timeoutMs + (call ? CALLS_MS : 0),
      signal,
    });
    return parseCredentials(frame);
  };
  const look = async (wanted: Hashes): Promise<Arrival> => {
    const found = await ask(false);
    if (found instanceof NoEntranceError) return found;
    const there = [...wanted].every(([key, hash]) => (found.files.get(key) ?? '-') === hash);
    return there ? 'there' : 'late';
  };
  return {
    ask: () => ask(true),
    async untilMounted(wanted, waitMs) {
      const end = performance.now() + waitMs;
      const tell = onlyNews((line) => stderr.write(`${line}\n`));
      for (;;) {
        const arrival = await look(wanted).catch((error: unknown) => {
          // The container has ended in the meantime: the next poll says how the worker is.
          if (error instanceof TransportError && error.kind === 'not-running' && performance.now() < end)
            return 'late' as const;
          throw error;
        });
        if (arrival === 'there' || performance.now() > end) return arrival;
        if (arrival !== 'late' && !PASSING.has(arrival.status)) return arrival;
        tell(`waiting${arrival === 'late' ? ' for the Secret to reach the worker' : `: ${arrival.message}`}`);
        await pause(POLL_MS, signal);
      }
    },
  };
}
