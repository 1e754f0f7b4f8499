/**
 * Edits of the text of a workers.yaml. Only the lines of the entry change: the parsed document says where they are, and the
 * rest of the text stays the same, byte for byte. (Writing the whole document again would keep the comments, but move them and
 * change the indentation.)
 */
import { type CST, Document, isSeq, type Pair, parseDocument, type Scalar, type YAMLSeq } from 'yaml';
import type { WorkerEntry } from './worker-entry.ts';

/**
 * @param text the whole file, valid; may be empty or only comments
 * @returns the text with the worker at the end of the list
 */
export function addWorker(text: string, worker: WorkerEntry): string {
  const list = findList(text);
  if (list === null) return appendLines(text, ['workers:', ...entryLines(worker, 2)]);
  const { seq, colon, indent } = list;
  const last = seq.items.length - 1;
  if (last >= 0) {
    const dash = dashOf(text, seq, last);
    if (dash === null) return rewrite(text, (document) => document.addIn(['workers'], entryFields(worker)));
    return insertLines(text, entryEnd(text, seq, last, dash.column), entryLines(worker, dash.column));
  }
  const [start, end] = seq.range ?? [0, 0];
  if (colon === null || text.slice(start, end) !== '[]') {
    return rewrite(text, (document) => document.setIn(['workers'], [entryFields(worker)]));
  }
  const opened = text.slice(0, colon + 1) + text.slice(end);
  const below = skipComments(opened, lineEnd(opened, colon), indent);
  return insertLines(opened, below, entryLines(worker, indent + 2));
}

/**
 * @param text the whole file, valid, with a worker of that name
 * @returns the text without its entry. Comments inside the entry are removed too; those above may be about others and stay
 */
export function removeWorker(text: string, name: string): string {
  const list = findList(text);
  if (list === null) return text;
  const { seq, colon } = list;
  const index = seq.items.findIndex(
    (item) => (item as { get?: (key: string) => unknown }).get?.('name') === name,
  );
  if (index < 0) return text;
  const dash = dashOf(text, seq, index);
  if (dash === null || (seq.items.length === 1 && colon === null)) {
    return rewrite(text, (document) => document.deleteIn(['workers', index]));
  }
  const end = entryEnd(text, seq, index, dash.column);
  let start = lineStart(text, dash.offset);
  const above = text.slice(lineStart(text, start - 1), start);
  // With one blank line before and one after the entry, two would remain.
  if (above.trim() === '' && /^[ \t]*(\r?\n|$)/.test(text.slice(end))) start -= above.length;
  const head = text.slice(0, start);
  if (seq.items.length > 1 || colon === null) return head + text.slice(end);
  return `${head.slice(0, colon + 1)} []${head.slice(colon + 1)}${text.slice(end)}`;
}

/** An entry as written to the file, without fields that have their default. */
export function entryFields(worker: WorkerEntry): Record<string, string> {
  const { runtime, name, ...fields } = worker;
  return runtime === 'local' ? { name, runtime, ...fields } : { name, ...fields };
}

/** A whole workers.yaml. */
export function renderWorkers(workers: readonly WorkerEntry[]): string {
  return new Document({ workers: workers.map(entryFields) }).toString({ lineWidth: 0 });
}

interface List {
  readonly seq: YAMLSeq;
  /** Offset of the colon after `workers`; null where the file is written in braces. */
  readonly colon: number | null;
  /** Column of the key `workers`. */
  readonly indent: number;
}

/** The list of workers in the text; null when there is no content yet. */
function findList(text: string): List | null {
  const document = parseDocument(text, { keepSourceTokens: true, merge: true });
  const map = document.contents as { items?: Pair<Scalar, unknown>[]; srcToken?: CST.Token } | null;
  const pair = map?.items?.find(({ key }) => key.value === 'workers');
  if (pair === undefined || !isSeq(pair.value)) return null;
  const colon = pair.srcToken?.sep?.find(({ type }) => type === 'map-value-ind')?.offset;
  const isBlock = map?.srcToken?.type === 'block-map';
  return {
    seq: pair.value,
    colon: isBlock ? (colon ?? null) : null,
    indent: map?.srcToken?.type === 'block-map' ? map.srcToken.indent : 0,
  };
}

/** Where the dash of an entry is; null when the list is written in brackets. */
function dashOf(text: string, seq: YAMLSeq, index: number): { offset: number; column: number } | null {
  const token = seq.srcToken;
  if (token?.type !== 'block-seq') return null;
  const offset = token.items[index]?.start.find(({ type }) => type === 'seq-item-ind')?.offset;
  if (offset === undefined) return null;
  const column = offset - lineStart(text, offset);
  return text.slice(offset - column, offset).trim() === '' ? { offset, column } : null;
}

/** The end of an entry's last line, including comments that are indented like its fields. */
function entryEnd(text: string, seq: YAMLSeq, index: number, column: number): number {
  const [start, end] = (seq.items[index] as { range?: [number, number, number] }).range ?? [0, 0];
  return skipComments(text, lineEnd(text, Math.max(start, end - 1)), column);
}

/** Skips comment lines that are indented further than a column. */
function skipComments(text: string, offset: number, column: number): number {
  let end = offset;
  for (;;) {
    const next = text.slice(end, lineEnd(text, end));
    const comment = /^( *)#/.exec(next);
    if (comment === null || (comment[1]?.length ?? 0) <= column) return end;
    end += next.length;
  }
}

function entryLines(worker: WorkerEntry, column: number): string[] {
  const lines = new Document(entryFields(worker)).toString({ lineWidth: 0 }).trimEnd().split('\n');
  return lines.map((line, index) => `${' '.repeat(column)}${index === 0 ? '- ' : '  '}${line}`);
}

function insertLines(text: string, offset: number, lines: readonly string[]): string {
  return appendLines(text.slice(0, offset), lines) + text.slice(offset);
}

function appendLines(text: string, lines: readonly string[]): string {
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const before = text === '' || text.endsWith('\n') ? text : text + newline;
  return before + lines.map((line) => line + newline).join('');
}

/** For lists in brackets and other rare forms: keeps comments, but may change the layout. */
function rewrite(text: string, edit: (document: Document.Parsed) => void): string {
  const document = parseDocument(text, { merge: true });
  edit(document);
  return document.toString({ lineWidth: 0 });
}

function lineStart(text: string, offset: number): number {
  return offset <= 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1;
}

/** The offset after the newline that ends the line of an offset, or the end of the text. */
function lineEnd(text: string, offset: number): number {
  const newline = text.indexOf('\n', offset);
  return newline < 0 ? text.length : newline + 1;
}

/** Unchanged lines shown around a change, as with `diff -u`. */
const CONTEXT = 3;

/**
 * The changed lines between two texts that differ in one place, as `diff -u` would show them.
 *
 * @returns lines, each with a final newline; empty when nothing differs
 */
export function lineDiff(before: string, after: string): string {
  if (before === after) return '';
  const [old, now] = [lines(before), lines(after)];
  const shorter = Math.min(old.length, now.length);
  let head = 0;
  while (head < shorter && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  const shown = [
    ...old.slice(Math.max(0, head - CONTEXT), head).map((line) => ` ${line}`),
    ...old.slice(head, old.length - tail).map((line) => `-${line}`),
    ...now.slice(head, now.length - tail).map((line) => `+${line}`),
    ...old.slice(old.length - tail, old.length - tail + CONTEXT).map((line) => ` ${line}`),
  ];
  return shown.map((line) => `${line}\n`).join('');
}

function lines(text: string): string[] {
  return text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
}
