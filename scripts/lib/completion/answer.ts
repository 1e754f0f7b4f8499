/** What each shell passes and expects: words as bash reads and writes them, and the candidates. Pure. */
import { oneLine } from '../cli/text.ts';
import type { Candidate } from './plan.ts';

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

/** bash passes the line as typed, including quotes. */
interface Scan {
  /** Unquoted; the last one, maybe empty, is where the text ends. */
  readonly words: readonly string[];
  /** The last word as it was typed. */
  readonly raw: string;
  /** The quote that is still open at the end. */
  readonly quote: '"' | "'" | '';
}

/** Splits a simple command into words. Nothing is expanded: `$HOME` stays `$HOME`. */
export function scanLine(line: string): Scan {
  const words: string[] = [];
  let word: string | null = null;
  let start = 0;
  let quote: Scan['quote'] = '';
  for (let at = 0; at < line.length; at++) {
    const character = line.charAt(at);
    if (quote === '' && /\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
      continue;
    }
    if (word === null) {
      word = '';
      start = at;
    }
    if (quote === '' && (character === '"' || character === "'")) {
      quote = character;
    } else if (character === quote) {
      quote = '';
    } else if (character === '\\' && quote !== "'" && escapes(line.charAt(at + 1), quote)) {
      at++;
      word += line.charAt(at);
    } else {
      word += character;
    }
  }
  return { words: [...words, word ?? ''], raw: word === null ? '' : line.slice(start), quote };
}

/** Between double quotes a backslash is literal except before these. */
function escapes(next: string, quote: string): boolean {
  return quote === '' || /["\\$`]/.test(next);
}

/**
 * The text to insert at the cursor so that the word there becomes the candidate.
 *
 * @param raw the word as typed so far, including quotes
 * @param replaced its last part, which readline will replace: from the last `=`, `:` or opening quote on
 * @returns null when the candidate does not begin with what was typed
 */
export function insertion(candidate: string, raw: string, replaced: string): string | null {
  if (!candidate.startsWith(unquote(raw))) return null;
  const head = raw.endsWith(replaced) ? raw.slice(0, raw.length - replaced.length) : '';
  const { quote } = scanLine(head);
  const tail = candidate.slice(unquote(head).length);
  // readline closes the quote itself.
  if (quote === "'") return tail.replaceAll("'", "'\\''");
  if (quote === '"') return tail.replaceAll(/["\\$`]/g, '\\$&');
  return tail.replaceAll(/[^\p{L}\p{N}_@%+=:,./-]/gu, '\\$&');
}

function unquote(raw: string): string {
  return scanLine(raw).words.join('');
}
