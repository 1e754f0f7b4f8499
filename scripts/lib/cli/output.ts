/** Tables, colours and repeated output. */
import { styleText } from 'node:util';
import type { Context, Terminal } from './command.ts';
import { oneLine, printable } from './text.ts';
import { displayWidth } from './width.ts';

export { oneLine, printable };

export type Style = 'red' | 'yellow' | 'green' | 'dim' | 'bold';

/**
 * Paints text for a stream. Nothing is painted where the stream is no terminal, or NO_COLOR or TERM=dumb say so;
 * FORCE_COLOR paints anyway. Decided here and not by styleText, for which an empty NO_COLOR or FORCE_COLOR means another
 * thing in each version of Node.
 */
export function painter(
  stream: Terminal,
  env: NodeJS.ProcessEnv = process.env,
): (style: Style, text: string) => string {
  const forced = env['FORCE_COLOR'] ? !/^(0|false)$/.test(env['FORCE_COLOR']) : undefined;
  const painted = forced ?? (stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb');
  return (style, text) => (painted ? styleText(style, text, { validateStream: false }) : text);
}

export interface Column<T> {
  readonly header: string;
  readonly value: (row: T) => string;
  /** Paints a cell that has its final width already. */
  readonly paint?: (row: T, cell: string) => string;
}

export interface TableOptions {
  readonly headers: boolean;
  /** Cut the last column so that a line fits; undefined for no limit. */
  readonly width?: number | undefined;
}

/**
 * A table as kubectl prints it: upper-case headers, two spaces between columns, no borders.
 *
 * @returns lines with a newline at the end of each; empty for no rows and no headers
 */
export function renderTable<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  options: TableOptions,
): string {
  const cells = rows.map((row) => columns.map(({ value }) => oneLine(value(row))));
  const head = options.headers ? [columns.map(({ header }) => header)] : [];
  const widths = columns.map((_, index) =>
    Math.max(0, ...[...head, ...cells].map((line) => displayWidth(line[index] ?? ''))),
  );
  const render = (line: readonly string[], row: T | null): string => {
    let used = 0;
    const parts = columns.map((column, index) => {
      const last = index === columns.length - 1;
      const room = options.width === undefined ? Number.POSITIVE_INFINITY : Math.max(4, options.width - used);
      const text = cut(line[index] ?? '', last ? room : Number.POSITIVE_INFINITY);
      const cell = last ? text : text + ' '.repeat(Math.max(0, (widths[index] ?? 0) - displayWidth(text)));
      used += displayWidth(cell) + 2;
      return row !== null && column.paint ? column.paint(row, cell) : cell;
    });
    return `${parts.join('  ').trimEnd()}\n`;
  };
  return [
    ...head.map((line) => render(line, null)),
    ...cells.map((line, index) => render(line, rows[index] as T)),
  ].join('');
}

function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = '';
  for (const character of text) {
    if (displayWidth(kept + character) > width - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

/** One JSON document, indented for people who read it, valid for programs. */
export function renderJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/**
 * Shows something again and again until Ctrl-C: redrawn in place on a terminal, appended when piped.
 *
 * @param render gives the text of one round
 */
export async function watch(
  { stdout, signal }: Pick<Context, 'stdout' | 'signal'>,
  intervalMs: number,
  render: () => Promise<string>,
): Promise<never> {
  const { setTimeout: sleep } = await import('node:timers/promises');
  for (;;) {
    const text = await render();
    signal.throwIfAborted();
    // Home, each line cleared to its end, the rest of the screen cleared: no flicker, no remains.
    stdout.write(stdout.isTTY ? `\u001b[H${text.replaceAll('\n', '\u001b[K\n')}\u001b[J` : text);
    await sleep(intervalMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/**
 * A text on a terminal that is replaced as more becomes known. Nothing is written to anything but a terminal.
 *
 * @returns `update` shows a new version; `clear` takes the last one away, before the final text is printed
 */
export function liveText(stream: Terminal): { update: (text: string) => void; clear: () => void } {
  let lines = 0;
  const erase = () => (lines === 0 ? '' : `\u001b[${lines}A\r\u001b[J`);
  return {
    update(text) {
      if (!stream.isTTY) return;
      stream.write(erase() + text);
      lines = text.split('\n').length - 1;
    },
    clear() {
      if (lines > 0) stream.write(erase());
      lines = 0;
    },
  };
}
