/** Tables, colours and repeated output. */
import { setMaxListeners } from 'node:events';
import { styleText } from 'node:util';
import type { Context } from './command.ts';
import { ExitCode, InterruptedError } from './errors.ts';
import { escapeControls, withoutControls } from './safe-text.ts';
import type { Sink } from './sink.ts';
import { oneLine } from './text.ts';
import { cutToWidth, displayWidth } from './width.ts';

export type Style = 'red' | 'yellow' | 'green' | 'dim' | 'bold' | 'inverse';

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
  /** Leave out or cut any column that does not fit into the width: where lines must not wrap. */
  readonly fit?: boolean;
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
    const { width = Number.POSITIVE_INFINITY, fit = false } = options;
    const parts = columns.flatMap((column, index) => {
      const last = index === columns.length - 1;
      const room = Math.max(fit ? 0 : 4, width - used);
      if (room === 0) return [];
      const text = last || fit ? cutToWidth(line[index] ?? '', room) : (line[index] ?? '');
      const wanted = last ? 0 : Math.min(widths[index] ?? 0, fit ? room : Number.POSITIVE_INFINITY);
      const cell = text + ' '.repeat(Math.max(0, wanted - displayWidth(text)));
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

/**
 * The version of what commands print as data, in `schema` of every object; docs/schemas/ describes it. Raised when a field goes
 * away or changes its meaning, not when one is added.
 */
export const OUTPUT_SCHEMA = 1;

/** An object with its version; a list has none, so that programs which take it as a list go on. */
function versioned(value: unknown): unknown {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? { schema: OUTPUT_SCHEMA, ...value } : value;
}

/** A number that a worker made too large, such as 1e400, would be printed as null, which the schemas do not allow. */
function finite(_key: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isNaN(value)) return value;
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value));
}

/** One JSON document, indented. Control characters are escaped. */
export function renderJson(value: unknown): string {
  return `${escapeControls(JSON.stringify(versioned(value), finite, 2))}\n`;
}

/** One JSON document on one line, for streams and errors. */
export function renderJsonLine(value: unknown): string {
  return `${escapeControls(JSON.stringify(versioned(value), finite))}\n`;
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

/** What one refresh shows. */
export interface View {
  /** Lines, each with a final newline. */
  readonly text: string;
  /** For the header on a terminal: `20 workers · 3 need you`. */
  readonly title: string;
}

/**
 * Refreshes a text until Ctrl-C. On a terminal it has the whole screen below a header; `q` ends it too, and the end is what the
 * operator wants: 0. Elsewhere each text is appended, and Ctrl-C interrupts the command as any other.
 *
 * @param render gives the text of one refresh; with the context that ends when the operator does not want to see more
 * @param append whether to append also on a terminal, as JSON is
 */
export async function watch(
  context: Context,
  intervalMs: number,
  render: (context: Context) => Promise<View>,
  append = false,
): Promise<number> {
  const { stdout, stdin, signal } = context;
  const { pause } = await import('./pause.ts');
  const { canDraw, fullScreen } = await import('./full-screen.ts');
  if (append || !canDraw(context)) {
    for (;;) {
      const { text } = await render(context);
      signal.throwIfAborted();
      stdout.write(text);
      await pause(intervalMs, signal);
    }
  }
  const quit = new AbortController();
  const looking = { ...context, signal: AbortSignal.any([signal, quit.signal]) };
  setMaxListeners(0, looking.signal);
  const onKey = (key: string) => {
    if (key === 'q' || key === 'ctrl-c') quit.abort(new InterruptedError());
  };
  try {
    return await fullScreen({ stdin, stdout }, onKey, async () => {
      for (;;) {
        const view = await render(looking);
        looking.signal.throwIfAborted();
        stdout.redraw(fitScreen(`${header(view.title, context)}\n${view.text}`, stdout), 'top');
        await pause(intervalMs, looking.signal);
      }
    });
  } catch (error) {
    // SIGTERM and SIGHUP are no wish to see no more.
    if (quit.signal.aborted || isCtrlC(signal)) return ExitCode.ok;
    throw error;
  }
}

/** `20 workers · 3 need you · 12:04:11 · q quits`, cut to the width of the terminal. */
function header(title: string, { stdout, env, now }: Context): string {
  const time = now().toTimeString().slice(0, 8);
  const line = cutToWidth(`${title} · ${time} · q quits`, stdout.columns ?? Number.POSITIVE_INFINITY);
  return painter(stdout, env)('bold', line);
}

function isCtrlC({ reason }: AbortSignal): boolean {
  return reason instanceof InterruptedError && reason.exitCode === ExitCode.interrupted;
}

export interface LiveText {
  readonly update: (text: string) => void;
  readonly clear: () => void;
}

/**
 * A text on a terminal that is updated in place. Nothing is written where there is no terminal.
 *
 * @returns `update` shows a new version; `clear` removes the last one, before the final text is printed
 */
export function liveText(stream: Sink): LiveText {
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
