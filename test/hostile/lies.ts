/**
 * Where a lie can be told, and what is told there: every place of an answer (each part of a frame, each field of its JSON,
 * each cell of its lines, stderr, the answer as a whole) × every probe.
 *
 * The probes are harmless: text that a terminal would act on if it got there, text that is too long, values of the wrong
 * type, and tokens that nobody has ever issued.
 */
import type { ArchiveReply, FrameReply, Reply, TextReply } from './reply.ts';

export type ProbeKind = 'control' | 'huge' | 'type' | 'token';

export interface Probe {
  readonly kind: ProbeKind;
  readonly name: string;
  /** A string where only a text can stand; any JSON value in the place of one. */
  readonly value: unknown;
}

/** Nobody has ever issued these; each is looked for in what a command prints, by its middle. */
export const PLANTED = [
  'FAKEfakeFAKEfakeFAKEfakeFAKEfake0001',
  'FAKEfakeFAKEfakeFAKEfakeFAKEfake0002',
  'FAKEfakeFAKEfake0003',
  'FAKEfakeFAKEfakeFAKEfakeFAKEfake0004',
] as const;

const [GITHUB, CLAUDE, KEY, FINE] = PLANTED;

/** The value of a Secret that the command itself was given: known, whatever it looks like. */
export const OWN_SECRET = 'made-up value without a pattern'.replaceAll(' ', '.');

/** Takes the place of what JSON.stringify cannot write: an array in an array, ten thousand deep. */
const DEEP_MARK = 'DEEP-0123456789';
const DEEP = `${'['.repeat(10_000)}${']'.repeat(10_000)}`;

export const MISSING = Symbol('missing');

export const STRINGS: readonly Probe[] = [
  {
    kind: 'control',
    name: 'escape sequences',
    value:
      'ctl\u001b[2A\u001b[31mred\u001b[0m\u001b[8mhidden\u001b[28m\u001b[6n\u001b]0;a title\u0007\r\b\u007fend',
  },
  { kind: 'control', name: 'C1', value: 'ctl\u009b2A\u009b6n\u009d0;a title\u009c\u0085end' },
  { kind: 'control', name: 'bidirectional', value: 'ctl\u202eabc\u2066def\u2069\u200f\u061cend' },
  { kind: 'huge', name: '300,000 characters', value: 'x'.repeat(300_000) },
  {
    kind: 'huge',
    name: '30,000 accented letters',
    value: 'e\u0301'.repeat(30_000),
  },
  { kind: 'huge', name: '16,000 blanks', value: `a${' '.repeat(16_000)}b` },
  {
    kind: 'token',
    name: 'tokens',
    value: `ghp_${GITHUB} sk-ant-oat01-${CLAUDE} GH_TOKEN=${KEY} github_pat_${FINE}`,
  },
];

/** Told only to commands that were given this value themselves. */
export const OWN: Probe = { kind: 'token', name: 'its own secret', value: OWN_SECRET };

const TYPES: readonly Probe[] = [null, true, -1, 1e21, '', [], [null], {}, MISSING].map((value) => ({
  kind: 'type',
  name: value === MISSING ? 'missing' : JSON.stringify(value),
  value,
}));

const DEEP_PROBE: Probe = { kind: 'huge', name: '10,000 deep', value: DEEP_MARK };
const ROWS: Probe = { kind: 'huge', name: '10,000 rows', value: 10_000 };

/** One thing that a worker says otherwise than it is. */
export interface Cell {
  /** `part queue .0.Issue`, `stderr`. */
  readonly field: string;
  readonly probe: Probe;
  readonly change: (honest: Reply) => Reply;
}

/**
 * All the lies that can be told in the place of an answer.
 *
 * @param own whether the command was told a secret of its own
 * @param possible parts that the script may answer with besides those it has answered with
 */
export function cellsOf(reply: Reply, own: boolean, possible: readonly string[] = []): Cell[] {
  const strings = own ? [...STRINGS, OWN] : STRINGS;
  switch (reply.kind) {
    case 'frame':
      return inFrame(reply, strings, possible);
    case 'text':
      return inText(reply, strings);
    case 'archive':
      return inArchive(reply, strings);
  }
}

/** In what its files hold and how they are called, and in what is said beside it. */
function inArchive(reply: ArchiveReply, strings: readonly Probe[]): Cell[] {
  const contents = Object.entries(reply.files).flatMap(([name, content]) =>
    inString(content, strings).map(
      ({ field, probe, change }): Cell => ({
        field: `file ${name} ${field}`,
        probe,
        change: (honest) =>
          honest.kind === 'archive'
            ? { ...honest, files: { ...honest.files, [name]: change(honest.files[name] ?? content) } }
            : honest,
      }),
    ),
  );
  const names = Object.keys(reply.files).flatMap((name) =>
    strings.map(
      (probe): Cell => ({
        field: `name of file ${name}`,
        probe,
        change: (honest) => {
          if (honest.kind !== 'archive') return honest;
          const { [name]: content = '', ...others } = honest.files;
          return { ...honest, files: { ...others, [String(probe.value)]: content } };
        },
      }),
    ),
  );
  const aside = inString(reply.stderr, strings).map(
    ({ field, probe, change }): Cell => ({
      field: `stderr ${field}`,
      probe,
      change: (honest) => (honest.kind === 'archive' ? { ...honest, stderr: change(honest.stderr) } : honest),
    }),
  );
  const failing = strings.map(
    (probe): Cell => ({ field: 'fails, with stderr', probe, change: () => failed(probe) }),
  );
  return [...failing, ...contents, ...names, ...aside];
}

function inFrame(reply: FrameReply, strings: readonly Probe[], possible: readonly string[]): Cell[] {
  const failing = strings.map(
    (probe): Cell => ({ field: 'no answer, but stderr', probe, change: () => failed(probe) }),
  );
  const parts = Object.entries(reply.parts).flatMap(([name, part]) => {
    const put =
      (to: string | undefined, rc = part.rc ?? 0) =>
      (honest: Reply): Reply => {
        if (honest.kind !== 'frame') return honest;
        const { [name]: _, ...others } = honest.parts;
        return { kind: 'frame', parts: to === undefined ? others : { ...others, [name]: { rc, text: to } } };
      };
    const field = `part ${name}`;
    const fails = strings.map((probe): Cell => {
      const said = String(probe.value);
      const change = (honest: Reply): Reply =>
        honest.kind === 'frame'
          ? {
              kind: 'frame',
              parts: {
                ...honest.parts,
                [name]: { rc: 1, text: said },
                [`${name}.error`]: { rc: 1, text: `Error: ${said}` },
              },
            }
          : honest;
      return { field: `${field} fails`, probe, change };
    });
    const gone: Cell = {
      field,
      probe: { kind: 'type', name: 'missing', value: MISSING },
      change: put(undefined),
    };
    const inner = inString(part.text, strings).map(
      ({ field: where, probe, change }): Cell => ({
        field: `${field} ${where}`,
        probe,
        change: (honest) =>
          put(change(honest.kind === 'frame' ? (honest.parts[name]?.text ?? part.text) : part.text))(honest),
      }),
    );
    return [gone, ...fails, ...inner];
  });
  const absent = possible.filter((name) => !(name in reply.parts));
  const extra = ['surplus', ...absent].flatMap((name) =>
    strings.map((probe): Cell => {
      const part = { rc: 1, text: String(probe.value) };
      const change = (honest: Reply): Reply =>
        honest.kind === 'frame' ? { ...honest, parts: { ...honest.parts, [name]: part } } : honest;
      return { field: `part ${name}, besides`, probe, change };
    }),
  );
  return [...failing, ...parts, ...extra];
}

function inText(reply: TextReply, strings: readonly Probe[]): Cell[] {
  const say =
    (said: Partial<TextReply>) =>
    (honest: Reply): Reply =>
      honest.kind === 'text' ? { ...honest, ...said } : honest;
  const fails = strings.map(
    (probe): Cell => ({ field: 'fails, with stderr', probe, change: () => failed(probe) }),
  );
  const errors = strings.map(
    (probe): Cell => ({
      field: 'is refused, with stderr',
      probe,
      change: () => ({
        kind: 'text',
        stdout: '',
        stderr: `Error from server (Forbidden): ${probe.value}\n`,
        code: 1,
      }),
    }),
  );
  const warnings = strings.map(
    (probe): Cell => ({
      field: 'warns on stderr',
      probe,
      change: say({ stderr: `Warning: ${probe.value}\n` }),
    }),
  );
  const aside =
    reply.stderr === ''
      ? warnings
      : inString(reply.stderr, strings).map(
          ({ field, probe, change }): Cell => ({
            field: `stderr ${field}`,
            probe,
            change: (honest) =>
              honest.kind === 'text' ? { ...honest, stderr: change(honest.stderr) } : honest,
          }),
        );
  const inner = inString(reply.stdout, strings).map(
    ({ field, probe, change }): Cell => ({
      field: `stdout ${field}`,
      probe,
      change: (honest) => (honest.kind === 'text' ? { ...honest, stdout: change(honest.stdout) } : honest),
    }),
  );
  return [...fails, ...errors, ...aside, ...inner];
}

function failed({ value }: Probe): TextReply {
  return { kind: 'text', stdout: '', stderr: `error: ${String(value)}\n`, code: 1 };
}

// --- inside a text --------------------------------------------------------------------------------------------------

interface Place {
  readonly field: string;
  readonly probe: Probe;
  readonly change: (honest: string) => string;
}

/** How many lines of a text are lied in; the others are like them. */
const LINES = 2;

export function inString(honest: string, strings: readonly Probe[]): Place[] {
  const whole = strings.map((probe): Place => ({ field: 'whole', probe, change: () => String(probe.value) }));
  const document = parse(honest);
  if (document !== undefined) {
    const deep: Place = { field: 'whole', probe: DEEP_PROBE, change: () => DEEP };
    return [
      ...whole,
      deep,
      ...inDocument(
        document,
        strings,
        (text) => parse(text),
        (value) => write(value),
      ),
    ];
  }
  const lines = honest.split('\n');
  const rows: Place = {
    field: 'whole',
    probe: ROWS,
    change: (text) => `${text.replace(/\n$/, '')}\n`.repeat(Math.ceil(10_000 / lines.length)),
  };
  const decoded = /^[A-Za-z0-9+/]{12,}=*$/.test(honest) ? Buffer.from(honest, 'base64') : null;
  if (decoded !== null) {
    const encode = (text: string) => Buffer.from(text).toString('base64');
    return [
      ...whole,
      ...strings.map(
        (probe): Place => ({ field: 'decoded', probe, change: () => encode(`${probe.value}\n`) }),
      ),
    ];
  }
  return [...whole, rows, ...lines.slice(0, LINES).flatMap((line, index) => inLine(line, index, strings))];
}

function inLine(line: string, index: number, strings: readonly Probe[]): Place[] {
  const replaceLine = (to: (line: string) => string) => (text: string) => {
    const all = text.split('\n');
    all[index] = to(all[index] ?? '');
    return all.join('\n');
  };
  // RESULT {…}
  const [, lead = '', rest = line] = /^([A-Z]+ )(\{.*)$/.exec(line) ?? [];
  const document = line === '' ? undefined : parse(rest);
  if (typeof document === 'object' && document !== null) {
    return inDocument(
      document,
      strings,
      (text) => parse(text.slice(lead.length)),
      (value) => lead + write(value),
    ).map(({ field, probe, change }) => ({
      field: `line ${index} ${field}`,
      probe,
      change: replaceLine(change),
    }));
  }
  const separator = line.includes('\t') ? '\t' : /^[\w-]+=/.test(line) ? '=' : ' ';
  const cells = line.split(separator);
  return cells.flatMap((_, column) =>
    strings.map((probe): Place => {
      const change = replaceLine((text) => {
        const all = text.split(separator);
        all[column] = String(probe.value).replaceAll('\t', ' ');
        return all.join(separator);
      });
      return { field: `line ${index} cell ${column}`, probe, change };
    }),
  );
}

// --- inside a JSON document -----------------------------------------------------------------------------------------

type Path = readonly (string | number)[];

function inDocument(
  document: unknown,
  strings: readonly Probe[],
  read: (text: string) => unknown,
  writeOut: (value: unknown) => string,
): Place[] {
  return pathsOf(document).flatMap((path) => {
    const field = path.length === 0 ? '$' : path.map((key) => `.${key}`).join('');
    const honest = at(document, path);
    const probes = [...strings, ...TYPES, DEEP_PROBE].filter(({ value }) => !same(value, honest));
    const places = probes.map(
      (probe): Place => ({
        field,
        probe,
        change: (text) => writeOut(put(read(text), path, probe.value)),
      }),
    );
    if (!Array.isArray(honest) || honest.length === 0) return places;
    const many = (text: string) => {
      const found = at(read(text), path);
      // A later answer to the same question may lack it.
      if (!Array.isArray(found) || found.length === 0) return text;
      const repeated = Array.from({ length: ROWS.value as number }, (_, n) => found[n % found.length]);
      return writeOut(put(read(text), path, repeated));
    };
    return [...places, { field, probe: ROWS, change: many }];
  });
}

/** How many elements of an array are lied in; the others are like them. */
const ELEMENTS = 2;

/** The places of a document: itself, and each value in it. */
export function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const keys: (string | number)[] = Array.isArray(value)
    ? [...value.keys()].slice(0, ELEMENTS)
    : Object.keys(value);
  return [
    path,
    ...keys.flatMap((key) => pathsOf((value as Record<string | number, unknown>)[key], [...path, key])),
  ];
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (found, key) => (found as Record<string | number, unknown> | null | undefined)?.[key],
    value,
  );
}

/** A document with another value at a place. */
export function put(value: unknown, [key, ...rest]: Path, to: unknown): unknown {
  if (key === undefined) return to;
  if (typeof value !== 'object' || value === null) return value;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string | number, unknown>;
  if (rest.length === 0 && to === MISSING) delete copy[key];
  else copy[key] = put(copy[key], rest, to);
  return copy;
}

function same(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  return JSON.stringify(a) === JSON.stringify(b);
}

function write(value: unknown): string {
  // Nothing where a later answer to the same question has nothing to lie in.
  return value === MISSING || value === undefined
    ? ''
    : JSON.stringify(value).replaceAll(`"${DEEP_MARK}"`, DEEP);
}

function parse(text: string): unknown {
  if (!/^\s*[[{]|^null$/.test(text)) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
