/**
 * Removes secrets from what a pane prints (scripts/lib/tokens.ts), chunk by chunk. `factory` types a token into a pane when it
 * finds one, and an agent may print one at any time.
 */
import { findTokens } from '../../../scripts/lib/tokens.ts';

export const REDACTED = '[redacted]';

/** Held back, since a secret may start in it: longer than any token with its gaps, and than a key of 4096 bits. */
const KEEP = 4096;
/** The text is examined again after this many more characters: terminal programs print a few bytes at a time. */
const STEP = 1024;
/** A longer secret is no longer held back as a whole. */
const MOST = 64 * 1024;

export interface Redactor {
  /** Takes text and returns the part of it, and of earlier text, that may be written. */
  push(text: string): string;
  /** Returns the rest, when nothing more has come for a while. */
  flush(): string;
}

/** @param known the worker's own secrets; called each time, since a Secret may change */
export function createRedactor(known: () => readonly string[]): Redactor {
  /** The end of the text already returned: the words that introduce a secret may be in it. */
  let given = '';
  let held = '';
  /** Returns all but the last characters, or all but a secret that extends into them. */
  const release = (keep: number): string => {
    const text = given + held;
    const until = text.length - keep;
    const parts: string[] = [];
    let done = given.length;
    let cut = until;
    for (const [from, to] of findTokens(text, known())) {
      if (from >= until) break;
      if (to > until && held.length < MOST) {
        cut = Math.max(from, done);
        break;
      }
      if (to <= done) continue;
      parts.push(text.slice(done, from), REDACTED);
      done = Math.min(to, until);
    }
    parts.push(text.slice(done, cut));
    held = text.slice(cut);
    given = text.slice(Math.max(0, cut - KEEP), cut);
    return parts.join('');
  };
  return {
    push(text) {
      held += text;
      return held.length <= KEEP + STEP ? '' : release(KEEP);
    },
    flush: () => (held === '' ? '' : release(0)),
  };
}
