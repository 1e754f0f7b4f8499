/**
 * Takes tokens out of what a pane prints, also where the terminal has wrapped them. `factory` types a token into a pane
 * when it finds one, and an agent may print one at any time.
 */

/** What a wrapped line puts between two characters: line ends and escape sequences, with readline's blank before them. */
const WRAP = '(?: ?(?:[\\r\\n]|\\x1b\\[[0-9;?]*[A-Za-z])+)?';
export const REDACTED = '[redacted]';

/** Tokens that nobody has to tell us about: what they begin with, and how many characters follow. */
const SHAPES = { 'sk-ant-': 101, ghp_: 36, gho_: 36, ghu_: 36, ghs_: 36, ghr_: 36, github_pat_: 82 };
/** What is shorter is not one. */
const LEAST = 20;

/** Long enough for every token with its gaps; what is longer is not one. */
const KEEP = 2048;

/**
 * @param secrets the worker's own
 * @returns a pattern that finds them, and everything that looks like a token, across line wraps
 */
export function secretPattern(secrets: readonly string[]): RegExp {
  const spaced = (text: string) =>
    [...text].map((c) => c.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join(WRAP);
  const known = secrets.filter((secret) => secret.length >= 8).map(spaced);
  // Across wraps as far as such a token reaches: after its last character an ordinary next line must not be taken for more.
  const shaped = Object.entries(SHAPES).map(
    ([prefix, length]) => `${spaced(prefix)}(?:${WRAP}[A-Za-z0-9_-]){${LEAST},${length}}[A-Za-z0-9_-]*`,
  );
  return new RegExp([...known, ...shaped].join('|'), 'g');
}

export interface Redactor {
  /** Takes text and returns what may be written of it and of what came before. */
  push(text: string): string;
  /** The rest: nothing more has come for a while. */
  flush(): string;
}

/** @param pattern asked anew each time, since a Secret may change */
export function createRedactor(pattern: () => RegExp): Redactor {
  let held = '';
  return {
    push(text) {
      held += text;
      if (held.length <= KEEP) return '';
      // A token that has only begun lies within the end that is kept; one that crosses the cut moves the cut before it.
      let cut = held.length - KEEP;
      for (const match of held.matchAll(pattern())) {
        if (match.index < cut && match.index + match[0].length > cut) cut = match.index;
      }
      const ready = held.slice(0, cut);
      held = held.slice(cut);
      return ready.replaceAll(pattern(), REDACTED);
    },
    flush() {
      const ready = held.replaceAll(pattern(), REDACTED);
      held = '';
      return ready;
    },
  };
}
