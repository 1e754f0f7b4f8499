/** Work that is requested again and again: every few seconds, or whenever something has changed. */
import { messageOf } from './errors.ts';
import { createNews } from './news.ts';

/**
 * @param name prefix of the log line when it fails; repeated failures are logged once
 * @returns a function that starts the work and returns at once. The work never overlaps itself: when it is requested while it
 *   runs, it runs once more afterwards, so that no change is missed.
 */
export function createChore(
  name: string,
  work: () => void | Promise<void>,
  say: (line: string) => void,
): () => void {
  const complain = createNews(say);
  let running = false;
  let again = false;

  const run = async (): Promise<void> => {
    running = true;
    do {
      again = false;
      try {
        await work();
        complain('');
      } catch (error) {
        complain(`${name}: ${messageOf(error)}`);
      }
    } while (again);
    running = false;
  };

  return () => {
    if (running) again = true;
    else void run();
  };
}
