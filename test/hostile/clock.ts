/**
 * Time that goes by only where a command waits: a pause of seconds takes none here, and a limit of hours is reached after a
 * few hundred pauses. It stands in for `node:timers/promises`, Date and performance.
 */
import { NOW } from './honest.ts';

/** A pause is at least so long, so that a wait for hours comes to its end. */
const PAUSE_MS = 60_000;

let passed = 0;
let pauses = 0;
let onPause: (pauses: number) => void = () => {};

/** Begins anew. @param hear is told of each pause, with how many there were */
export function setClock(hear: (pauses: number) => void = () => {}): void {
  passed = 0;
  pauses = 0;
  onPause = hear;
}

export const milliseconds = (): number => NOW.getTime() + passed;
export const date = (): Date => new Date(milliseconds());

/** What `node:timers/promises` exports as setTimeout. */
export async function sleep<T>(
  ms = 0,
  value?: T,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<T | undefined> {
  signal?.throwIfAborted();
  passed += Math.max(ms, PAUSE_MS);
  pauses += 1;
  onPause(pauses);
  // What was started meanwhile goes on.
  await new Promise<void>((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
  return value;
}
