/** What is on the screen of the dashboard, line by line. Pure. */
import type { painter, Style } from '../cli/output.ts';
import { count } from '../cli/text.ts';
import { cutToWidth, displayWidth } from '../cli/width.ts';
import { KEYS, type Model, selection, visible } from './model.ts';
import type { Group, Row } from './row.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Look {
  readonly size: Size;
  readonly now: Date;
  readonly paint: ReturnType<typeof painter>;
}

const STYLE: Readonly<Record<Group, Style | null>> = { 'NEEDS YOU': 'red', 'AT WORK': 'green', IDLE: null };

/** The selected session's pane is not worth its space below this. */
const LEAST_PANE = 4;

/** @returns lines that fit; one row less than the terminal has, since the cursor is below them */
export function screen(model: Model, look: Look): string[] {
  const height = Math.max(1, look.size.rows - 1);
  const head = header(model, look);
  if (model.mode === 'help') return [head, ...help(look)].slice(0, height);
  const body = height - 2;
  if (body < 1) return [head].slice(0, height);
  const wanted = visible(model).reduce((sum, { rows }) => sum + rows.length + 1, 0);
  // The list gets what it needs, up to the larger part; below it, the pane gets the rest.
  const shared = Math.min(Math.max(1, wanted), Math.max(3, Math.ceil(body * 0.6)));
  const listed = list(model, body - shared >= LEAST_PANE ? shared : body, look);
  const left = body - listed.length;
  const shown = left >= LEAST_PANE ? pane(model, left, look) : [];
  const blank = Array.from({ length: body - listed.length - shown.length }, () => '');
  return [head, ...listed, ...shown, ...blank, footer(model, look)];
}

/** `20 workers · 3 need you · 12:04:11 · ? help · q quits` */
function header(model: Model, { size, now, paint }: Look): string {
  const needs = [...model.rows.values()].filter(({ group }) => group === 'NEEDS YOU').length;
  const parts = [
    count(model.workers.length, 'worker'),
    `${needs} ${needs === 1 ? 'needs' : 'need'} you`,
    now.toTimeString().slice(0, 8),
    '? help',
    'q quits',
  ];
  return paint('bold', cutToWidth(parts.join(' · '), size.columns));
}

function help({ size }: Look): string[] {
  const width = Math.max(...KEYS.map(([key]) => key.length));
  const lines = KEYS.map(([key, does]) => `  ${key.padEnd(width)}  ${does}`);
  return ['', ...lines, '', 'any key goes back'].map((line) => cutToWidth(line, size.columns));
}

interface Line {
  readonly text: string;
  /** Null for the title of a group. */
  readonly row: Row | null;
}

/** The rows by their groups, as many as fit around the selected one; what is hidden is counted. */
function list(model: Model, height: number, look: Look): string[] {
  const groups = visible(model);
  if (groups.length === 0) return [cutToWidth(`no worker matches ${model.filter}`, look.size.columns)];
  const selected = selection(model)?.row.worker;
  const widths = widthsOf(groups.flatMap(({ rows }) => rows));
  const lines = groups.flatMap(({ group, rows }): Line[] => [
    { text: title(`${group} (${rows.length})`, group, look), row: null },
    ...rows.map((row) => rowLine(row, widths, row.worker === selected, look)),
  ]);
  if (lines.length <= height) return lines.map(({ text }) => text);
  const at = lines.findIndex(({ row }) => row !== null && row.worker === selected);
  // One line says how much is hidden.
  const room = Math.max(1, height - 1);
  const first = Math.min(Math.max(0, at - Math.floor(room / 2)), lines.length - room);
  const kept = lines.slice(first, first + room);
  const hidden = lines.filter((line) => line.row !== null && !kept.includes(line)).length;
  const more = cutToWidth(`… ${count(hidden, 'more worker')}`, look.size.columns);
  return [...kept.map(({ text }) => text), more].slice(0, height);
}

function title(text: string, group: Group, { size, paint }: Look): string {
  const line = cutToWidth(text, size.columns);
  const style = STYLE[group];
  return style === null ? paint('bold', line) : paint('bold', paint(style, line));
}

function cellsOf({ worker, cause, issue, stage, age, behind }: Row): string[] {
  return [worker, cause, issue, stage, age, behind === 0 ? '' : `+${behind} waiting`];
}

function widthsOf(rows: readonly Row[]): number[] {
  return rows
    .map(cellsOf)
    .reduce<number[]>(
      (widths, cells) => cells.map((cell, index) => Math.max(widths[index] ?? 0, displayWidth(cell))),
      [],
    );
}

function rowLine(row: Row, widths: readonly number[], selected: boolean, { size, paint }: Look): Line {
  const cells = cellsOf(row).map(
    (cell, index) => cell + ' '.repeat(Math.max(0, (widths[index] ?? 0) - displayWidth(cell))),
  );
  const text = cutToWidth(`${selected ? '❯' : ' '} ${cells.join('  ').trimEnd()}`, size.columns);
  return { text: selected ? paint('inverse', text) : text, row };
}

/** A line with the names, then the last lines of the session. */
function pane(model: Model, height: number, { size, paint }: Look): string[] {
  const chosen = selection(model);
  if (chosen === null) return [];
  const { row, session } = chosen;
  const more = row.sessions.length > 1 ? ` (${count(row.sessions.length, 'session')})` : '';
  const name = session === null ? `${row.worker} has no sessions` : `${row.worker} ${session}${more}`;
  const rule = cutToWidth(`── ${name} ${'─'.repeat(size.columns)}`, size.columns).replace(/…$/, '─');
  const ours = model.pane?.worker === row.worker && model.pane.session === session ? model.pane.lines : [];
  return [
    paint('dim', rule),
    ...ours.slice(-(height - 1)).map((line) => cutToWidth(line.replaceAll('\t', ' '), size.columns)),
  ];
}

function footer({ mode, filter, note }: Model, { size, paint }: Look): string {
  if (mode === 'filter') return cutToWidth(`/${filter}_`, size.columns);
  if (note !== '') return paint('yellow', cutToWidth(note, size.columns));
  const keys = 'Enter attach · r look · p peek · l logs · w why · u unstick · d dispatch · s send · D drain';
  const filtered = filter === '' ? '' : `/${filter} · `;
  return paint('dim', cutToWidth(`${filtered}${keys}`, size.columns));
}

const ASCII: Readonly<Record<string, string>> = { '·': '-', '…': '~', '─': '-', '❯': '>', '’': "'" };

/** The same for a terminal without Unicode, as wide as it was. */
export function inAscii(text: string): string {
  return text.replaceAll(
    /[^\0-\u007f]/gu,
    (character) => ASCII[character] ?? '?'.repeat(displayWidth(character)),
  );
}

/** Whether the terminal's character set is Unicode, by the locale's variables in the order of POSIX. */
export function isUnicode(env: NodeJS.ProcessEnv): boolean {
  return /utf-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '');
}
