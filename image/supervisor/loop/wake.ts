/** An alarm clock with a bell: the loop sleeps its interval, unless something happens first. */
import type { Clock } from '../effects/effects.ts';

export interface Wake {
  /** Ends the wait that is going on, or the next one at once. */
  ring(): void;
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export function createWake(clock: Clock): Wake {
  let rung = false;
  let bell = new AbortController();
  return {
    ring() {
      rung = true;
      bell.abort();
    },
    async wait(ms, signal) {
      bell = new AbortController();
      const end = () => bell.abort();
      // Not AbortSignal.any: a signal that lives as long as the worker would remember every wait.
      signal.addEventListener('abort', end, { once: true });
      if (!rung && !signal.aborted) await clock.sleep(ms, bell.signal);
      signal.removeEventListener('abort', end);
      rung = false;
    },
  };
}
