/** Parses issues and projects from the command line. Pure. */
import { UsageError } from '../cli/errors.ts';
import { projectName } from '../factory.ts';

/**
 * Parses issue numbers. Only plain numbers: `0123` may be a typing mistake.
 *
 * @throws UsageError naming what is not an issue number
 */
export function parseIssues(words: readonly string[], flag: string): number[] {
  for (const word of words) {
    if (!/^[1-9]\d{0,8}$/.test(word)) {
      throw new UsageError(`${flag} takes issue numbers such as 23; not "${word}"`);
    }
  }
  return [...new Set(words.map(Number))];
}

/** The name of the project's clone: `deathcookies` for both `deathcookies` and `owner/deathcookies`. */
export function parseProject(word: string): string {
  const name = projectName(word);
  if (!/^[\w.-]+$/.test(name) || name.startsWith('.') || name.startsWith('-')) {
    throw new UsageError(`--project takes NAME or owner/NAME; not "${word}"`);
  }
  return name;
}
