/** Tables, colours and repeated output. */
import { styleText } from 'node:util';
import type { Context } from './command.ts';
import { escapeControls, withoutControls } from './safe-text.ts';
import type { Sink } from './sink.ts';
import { oneLine } from './text.ts';
import { cutToWidth, displayWidth } from './width.ts';

export type Style = 'red' | 'yellow' | 'green' | 'dim' | 'bold';

/**
 * Colours text for a stream. No colours where the stream is not a terminal, or with NO_COLOR or TERM=dumb; FORCE_COLOR
 * overrides that. Decided here and not by styleText, since the meaning of an empty NO_COLOR or FORCE_COLOR there depends on
 * the version of Node.
 */
export function painter(
  stream: Pick<Sink, 'isTTY'>,
  env: NodeJS.ProcessEnv = process.env,
): (style: Style, text: string) => string {
  const forced = env['FORCE_COLOR'] ? !/^(0|false)$/.test(env['FORCE_COLOR']) : undefined;
  const painted = forced ?? (stream.isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb');
  return (style, text) => (painted ? styleText(style, text, { validateStream: false }) : text);
}

export interface Column<T> {
  readonly header: string;
  readonly value: (row: T) => string;
  /** Colours a cell that already has its final width. */
  readonly paint?: (row: T, cell: string) => string;
}

export interface TableOptions {
  readonly headers: boolean;
  /** Cut the last column so that a line fits into this width; undefined for no limit. */
  readonly width?: number | undefined;
}

/** No cell is wider than this, whatever a worker says: a wide cell pushes the columns of all other rows away. */
const WIDEST_CELL = 512;
/** The last column pushes nothing away. */
const WIDEST_LAST_CELL = 4096;

/**
 * A table as kubectl prints it: upper-case headers, two spaces between columns, no borders.
 *
 * @returns lines, each with a final newline; empty for no rows and no headers
 */
export function renderTable<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  options: TableOptions,
): string {
  const widest = (index: number) => (index === columns.length - 1 ? WIDEST_LAST_CELL : WIDEST_CELL);
  const cells = rows.map((row) =>
    columns.map(({ value }, index) => cutToWidth(oneLine(value(row)), widest(index))),
  );
  const head = options.headers ? [columns.map(({ header }) => header)] : [];
  const lines = [...head, ...cells];
  const widths = columns.map((_, index) =>
    lines.reduce((most, line) => Math.max(most, displayWidth(line[index] ?? '')), 0),
  );
  const render = (line: readonly string[], row: T | null): string => {
    let used = 0;
    const parts = columns.map((column, index) => {
      const last = index === columns.length - 1;
      const room = options.width === undefined ? Number.POSITIVE_INFINITY : Math.max(4, options.width - used);
      const text = last ? cutToWidth(line[index] ?? '', room) : (line[index] ?? '');
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

/** One JSON document, indented. Control characters are escaped. */
export function renderJson(value: unknown): string {
  return `${escapeControls(JSON.stringify(value, null, 2))}\n`;
}

/** One JSON document on one line, for streams. */
export function renderJsonLine(value: unknown): string {
  return `${escapeControls(JSON.stringify(value))}\n`;
}

/**
 * The beginning of a text that is redrawn in place, as far as it fits on the terminal: lines that have scrolled away cannot be
 * redrawn. The last line says how much is left out.
 *
 * @param text lines, each with a final newline
 */
export function fitScreen(text: string, terminal: Pick<Sink, 'rows' | 'columns'>): string {
  // The cursor is below the last line.
  const room = (terminal.rows ?? Number.POSITIVE_INFINITY) - 1;
  const lines = text.split('\n').slice(0, -1);
  if (rowsOf(lines, terminal) <= room) return text;
  // One row is for the line that says how many more there are.
  let left = room - 1;
  let kept = lines.findIndex((line) => {
    left -= rowsOf([line], terminal);
    return left < 0;
  });
  if (kept < 0) kept = lines.length;
  return [...lines.slice(0, kept), `… ${lines.length - kept} more rows`].map((line) => `${line}\n`).join('');
}

/** How many rows of the terminal the lines take, with long ones wrapped. */
function rowsOf(lines: readonly string[], { columns }: Pick<Sink, 'columns'>): number {
  if (!columns) return lines.length;
  return lines.reduce(
    (sum, line) => sum + Math.max(1, Math.ceil(displayWidth(withoutControls(line)) / columns)),
    0,
  );
}

/**
 * Refreshes a text until Ctrl-C: redrawn in place on a terminal, appended when piped.
 *
 * @param render gives the text of one refresh
 */
export async function watch(
  { stdout, signal }: Pick<Context, 'stdout' | 'signal'>,
  intervalMs: number,
  render: () => Promise<string>,
): Promise<never> {
  const { pause } = await import('./pause.ts');
  for (;;) {
    const text = await render();
    signal.throwIfAborted();
    if (stdout.isTTY) stdout.redraw(fitScreen(text, stdout), 'top');
    else stdout.write(text);
    await pause(intervalMs, signal);
  }
}

/**
 * A text on a terminal that is updated in place. Nothing is written where there is no terminal.
 *
 * @returns `update` shows a new version; `clear` removes the last one, before the final text is printed
 */
export function liveText(stream: Sink): { update: (text: string) => void; clear: () => void } {
  let lines = 0;
  return {
    update(text) {
      if (!stream.isTTY) return;
      const shown = fitScreen(text, stream);
      stream.redraw(shown, lines);
      lines = rowsOf(shown.split('\n').slice(0, -1), stream);
    },
    clear() {
      if (lines > 0) stream.redraw('', lines);
      lines = 0;
    },
  };
}
