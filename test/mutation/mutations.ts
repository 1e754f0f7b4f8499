/** Every way in which one field of a worker's answer can be of another type or size. */
import type { Answer } from './answers.ts';

export interface Mutation {
  /** `boot.phases[0].ms = null`. */
  readonly name: string;
  readonly part: string;
  /** What takes the part's place; null when it is not there. */
  readonly text: string | null;
}

/** What takes the place of a value in JSON, as text: some of it is no value of JavaScript's. */
const VALUES = {
  null: 'null',
  true: 'true',
  zero: '0',
  negative: '-1',
  fraction: '0.5',
  huge: '1e308',
  infinite: '1e999',
  empty: '""',
  word: '"odd"',
  long: `"${'é'.repeat(5000)}"`,
  array: '[]',
  numbers: '[1,"2",null]',
  object: '{}',
  nested: `${'[{"a":'.repeat(50)}1${'}]'.repeat(50)}`,
  proto: '{"__proto__":{"length":1},"constructor":1,"toString":2}',
} as const;

/** What takes the place of a word in text. */
const WORDS = {
  nothing: '',
  word: 'odd',
  zero: '0',
  negative: '-1',
  huge: '9'.repeat(400),
  exponent: '1e999',
  long: 'é'.repeat(5000),
  proto: '__proto__',
} as const;

/** What takes the place of a whole part. */
const WHOLES = {
  nothing: '',
  word: 'odd',
  null: 'null',
  'list of nulls': '[null]',
  'blank lines': '\n\n\n',
  tabs: '\t\t\t\t\t\t\t\t',
  bytes: '\u0000\u0001\ufffd\u2028',
  cut: '{"schema":1,"by":"',
} as const;

export function* mutationsOf(answer: Answer): Generator<Mutation> {
  for (const [part, text] of Object.entries(answer)) {
    yield { name: `${part} is not there`, part, text: null };
    for (const [word, whole] of Object.entries(WHOLES))
      yield { name: `${part} = ${word}`, part, text: whole };
    const mutants = isJson(text) ? ofJson(text) : isJsonLines(text) ? ofJsonLines(text) : ofText(text);
    for (const [where, mutant] of mutants) yield { name: `${part}${where}`, part, text: mutant };
  }
}

export function apply(answer: Answer, { part, text }: Mutation): Answer {
  const { [part]: _, ...others } = answer;
  return text === null ? others : { ...answer, [part]: text };
}

type Mutant = readonly [where: string, text: string];

/** A hole that no text of JSON has by chance. */
const HOLE = '@hole@';

function* ofJson(text: string): Generator<Mutant> {
  const document: unknown = JSON.parse(text);
  for (const path of pathsOf(document)) {
    const where = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
    const holed = JSON.stringify(replaced(document, path, HOLE));
    for (const [word, value] of Object.entries(VALUES)) {
      yield [`${where} = ${word}`, holed.replace(`"${HOLE}"`, () => value)];
    }
    if (path.length > 0) yield [`${where} is not there`, JSON.stringify(replaced(document, path, undefined))];
  }
}

function* ofJsonLines(text: string): Generator<Mutant> {
  const lines = text.split('\n').filter((line) => line !== '');
  for (const [index, line] of lines.entries()) {
    for (const [where, mutant] of ofJson(line)) {
      yield [`:${index + 1}${where}`, lines.with(index, mutant).join('\n')];
    }
  }
}

/** Fields are what stands between blanks, tabs, line breaks and `=`. */
function* ofText(text: string): Generator<Mutant> {
  const fields = text.split(/([\s=]+)/);
  for (let index = 0; index < fields.length; index += 2) {
    for (const [word, value] of Object.entries(WORDS)) {
      yield [` field ${index / 2} = ${word}`, fields.with(index, value).join('')];
    }
    yield [` without field ${index / 2} and what follows`, fields.slice(0, index).join('')];
  }
}

type Path = readonly (string | number)[];

function* pathsOf(value: unknown, path: Path = []): Generator<Path> {
  yield path;
  if (typeof value !== 'object' || value === null) return;
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value);
  for (const key of keys) yield* pathsOf((value as Record<string | number, unknown>)[key], [...path, key]);
}

/** A copy with another value at a path; `undefined` leaves a field out, and null in the place of an element. */
function replaced(value: unknown, [step, ...rest]: Path, other: unknown): unknown {
  if (step === undefined) return other;
  if (Array.isArray(value)) return value.with(Number(step), replaced(value[Number(step)], rest, other));
  const fields = value as Record<string, unknown>;
  return { ...fields, [step]: replaced(fields[step], rest, other) };
}

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object';
  } catch {
    return false;
  }
}

function isJsonLines(text: string): boolean {
  return text !== '' && text.trimEnd().split('\n').every(isJson);
}
