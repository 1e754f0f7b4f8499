/** The bytes of a log as text for people, piece by piece: whole characters, tokens masked, without what moves a cursor. */
import { StringDecoder } from 'node:string_decoder';
import { withColours, withoutControls } from '../cli/safe-text.ts';
import { maskTokens } from '../tokens.ts';

/** How much of what was shown is looked at again: a token may begin there and go on in what comes. */
const CONTEXT = 4096;
/** A line that is longer is shown before its end has come: no more than this is held back. */
const LONGEST_LINE = 1024 * 1024;

export interface LogText {
  /** @returns the lines that are whole by now; a last one without its end is held back */
  push(bytes: Buffer): string;
  /** @returns what is held back: nothing more comes for a while, or ever */
  flush(): string;
}

/** @param ansi keep colours and attributes */
export function createLogText(ansi: boolean): LogText {
  const decoder = new StringDecoder('utf8');
  let shown = '';
  let held = '';
  const take = (text: string): string => {
    if (text === '') return '';
    // Masking keeps lengths, so that the part that was shown can be taken off again.
    const masked = maskTokens(shown + text).slice(shown.length);
    shown = (shown + text).slice(-CONTEXT);
    return ansi ? withColours(lastDrawn(masked)) : withoutControls(lastDrawn(masked));
  };
  return {
    push(bytes) {
      held += decoder.write(bytes);
      const end = held.length > LONGEST_LINE ? held.length : held.lastIndexOf('\n') + 1;
      const whole = held.slice(0, end);
      held = held.slice(end);
      return take(whole);
    },
    flush() {
      const rest = held;
      held = '';
      return take(rest);
    },
  };
}

/** Of what was drawn over in the same line (a progress bar) only the last. */
function lastDrawn(text: string): string {
  return text
    .split('\n')
    .map((line) => {
      const drawn = line.replace(/(?<!\r)\r+$/, '');
      return drawn.slice(drawn.lastIndexOf('\r') + 1);
    })
    .join('\n');
}
