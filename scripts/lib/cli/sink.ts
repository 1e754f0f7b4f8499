/**
 * All output of a command goes through here. A worker may send anything, and its text ends up in tables, errors, notes and
 * stack traces; one filter here means that no command has to think of it.
 */
import { knownSecrets, maskTokens } from '../tokens.ts';
import { withColours, withoutControls } from './safe-text.ts';

/** A stream of the process, unfiltered. */
export interface OutputStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** A filtered stream. */
export interface Sink {
  readonly isTTY: boolean;
  /** Width and height of the terminal at this moment; undefined where there is none, or they are unknown. */
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  /**
   * Writes text: printable characters, line breaks, tabs and colours. Everything else is dropped (safe-text.ts), and tokens
   * are masked (tokens.ts).
   */
  write(text: string): void;
  /**
   * Overwrites what is on the terminal and clears the rest, without flicker. Besides `raw`, only this moves the cursor.
   *
   * @param from where to begin: at the top of the screen, or this many rows above the cursor; 0 to write below what is there
   */
  redraw(text: string, from: 'top' | number): void;
  /** Masks these strings from now on, wherever they occur: secrets that the command was given. */
  hide(secrets: readonly string[]): void;
  /**
   * The stream itself, unfiltered. Used by Inquirer's questions (prompt.ts filters their text) and for the sequences that
   * reset the modes of an attached terminal (attach/keep-attached.ts).
   * Programs that have the terminal to themselves (`exec`, `shell`, `attach`, `docker build`) inherit it and bypass the sink
   * (`interactive` in exec.ts): their bytes stay unchanged.
   */
  readonly raw: OutputStream;
}

/** Longer than any token. */
const LINE = 4096;

/** The sink in front of a stream. @param colours whether it lets them through */
export function createSink(
  stream: OutputStream,
  { colours = true }: { readonly colours?: boolean } = {},
): Sink {
  const printable = colours ? withColours : withoutControls;
  /** The last line so far: a token may continue in the next text. Masking keeps lengths, so this prefix can be cut off. */
  let begun = '';
  let known: readonly string[] = [];
  const filter = (text: string): string => {
    // Each text is filtered on its own: the next one cannot complete a sequence that was dropped here.
    const whole = begun + printable(text);
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
      // Clear each line to its end, then the rest of the screen.
      stream.write(`${start}${filter(text).replaceAll('\n', '\u001b[K\n')}\u001b[J`);
    },
  };
}

/** Text as a sink writes it; for output that bypasses the sink, such as a question. */
export function safe(text: string): string {
  return maskTokens(withColours(text));
}
