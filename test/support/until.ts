/** Waiting for something to become true, outside of an assertion; in one it is `expect.poll`, with its deadline from vitest.config.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

/** A guard against waiting for ever, and no measure: the machine may be busy with something else. */
export const PATIENCE_MS = 60_000;
const INTERVAL_MS = 30;

/**
 * Looks until it sees what it waits for. A look that throws counts as not yet: what it reads may be half written.
 *
 * @param what named in the error
 * @param enough whether it is what it waits for; by default whatever is truthy
 * @returns what it has seen
 * @throws Error with what it saw last
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  enough: (seen: T) => unknown = Boolean,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  let last: unknown;
  for (const end = Date.now() + patienceMs; ; await sleep(INTERVAL_MS)) {
    try {
      const seen = await look();
      if (enough(seen)) return seen;
      last = seen;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end)
      throw new Error(`${what}: not within ${patienceMs / 1000} s; last seen: ${inspect(last)}`);
  }
}
