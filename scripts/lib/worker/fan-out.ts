/** Several workers at once, but not too many. */
import { CliError } from '../cli/errors.ts';

/**
 * Runs an action on every item, at most `limit` at a time, in order of the items.
 *
 * @param onResult hears each result as soon as it is known
 * @returns the results in the order of the items
 * @throws what an action throws; the others are not waited for, since an interruption must end at once, and nothing new begins
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
        // The other lanes end with what they are at.
        next = items.length;
        throw error;
      }
      onResult(results[index] as R, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  return results;
}

/**
 * An action for {@link fanOut} over which one worker cannot take away the view of the others: where it fails unexpectedly, that
 * is a mistake of ours in what this worker answered, and `recover` makes a row of it.
 *
 * @param recover gets a sentence that says so, for people to report
 */
export function guarded<T, R>(
  action: (item: T) => Promise<R>,
  recover: (item: T, sentence: string) => R,
): (item: T) => Promise<R> {
  return async (item) => {
    try {
      return await action(item);
    } catch (error) {
      // What was to be expected (an interruption, a missing program) is the command's business.
      if (error instanceof CliError || !(error instanceof Error) || error.name === 'AbortError') throw error;
      const where = error.stack?.split('\n').find((line) => line.startsWith('    at ')) ?? '';
      return recover(
        item,
        `factory-worker failed unexpectedly at its answer; please report this: ${error.name}: ${error.message} (${where.trim()})`,
      );
    }
  };
}
