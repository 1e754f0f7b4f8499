/** Small text functions: suggestions, ages, counts, quoting. */
import leven from 'leven';
import { withoutControls, withoutSequences } from './safe-text.ts';

/**
 * The candidates that may be meant, nearest first.
 *
 * @returns those within an edit distance that grows with the length of the words, so that short words do not match
 *   everything; empty when nothing is near
 */
export function nearest(word: string, candidates: Iterable<string>): string[] {
  return [...new Set(candidates)]
    .map((candidate) => ({ candidate, distance: leven(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => {
      const shorter = Math.min(word.length, candidate.length);
      const begins = shorter >= 2 && candidate.toLowerCase().startsWith(word.toLowerCase());
      return begins || distance <= Math.min(3, Math.floor((shorter * 2) / 3) - (shorter < 3 ? 1 : 0));
    })
    .sort((a, b) => a.distance - b.distance || a.candidate.localeCompare(b.candidate))
    .map(({ candidate }) => candidate);
}

/** `did you mean worker-1?`, or null when nothing is near. `prefix` goes before each candidate. */
export function didYouMean(word: string, candidates: Iterable<string>, prefix = ''): string | null {
  const [first, second] = nearest(word, candidates);
  if (first === undefined) return null;
  const other = second === undefined ? '' : ` or ${prefix}${second}`;
  return `did you mean ${prefix}${first}${other}?`;
}

/**
 * A duration in its largest unit, as kubectl prints ages: `45s`, `12m`, `5h`, `3d`. Negative ones count as 0; `?` where it is
 * not known, such as for an unreadable time.
 */
export function age(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 120) return `${whole}s`;
  if (whole < 2 * 3600) return `${Math.floor(whole / 60)}m`;
  if (whole < 2 * 86_400) return `${Math.floor(whole / 3600)}h`;
  return `${Math.floor(whole / 86_400)}d`;
}

/** `1 issue`, `2 issues`; `2 processes`, where the plural is given. */
export function count(n: number, noun: string, plural = `${noun}s`): string {
  return `${n} ${n === 1 ? noun : plural}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function enumerate(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} and ${last}`;
}

/** An argument as typed in a shell: quoted only where necessary. */
export function shellQuote(argument: string): string {
  // Quote a leading `=`: zsh expands `=ls` to the path of ls.
  return /^[\w@%+:,./-][\w@%+=:,./-]*$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

/** A command line to paste or to show, with each word quoted where necessary. */
export function shellLine(argv: readonly string[]): string {
  return argv.map(shellQuote).join(' ');
}

/** A size in powers of 1024, as `df -h` prints it: `512B`, `1.5GiB`. */
export function bytes(size: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = size;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)}${units[unit]}`;
}

/** Text from a worker on one line and without control characters, which could move the cursor or recolour the screen. */
export function oneLine(text: string): string {
  return withoutSequences(text).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
}

/** Lines from a worker without colours, and without what a sink drops. */
export function printable(text: string): string {
  return withoutControls(text);
}
