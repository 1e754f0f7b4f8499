/** How to end a drain as its owner meant it to end. Pure. */
import type { Context } from '../cli/command.ts';
import { DRAINED_BY, type Drain } from '../contract.ts';

/** Whether an interrupted command left the drain, so that another command than `resume` ends it. */
export function isLeftBehind({ release }: Pick<Drain, 'release'>): boolean {
  return release === DRAINED_BY.stop || release === DRAINED_BY.restore;
}

/** What to type so that the worker takes up work again: `take up work again: factory-worker resume worker-1`. */
export function resumeHint(
  { release }: Pick<Drain, 'release'>,
  worker: string,
  commandLine: Context['commandLine'],
): string {
  switch (release) {
    case DRAINED_BY.stop:
      return `it was being stopped; let it work again: ${commandLine('start', worker)}`;
    case DRAINED_BY.restore:
      return `a restore was interrupted; run it again, or take up work as it is: ${commandLine('resume', worker, '--force')}`;
    default:
      return `take up work again: ${commandLine('resume', worker)}`;
  }
}
