/** Runs an action on several workers at once, with a limit. */
import { CliError } from '../cli/errors.ts';

/** How many workers to ask at the same time. */
export const CONCURRENCY = 8;

/**
 * Runs an action on every item, at most `limit` at a time, in order of the items.
 *
 * @param onResult called with each result as soon as it is known
 * @returns the results in the order of the items
 * @throws what an action throws, without waiting for the others, so that Ctrl-C ends at once; no further action starts
 */
export async function fanOut<T, R>(
  items: readonly T[],
  limit: number,
  action: (item: T) => Promise<R>,
  onResult: (result: R, index: number) => void = () => {},
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const lane = async () => {
    for (let index = next++; index < items.length; index = next++) {
      try {
        results[index] = await action(items[index] as T);
      } catch (error) {
        // The other lanes finish their current action.
        next = items.length;
        throw error;
      }
      onResult(results[index] as R, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  return results;
}

/** What to say of an error that is our own bug in handling a worker's answer. */
export function bugSentence(error: unknown): string {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  const where = stack?.split('\n').find((line) => line.startsWith('    at ')) ?? '';
  return `factory-worker failed unexpectedly on its answer; please report this: ${name}: ${message} (${where.trim()})`;
}

/**
 * Wraps an action for {@link fanOut} so that one worker cannot hide the others: an unexpected error is our own bug in
 * handling its answer, and `recover` makes a row of it.
 *
 * @param recover called with a sentence that asks the operator to report it
 */
export function guarded<T, R>(
  action: (item: T) => Promise<R>,
  recover: (item: T, sentence: string) => R,
): (item: T) => Promise<R> {
  return async (item) => {
    try {
      return await action(item);
    } catch (error) {
      // The command handles expected errors (an interruption, a missing program).
      if (error instanceof CliError || !(error instanceof Error) || error.name === 'AbortError') throw error;
      return recover(item, bugSentence(error));
    }
  };
}
