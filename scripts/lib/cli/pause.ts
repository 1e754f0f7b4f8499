/** A pause between two polls, ended by Ctrl-C. */
import { setTimeout as sleep } from 'node:timers/promises';
import { InterruptedError } from './errors.ts';

/**
 * @param interrupted what to say after Ctrl-C, where there is more to say than that
 * @throws what the signal was aborted with; InterruptedError where `interrupted` is given
 */
export async function pause(ms: number, signal: AbortSignal, interrupted?: string): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    if (interrupted !== undefined) throw InterruptedError.by(signal, interrupted);
    signal.throwIfAborted();
  }
}
