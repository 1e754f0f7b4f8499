/**
 * Where all text of a command goes out. A worker may say anything, and its words get into tables, errors, notes and stack
 * traces; here they pass one filter, so that no command has to think of it.
 */
import { knownSecrets, maskTokens } from '../tokens.ts';
import { withColours } from './safe-text.ts';

/** A stream as the process has it: what is written to it goes out as it is. */
export interface OutputStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** Takes text for a person or for a program; the terminal, if it is one, is asked for its size each time. */
export interface Sink {
  readonly isTTY: boolean;
  /** Width and height of the terminal; undefined where there is none, or where it does not know. */
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  /**
   * Writes text: what is printable, line breaks, tabs, colours. Everything else is left out (safe-text.ts), and tokens are
   * masked (tokens.ts).
   */
  write(text: string): void;
  /**
   * Writes text over what stands on the terminal, and clears the rest of it, without a flicker. The only cursor movements
   * that are written besides those of `raw`.
   *
   * @param from where it begins: at the top of the screen, or so many rows above the cursor; 0 to write below what is there
   */
  redraw(text: string, from: 'top' | number): void;
  /** Masks these from now on wherever they stand, whatever they look like: secrets that the command was given. */
  hide(secrets: readonly string[]): void;
  /**
   * The stream itself, unfiltered. Two need it: the questions of Inquirer (prompt.ts, which filters what is asked) and the
   * sequences that end the modes of an attached terminal (attach/terminal.ts).
   * Programs that have the terminal to themselves (`exec`, `shell`, `attach`, `docker build`) inherit it and do not come here
   * (`interactive` in exec.ts): their bytes stay as they are.
   */
  readonly raw: OutputStream;
}

/** More of a line than any token takes. */
const LINE = 4096;

/** The sink in front of a stream. */
export function createSink(stream: OutputStream): Sink {
  /** What stands on the last line so far: a token may go on in what comes. Masking keeps lengths, so that it can be cut off. */
  let begun = '';
  let known: readonly string[] = [];
  const filter = (text: string): string => {
    // A text stands for itself: no sequence that was left out here can be completed by the next one.
    const whole = begun + withColours(text);
    const masked = maskTokens(whole, known, { wrapped: false }).slice(begun.length);
    begun = whole.slice(Math.max(whole.lastIndexOf('\n') + 1, whole.length - LINE));
    return masked;
  };
  return {
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns;
    },
    get rows() {
      return stream.rows;
    },
    hide(secrets) {
      known = [...known, ...knownSecrets(secrets)];
    },
    raw: stream,
    write(text) {
      stream.write(filter(text));
    },
    redraw(text, from) {
      if (from === 0) {
        stream.write(filter(text));
        return;
      }
      const start = from === 'top' ? '\u001b[H' : `\u001b[${from}A\r`;
      // Each line cleared to its end, then the rest of the screen: no remains.
      stream.write(`${start}${filter(text).replaceAll('\n', '\u001b[K\n')}\u001b[J`);
    },
  };
}

/** Text as a sink writes it; for text that goes out elsewhere, such as in a question. */
export function safe(text: string): string {
  return maskTokens(withColours(text));
}
