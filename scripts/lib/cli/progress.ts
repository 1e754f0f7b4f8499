/** The progress of a transfer, on a terminal: how much, of how much, how fast. */
import { liveText } from './output.ts';
import type { Sink } from './sink.ts';
import { bytes } from './text.ts';

/** Milliseconds between two updates. */
const PAUSE_MS = 500;

/** `45%  12.0MiB of 26.7MiB  3.1MiB/s`. @param total null when it is unknown */
export function describeProgress(done: number, total: number | null, ms: number): string {
  const rate = ms <= 0 ? [] : [`${bytes(Math.round((1000 * done) / ms))}/s`];
  if (total === null) return [bytes(done), ...rate].join('  ');
  // An archive is somewhat larger than the files in it.
  const share = total === 0 ? 100 : Math.min(100, Math.floor((100 * done) / total));
  return [`${share}%`, `${bytes(Math.min(done, total))} of ${bytes(total)}`, ...rate].join('  ');
}

/** Shows the progress; nothing where there is no terminal. `clear` removes it at the end. */
export function showProgress(
  stderr: Sink,
  total: number | null,
): { readonly update: (done: number) => void; readonly clear: () => void } {
  const live = liveText(stderr);
  const begun = performance.now();
  let shownAt = begun;
  return {
    update(done) {
      const now = performance.now();
      if (now - shownAt < PAUSE_MS) return;
      shownAt = now;
      live.update(`${describeProgress(done, total, now - begun)}\n`);
    },
    clear: live.clear,
  };
}
