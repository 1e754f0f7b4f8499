/** Turns the bytes of a log into text, piece by piece: whole characters, tokens masked, no cursor movements. */
import { StringDecoder } from 'node:string_decoder';
import { withColours, withoutControls } from '../cli/safe-text.ts';
import { maskTokens } from '../tokens.ts';

/** How much of the shown text is scanned again: a token may begin there and continue in the next piece. */
const CONTEXT = 4096;
/** A longer line is shown before it is complete: no more than this is held back. */
const LONGEST_LINE = 1024 * 1024;

export interface LogText {
  /** @returns the lines that are complete now; an incomplete last one is held back */
  push(bytes: Buffer): string;
  /** @returns what is held back; for when nothing more comes for a while, or ever */
  flush(): string;
}

/** @param ansi keep colours and attributes */
export function createLogText(ansi: boolean): LogText {
  const decoder = new StringDecoder('utf8');
  let shown = '';
  let held = '';
  const take = (text: string): string => {
    if (text === '') return '';
    // Masking keeps lengths, so the part that was shown can be cut off again.
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

/** Keeps only the last state of a line that was redrawn, such as a progress bar. */
function lastDrawn(text: string): string {
  return text
    .split('\n')
    .map((line) => {
      const drawn = line.replace(/(?<!\r)\r+$/, '');
      return drawn.slice(drawn.lastIndexOf('\r') + 1);
    })
    .join('\n');
}
