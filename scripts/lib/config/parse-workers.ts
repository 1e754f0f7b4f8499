/**
 * Parses the text of workers.yaml into workers, or into all its mistakes, each with its position.
 *
 * Only this module and `edit.ts` load yaml. It is loaded only where the file is needed, so that `--help` stays fast.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import { CliError, ExitCode } from '../cli/errors.ts';
import { duplicateNames, type Mistake, type Path, pathText, schemaMistakes } from './mistakes.ts';
import { resolveBeside, shortPath } from './paths.ts';
import { validate } from './validate-workers.ts';
import type { WorkerEntry, WorkersFile } from './worker-entry.ts';

/** The fields of an entry once the schema has accepted them. */
type EntryFields =
  | { name: string; runtime: 'local'; home: string }
  | {
      name: string;
      runtime?: 'kubernetes';
      pod: string;
      namespace: string;
      context: string;
      container?: string;
      kubeconfig?: string;
      keepConnection?: string;
    };

/** A mistake and its offset in the text, in characters. */
interface Finding {
  readonly offset: number;
  readonly where: string;
  readonly sentence: string;
}

/**
 * Parses the text of a workers.yaml. Pure.
 *
 * @param path where the file is: relative paths in it are relative to its folder
 * @param home what `~` stands for
 * @throws CliError (exit 2) that lists every mistake as `workers.yaml:6:15 workers[0].replicas: …`
 */
export function parseWorkers(path: string, text: string, home: string): WorkersFile {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter,
    prettyErrors: false,
    logLevel: 'error',
    // YAML files share fields with `<<: *defaults`, and keep such defaults in x-… keys.
    merge: true,
  });
  const findings = findMistakes(document).sort((a, b) => a.offset - b.offset);
  if (findings.length > 0) throw mistakesError(shortPath(path, home), findings, lineCounter);
  const { workers } = document.toJS() as { workers: EntryFields[] };
  return {
    path: shortPath(path, home),
    workers: workers.map((fields) => toEntry(fields, path, home)),
  };
}

/**
 * Checks fields that were given as flags. A missing field is not a mistake here.
 *
 * @returns sentences such as `pod: must be …`
 */
export function mistakesInFields(fields: Readonly<Record<string, string | undefined>>): string[] {
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const errors = validate({ workers: [given] }) ? [] : (validate.errors ?? []);
  const mistakes = schemaMistakes(errors.filter(({ keyword }) => keyword !== 'required'));
  return mistakes.map(({ path, sentence }) => `${path.at(-1)}: ${sentence}`);
}

function toEntry(fields: EntryFields, file: string, home: string): WorkerEntry {
  if (fields.runtime === 'local') {
    return { runtime: 'local', name: fields.name, home: resolveBeside(file, fields.home, home) };
  }
  const { name, pod, namespace, context, container, kubeconfig, keepConnection } = fields;
  return {
    runtime: 'kubernetes',
    name,
    pod,
    namespace,
    context,
    ...(container === undefined ? {} : { container }),
    ...(kubeconfig === undefined ? {} : { kubeconfig: resolveBeside(file, kubeconfig, home) }),
    ...(keepConnection === undefined ? {} : { keepConnection }),
  };
}

function findMistakes(document: Document.Parsed): Finding[] {
  const syntax = document.errors.map(({ code, message, pos }) => ({
    offset: pos[0],
    where: '',
    sentence:
      code === 'DUPLICATE_KEY'
        ? 'this key appears twice; remove one of the two'
        : `not valid YAML: ${message}`,
  }));
  // After a syntax error the rest of the file is not what its author meant. A duplicate key does no other harm.
  if (document.errors.some(({ code }) => code !== 'DUPLICATE_KEY')) return syntax;
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // An alias without its anchor, an alias bomb, a `<<` of something that is not a map.
    const offset = firstBrokenAlias(document) ?? 0;
    return [...syntax, { offset, where: '', sentence: `not valid YAML: ${(error as Error).message}` }];
  }
  if (value === null) {
    const sentence = 'the file is empty; it needs a list of workers, as in workers.example.yaml';
    return [...syntax, { offset: 0, where: '', sentence }];
  }
  const mistakes = [
    ...schemaMistakes(validate(value) ? [] : (validate.errors ?? [])),
    ...duplicateNames(value),
  ];
  return [...syntax, ...mistakes.map((mistake) => locate(document, mistake))];
}

function locate(document: Document.Parsed, { path, part, sentence }: Mistake): Finding {
  return { offset: offsetOf(document, path, part), where: pathText(path), sentence };
}

/**
 * The position of a key or its value in the text. For what is not in the text itself (a missing key, a field from `<<`), the
 * position of the nearest node around it.
 */
function offsetOf(document: Document.Parsed, path: Path, part: Mistake['part']): number {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document) ?? null;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
      const key = pair?.key as Node | undefined;
      node = (pair?.value ?? null) as Node | null;
      if (part === 'key' && depth === path.length - 1) return key?.range?.[0] ?? offset;
    } else if (isSeq(node)) {
      node = (node.items[Number(step)] ?? null) as Node | null;
    } else {
      node = null;
    }
    offset = node?.range?.[0] ?? offset;
  }
  return offset;
}

function firstBrokenAlias(document: Document.Parsed): number | undefined {
  let offset: number | undefined;
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return undefined;
      offset = alias.range?.[0];
      return visit.BREAK;
    },
  });
  return offset;
}

function mistakesError(file: string, findings: readonly Finding[], lineCounter: LineCounter): CliError {
  const lines = new Map<string, string>();
  for (const { offset, where, sentence } of findings) {
    const { line, col } = lineCounter.linePos(offset);
    const text = `${file}:${line}:${col} ${where === '' ? '' : `${where}: `}${sentence}`;
    // Further YAML errors on the same line follow from the first one; ajv sometimes repeats itself.
    const key = where === '' ? `line ${line}` : text;
    if (!lines.has(key)) lines.set(key, text);
  }
  const texts = [...lines.values()];
  const message =
    texts.length === 1 ? texts.join() : `${file} has ${texts.length} mistakes\n${texts.join('\n')}`;
  return new CliError(message, { exitCode: ExitCode.usage });
}
