/**
 * The commands as programs of their own, for tests that need real standard streams, signals or a terminal. It is the bundle
 * (fresh-bundle.ts builds it before the tests), which starts in a quarter of the time of the source.
 */
import { join } from 'node:path';
import { shellQuote } from '../../scripts/lib/cli/text.ts';
import { packageRoot } from '../../scripts/lib/cli/version.ts';

export const BUNDLE = join(packageRoot(), 'dist', 'factory-worker.js');

/** The words that start a command. */
export function program(name: string): [string, ...string[]] {
  return [process.execPath, BUNDLE, name];
}

/** The same as a line for a shell. */
export function programLine(name: string, ...args: string[]): string {
  return [...program(name), ...args].map(shellQuote).join(' ');
}
