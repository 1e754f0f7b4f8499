import { readFileSync } from 'node:fs';
import { linesOf } from '../agents/screens.ts';

/**
 * The file of a screen of the real claude. The files are from runs of our own, by `make screens`: the program in a made-up project, with a
 * made-up token, against a server of ours.
 *
 * @param name as test/agents/screens.ts has it
 */
export function capturedPath(name: string): string {
  return new URL(`screens/${name}.txt`, import.meta.url).pathname;
}

export const capturedText = (name: string): string => readFileSync(capturedPath(name), 'utf8');

/** The lines of the screen without blank ones, as the diagnosis takes them. */
export const captured = (name: string): string[] => linesOf(capturedText(name));
