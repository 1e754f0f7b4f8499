/**
 * Takes secrets out of what a pane prints (scripts/lib/tokens.ts), piece by piece. `factory` types a token into a pane when it
 * finds one, and an agent may print one at any time.
 */
import { findTokens } from '../../../scripts/lib/tokens.ts';

export const REDACTED = '[redacted]';

/** Held back, since a secret may have begun in it: longer than every token with its gaps, and than a key of 4096 bits. */
const KEEP = 4096;
/** So much more comes before it is looked at again: programs that draw print a few bytes at a time. */
const STEP = 1024;
/** A secret that goes on for longer is given up. */
const MOST = 64 * 1024;

export interface Redactor {
  /** Takes text and returns what may be written of it and of what came before. */
  push(text: string): string;
  /** The rest: nothing more has come for a while. */
  flush(): string;
}

/** @param known the worker's own secrets; asked anew each time, since a Secret may change */
export function createRedactor(known: () => readonly string[]): Redactor {
  /** The end of what was given away: what introduces a secret may stand in it. */
  let given = '';
  let held = '';
  /** Gives away all but the last characters, or but the secret that goes on in them. */
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
