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
/** The supervisor tries a database again after 1 s, then 2 s: one that was just starting has its chance. */
const REFUSED_LOOKS = 4;
/** gh and claude have their own time limits in the worker (scripts/remote/rotate.sh). */
const CALLS_MS = 90_000;

/** A worker leaves these states by itself, perhaps because of the new tokens. */
const PASSING = new Set<Status>(['starting', 'crash-looping', 'draining']);

/** The tokens that a worker uses; or why it could not be entered. */
export type Proof = Credentials | NoEntranceError;

/** A database that the worker cannot use with its URL, and why. */
export interface Refused {
  readonly refused: string;
}

/** The result of waiting: the tokens are `there`; the database refuses; it is too `late`; or no container can be entered. */
export type Arrival = 'there' | 'late' | Refused | NoEntranceError;

export interface Inquiry {
  /**
   * Also lets gh and claude use their tokens, which takes seconds.
   *
   * @throws TransportError when the worker cannot be asked
   */
  ask(): Promise<Proof>;
  /** Polls until the worker has the new tokens, and its database is open; waits for a worker that is starting. */
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
    if ([...wanted].some(([key, hash]) => (found.files.get(key) ?? '-') !== hash)) return 'late';
    const url = wanted.get('DATABASE_URL');
    const used = found.next.get('DATABASE_URL');
    if (url === undefined || used === undefined) return 'there';
    // The supervisor tries it before the worker uses it.
    if (url !== used || found.database?.verdict === 'unknown') return 'late';
    return found.database?.verdict === 'refused' ? { refused: found.database.reason } : 'there';
  };
  return {
    ask: () => ask(true),
    async untilMounted(wanted, waitMs) {
      const end = performance.now() + waitMs;
      const tell = onlyNews((line) => stderr.write(`${line}\n`));
      let refused = 0;
      for (;;) {
        const arrival = await look(wanted).catch((error: unknown) => {
          // The container has ended in the meantime: the next poll says how the worker is.
          if (error instanceof TransportError && error.kind === 'not-running' && performance.now() < end)
            return 'late' as const;
          throw error;
        });
        if (arrival === 'there' || performance.now() > end) return arrival;
        refused = isRefused(arrival) ? refused + 1 : 0;
        if (refused >= REFUSED_LOOKS) return arrival;
        if (arrival instanceof NoEntranceError && !PASSING.has(arrival.status)) return arrival;
        tell(`waiting${whatFor(arrival)}`);
        await pause(POLL_MS, signal);
      }
    },
  };
}

export function isRefused(arrival: Arrival): arrival is Refused {
  return typeof arrival === 'object' && 'refused' in arrival;
}

function whatFor(arrival: Exclude<Arrival, 'there'>): string {
  if (arrival === 'late') return ' for the Secret to reach the worker';
  return `: ${isRefused(arrival) ? arrival.refused : arrival.message}`;
}
