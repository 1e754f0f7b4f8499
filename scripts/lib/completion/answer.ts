/** The candidates in the form that each shell expects. Pure. */
import { oneLine } from '../cli/text.ts';
import type { Candidate } from './plan.ts';
import { insertion, scanLine } from './shell-words.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** Printed instead of candidates where the shell is to complete file names itself. */
export const FILES = ':files\n';

/**
 * The words up to the cursor, unquoted; the last one is being typed.
 *
 * @param given the arguments from the shell's script: from bash the line and the part of it to replace, else words
 */
export function typedWords(shell: Shell, given: readonly string[]): readonly string[] {
  return shell === 'bash' ? scanLine(given[0] ?? '').words : given;
}

/**
 * One line for each candidate: for bash the text to insert, for the others the word and its description. bash does no
 * matching, so it is done here; the others match as their user has configured.
 */
export function renderCandidates(
  shell: Shell,
  given: readonly string[],
  candidates: readonly Candidate[],
): string {
  const [line = '', replaced = ''] = given;
  const { raw } = scanLine(shell === 'bash' ? line : '');
  const format: Readonly<Record<Shell, (candidate: Candidate) => string | null>> = {
    bash: ({ value }) => insertion(value, raw, replaced),
    // The first colon separates the two.
    zsh: ({ value, description }) => `${value.replaceAll(/[\\:]/g, '\\$&')}:${oneLine(description)}`,
    fish: ({ value, description }) => `${value}\t${oneLine(description)}`,
  };
  return candidates
    .filter(({ value }) => value !== '' && !/\p{Cc}/u.test(value))
    .map(format[shell])
    .filter((text) => text !== null)
    .map((text) => `${text}\n`)
    .join('');
}
