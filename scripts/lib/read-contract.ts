/**
 * Validates the JSON of the contract where it arrives. A worker runs what strangers' issues ask for, so nothing it writes is
 * trusted: an invalid document is an error with a message, and valid text and lists are limited in length.
 */
import { ContractError, type Documents, isRecord, SCHEMA } from './contract.ts';
import { validator } from './validate-contract.ts';

type Name = keyof Documents;

/** Longer text is cut: nothing in the contract comes near this (a path has at most 4096 bytes). */
export const LONGEST_TEXT = 4096;
/**
 * The oldest entries of a longer list are left out: every entry costs time in each command, and an answer has at most 8 MiB
 * anyway. A queue keeps its finished rows, so it may well have ten thousand.
 */
export const MOST_ENTRIES = 20_000;

/** Called with a sentence for everything that was left out of a document. */
export type Note = (sentence: string) => void;

/**
 * Reads one JSON file of the contract.
 *
 * @param name of its schema
 * @param file the name to use in messages, such as `boot.json`
 * @param text the file's content
 * @throws ContractError when the text is not JSON, was written by another version, or is not valid. The message for a newer
 *   version asks for a newer checkout, for an older one for a newer image
 */
export function readContract<N extends Name>(name: N, file: string, text: string, note?: Note): Documents[N] {
  return readDocument(name, file, readVersioned<object>(file, text), note);
}

/**
 * The same for a file that only this machine writes: its version is checked, its fields are not.
 *
 * @throws ContractError
 */
export function readVersioned<T extends object>(file: string, text: string): T {
  const document = parse(file, text);
  const schema = isRecord(document) ? document['schema'] : undefined;
  if (typeof schema !== 'number') {
    throw new ContractError(`${file} carries no schema version: release a new image to this worker`);
  }
  if (schema > SCHEMA) {
    throw new ContractError(
      `${file} has schema ${schema}, this program knows ${SCHEMA}: update this checkout`,
    );
  }
  if (schema < SCHEMA) {
    throw new ContractError(
      `${file} has schema ${schema}, this program needs ${SCHEMA}: release a new image`,
    );
  }
  return document as T;
}

/**
 * Reads JSON that carries no version, such as what `factory` prints.
 *
 * @param source the name to use in messages
 * @throws ContractError when the text is not JSON or does not fit
 */
export function readJson<N extends Name>(name: N, source: string, text: string, note?: Note): Documents[N] {
  return readDocument(name, source, parse(source, text), note);
}

/**
 * Reads a file of JSON lines, such as `dispatch.jsonl`, that grows at its end.
 *
 * @returns the valid lines. A line that is not JSON was cut by a full disk or a crash and is left out silently; `note` is
 *   called for invalid ones, and for the oldest beyond the limit
 */
export function readJsonLines<N extends Name>(
  name: N,
  source: string,
  text: string,
  note: Note = () => {},
): Documents[N][] {
  const records: Documents[N][] = [];
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length > MOST_ENTRIES) {
    note(`${source} has ${lines.length} lines, of which the last ${MOST_ENTRIES} are read`);
  }
  let misfits = 0;
  let first = '';
  for (const line of lines.slice(-MOST_ENTRIES)) {
    try {
      records.push(readDocument(name, 'a line', JSON.parse(line)));
    } catch (error) {
      if (!(error instanceof ContractError)) continue;
      misfits += 1;
      first ||= error.message;
    }
  }
  if (misfits > 0) note(`${misfits} of ${lines.length} lines of ${source} cannot be used: ${first}`);
  return records;
}

/**
 * Reads the JSON lines of a script's answer, each of which counts.
 *
 * @throws ContractError when one of them is not JSON or does not fit
 */
export function readLines<N extends Name>(name: N, source: string, text: string): Documents[N][] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => readJson(name, source, line));
}

/**
 * Reads a number out of a table of text.
 *
 * @param complaint the sentence for what is not one of at most `digits` digits
 * @throws ContractError
 */
export function wholeNumber(text: string | undefined, complaint: string, digits = 15): number {
  if (text === undefined || text.length > digits || !/^\d+$/.test(text)) throw new ContractError(complaint);
  return Number(text);
}

/**
 * Checks a parsed document.
 *
 * @throws ContractError naming the first field that does not fit
 */
export function readDocument<N extends Name>(
  name: N,
  source: string,
  document: unknown,
  note: Note = () => {},
): Documents[N] {
  const validate = validator(name);
  if (!validate(document)) {
    const [misfit] = validate.errors ?? [];
    throw new ContractError(`${source} is not as expected: ${describe(misfit)}`);
  }
  let left = 0;
  const value = shorten(document, (entries) => {
    left += entries;
  });
  if (left > 0) note(`${source} is too long: its first ${left} entries are left out`);
  return value;
}

function parse(source: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ContractError(`${source} is not JSON (${text.length} characters)`);
  }
}

/** Cuts what is too long, in place. Goes no deeper than the schema, which has left out what it does not know. */
function shorten<T>(value: T, leaveOut: (entries: number) => void): T {
  if (typeof value === 'string') {
    return (value.length > LONGEST_TEXT ? `${value.slice(0, LONGEST_TEXT - 1)}…` : value) as T;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value) && value.length > MOST_ENTRIES) {
    leaveOut(value.length - MOST_ENTRIES);
    // As in the queue and in a log, what is of use now comes last.
    value.splice(0, value.length - MOST_ENTRIES);
  }
  const fields = value as Record<string, unknown>;
  for (const key of Object.keys(fields)) fields[key] = shorten(fields[key], leaveOut);
  return value;
}

interface Misfit {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  timestamp: 'a time',
  boolean: 'true or false',
  float64: 'a number',
  int32: 'a whole number',
  uint32: 'a whole number from 0 on',
};

/** `phases[0].ms is not a number`. */
function describe(misfit: Misfit | undefined): string {
  if (misfit === undefined) return 'it does not fit';
  const { instancePath, keyword, params } = misfit;
  const path =
    instancePath
      .replaceAll(/\/(\d+)/g, '[$1]')
      .replaceAll('/', '.')
      .replace(/^\./, '') || 'it';
  const type = params['type'];
  if (keyword === 'type' && typeof type === 'string') return `${path} is not ${KINDS[type] ?? type}`;
  if (keyword === 'elements') return `${path} is not a list`;
  if (keyword === 'enum') return `${path} is not a word that is known`;
  const missing = params['missingProperty'];
  return typeof missing === 'string' ? `${path} has no ${missing}` : `${path} is not an object`;
}
