import { readFileSync } from 'node:fs';
import { linesOf } from '../agents/screens.ts';

/**
 * A screen of the real claude. The files are from runs of our own, by `make screens`: the program in a made-up project, with a
 * made-up token, against a server of ours.
 *
 * @param name as test/agents/screens.ts has it
 */
export function capturedText(name: string): string {
  return readFileSync(new URL(`screens/${name}.txt`, import.meta.url), 'utf8');
}

/** The same without blank lines, as the diagnosis takes it. */
export const captured = (name: string): string[] => linesOf(capturedText(name));
