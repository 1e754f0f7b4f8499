/** Several workers at once, but not too many. */

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
