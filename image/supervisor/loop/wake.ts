/** The sleep of the loop: one interval, or until `ring` is called. */
import type { Clock } from '../effects/effects.ts';

export interface Wake {
  /** Ends the current wait, or the next one at once. */
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
      // Not AbortSignal.any: a signal that lives as long as the worker would keep a reference to every wait.
      signal.addEventListener('abort', end, { once: true });
      if (!rung && !signal.aborted) await clock.sleep(ms, bell.signal);
      signal.removeEventListener('abort', end);
      rung = false;
    },
  };
}
