/**
 * The whole terminal for a command that draws on it until it ends: the alternate screen, without a cursor, and keys as they are
 * pressed. However the command ends, except by SIGKILL, the terminal is afterwards as it was before.
 */
import { emitKeypressEvents, type Interface } from 'node:readline';
import type { Context } from './command.ts';
import { safe } from './sink.ts';

const CLEAR = '\u001b[H\u001b[2J';
const ENTER = `\u001b[?1049h\u001b[?25l${CLEAR}`;
const LEAVE = '\u001b[0m\u001b[?25h\u001b[?1049l';
const toRow = (row: number) => `\u001b[${row + 1};1H`;
/** The whole line, and before it is written: behind a line of full width the cursor is still on its last character. */
const ERASE_LINE = '\u001b[2K';
const ERASE_BELOW = '\u001b[J';

/** How long Escape may be the beginning of another key. Node waits half a second. */
const ESCAPE_MS = 50;

export interface FullScreen {
  /** Lends the terminal, as it was before, to questions or to another program. */
  lend<T>(action: () => Promise<T>): Promise<T>;
  /** Clears it, as after a change of its size. */
  clear(): void;
  /**
   * Shows these lines from the top, and writes only those that are not there yet. Does nothing while the terminal is lent.
   *
   * A library for this takes its time: Ink 6.6 cuts each character of the screen into graphemes again, 46 ms for 200 × 50;
   * log-update 7.2 writes everything whenever the first line changes, in which the clock is.
   *
   * @param lines none wider than the terminal; they pass the filter of the sinks, as if they were written through one
   */
  draw(lines: readonly string[]): void;
}

type Terminal = Pick<Context, 'stdin' | 'stdout'>;

/** Whether there is a terminal that can be drawn on. */
export function canDraw({ stdout, env }: Pick<Context, 'stdout' | 'env'>): boolean {
  return stdout.isTTY && env['TERM'] !== 'dumb';
}

/**
 * @param onKey gets each key: a character, or a name such as `up`, `return`, `escape`, `ctrl-c`. There are none where stdin is
 *   not a terminal; Ctrl-C is a signal then.
 */
export async function fullScreen<T>(
  { stdin, stdout }: Terminal,
  onKey: (key: string) => void,
  body: (screen: FullScreen) => Promise<T>,
): Promise<T> {
  let ours = false;
  let shown: readonly string[] = [];
  let stopReading = () => {};
  const take = () => {
    ours = true;
    shown = [];
    stdout.raw.write(ENTER);
    stopReading = readKeys(stdin, onKey);
  };
  const giveBack = () => {
    if (!ours) return;
    ours = false;
    stopReading();
    stdout.raw.write(LEAVE);
  };
  // A crash: before Node prints its stack, which would vanish with the alternate screen. The other is a second Ctrl-C.
  process.on('uncaughtExceptionMonitor', giveBack);
  process.on('exit', giveBack);
  take();
  try {
    return await body({
      clear() {
        shown = [];
        stdout.raw.write(CLEAR);
      },
      draw(lines) {
        if (!ours) return;
        const text = changes(shown, lines);
        if (text !== '') stdout.raw.write(text);
        shown = lines;
      },
      async lend(action) {
        giveBack();
        try {
          return await action();
        } finally {
          take();
        }
      },
    });
  } finally {
    giveBack();
    process.off('uncaughtExceptionMonitor', giveBack);
    process.off('exit', giveBack);
  }
}

/** What makes lines on the screen of others. */
function changes(before: readonly string[], after: readonly string[]): string {
  const changed = after.map((line, row) =>
    line === before[row] ? '' : `${toRow(row)}${ERASE_LINE}${safe(line)}`,
  );
  const left = after.length < before.length ? `${toRow(after.length)}${ERASE_BELOW}` : '';
  return changed.join('') + left;
}

/** Waits for a key, on whatever is on the screen. */
export function anyKey({ stdin }: Pick<Terminal, 'stdin'>): Promise<string> {
  return new Promise((resolve) => {
    const stop = readKeys(stdin, (key) => {
      stop();
      resolve(key);
    });
  });
}

/** @returns what ends it; stdin is then not read any more, so that another program can */
function readKeys(stdin: Terminal['stdin'], onKey: (key: string) => void): () => void {
  if (stdin.isTTY !== true) return () => {};
  emitKeypressEvents(stdin, { escapeCodeTimeout: ESCAPE_MS } as unknown as Interface);
  const listen = (text: string | undefined, key: { name?: string; ctrl?: boolean }) =>
    onKey(keyName(text, key));
  stdin.on('keypress', listen);
  stdin.setRawMode(true);
  stdin.resume();
  return () => {
    stdin.off('keypress', listen);
    stdin.setRawMode(false);
    stdin.pause();
  };
}

function keyName(
  text: string | undefined,
  { name = '', ctrl = false }: { name?: string; ctrl?: boolean },
): string {
  if (ctrl) return `ctrl-${name}`;
  return text !== undefined && /^[^\p{Cc}]+$/u.test(text) ? text : name;
}
