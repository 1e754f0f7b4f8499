/** The commands as programs of their own, for tests that need real standard streams, signals or a terminal. */
import { fileURLToPath } from 'node:url';

const TSX = import.meta.resolve('tsx');

/** The words that start `scripts/NAME.ts` from source. */
export function program(name: string): [string, ...string[]] {
  return [
    process.execPath,
    '--import',
    TSX,
    fileURLToPath(new URL(`../../scripts/${name}.ts`, import.meta.url)),
  ];
}

/** The same as a line for a shell. */
export function programLine(name: string, ...args: string[]): string {
  return [...program(name), ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}
