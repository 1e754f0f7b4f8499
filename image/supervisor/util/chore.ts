/** Work that is asked for again and again: at every beat, or whenever something has changed. */
import { messageOf } from './errors.ts';
import { createNews } from './news.ts';

/**
 * @param name begins what it complains when it fails; one that fails at every beat is one line
 * @returns starts the work and does not wait for it. It never overlaps itself: asked for while it runs, it runs once more
 *   afterwards, so that nothing is missed that came too late for the first look.
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
