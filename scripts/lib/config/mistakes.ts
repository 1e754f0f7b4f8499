/** The mistakes of a workers.yaml, in sentences: ajv's errors name the violated rule, these say what to type. */
import type { ErrorObject } from 'ajv';
import { nearest } from '../cli/text.ts';
import schema from './workers.schema.json' with { type: 'json' };

/** Keys and indexes from the document down to a value. */
export type Path = readonly (string | number)[];

export interface Mistake {
  /** The key or value concerned; empty for the document itself. */
  readonly path: Path;
  /** Whether to point at the key or at its value. */
  readonly part: 'key' | 'value';
  readonly sentence: string;
}

const WORKER_KEYS: Readonly<Record<string, { readonly description: string }>> =
  schema.definitions.worker.properties;

/**
 * @param errors ajv's, with `allErrors` and `verbose`
 * @returns each mistake once; ajv reports some of them twice
 */
export function schemaMistakes(errors: readonly ErrorObject[]): Mistake[] {
  const unknown = errors.filter(({ keyword }) => keyword === 'additionalProperties');
  const misspelt = new Set(unknown.map((error) => pathText([...pathOf(error), meantKey(error) ?? ''])));
  return errors.flatMap((error): Mistake[] => {
    const path = pathOf(error);
    switch (error.keyword) {
      case 'additionalProperties': {
        const key = [...path, String(error.params['additionalProperty'])];
        return [{ path: key, part: 'key', sentence: unknownKey(error) }];
      }
      case 'required': {
        const key = [...path, String(error.params['missingProperty'])];
        if (misspelt.has(pathText(key)) || kindIsUnclear(error)) return [];
        return [{ path: key, part: 'value', sentence: missingKey(key) }];
      }
      case 'false schema':
        return [{ path, part: 'key', sentence: misplacedKey(String(path.at(-1))) }];
      case 'if':
        // Only repeats that something in `then` or `else` failed.
        return [];
      default:
        return [{ path, part: 'value', sentence: wrongValue(error, path) }];
    }
  });
}

/** Whether a worker without a pod is probably a local one: then its `runtime` or `home` says what it needs. */
function kindIsUnclear({ schemaPath, data }: ErrorObject): boolean {
  if (!schemaPath.includes('/else/')) return false;
  const { runtime, ...worker } = data as Record<string, unknown>;
  const inCluster = 'pod' in worker || 'namespace' in worker || 'context' in worker;
  return !inCluster && ('home' in worker || (runtime !== undefined && runtime !== 'kubernetes'));
}

/** Two workers with the same name; JSON Schema cannot express that. */
export function duplicateNames(document: unknown): Mistake[] {
  const { workers } = document as { workers?: unknown };
  if (!Array.isArray(workers)) return [];
  const names = workers.map((worker: { name?: unknown } | null) => worker?.name);
  return names.flatMap((name, index): Mistake[] => {
    const first = names.indexOf(name);
    if (typeof name !== 'string' || first === index) return [];
    const sentence = `${quoted(name)} is already the name of workers[${first}]; every worker needs its own`;
    return [{ path: ['workers', index, 'name'], part: 'value', sentence }];
  });
}

/** `workers[0].pod`; a key that is not a plain word is quoted: `workers[0]["my pod"]`. */
export function pathText(path: Path): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      if (!/^[\w.-]+$/.test(step)) return `[${JSON.stringify(step)}]`;
      return index === 0 ? step : `.${step}`;
    })
    .join('');
}

/** ajv gives a JSON pointer. */
function pathOf({ instancePath }: ErrorObject): Path {
  return instancePath
    .split('/')
    .slice(1)
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}

/** The known key nearest to an unknown one; null when none is near. */
function meantKey({ params, parentSchema, data }: ErrorObject): string | null {
  const free = Object.keys(parentSchema?.['properties'] ?? {}).filter((key) => !(key in (data as object)));
  return nearest(String(params['additionalProperty']), free)[0] ?? null;
}

function unknownKey(error: ErrorObject): string {
  const meant = meantKey(error);
  if (meant !== null) return `unknown key; did you mean "${meant}"?`;
  const known = Object.keys(error.parentSchema?.['properties'] ?? {}).join(', ');
  return `unknown key; known are ${known}, and keys of your own that begin with x-`;
}

function missingKey(path: Path): string {
  if (path.length === 1) return 'missing; the file needs a list of workers, as in workers.example.yaml';
  return `missing; it is ${meaning(String(path.at(-1)))}`;
}

/** What a field is for: the first sentence of its description in the schema. */
function meaning(key: string): string {
  return WORKER_KEYS[key]?.description.split('. ')[0] ?? key;
}

/** A key that belongs to the other kind of worker. */
function misplacedKey(key: string): string {
  return key === 'home'
    ? 'only a local worker has a home; remove this line, or add runtime: local'
    : `a local worker has no ${key}; remove this line, or runtime: local`;
}

function wrongValue({ keyword, data, params, parentSchema }: ErrorObject, path: Path): string {
  const key = String(path.at(-1) ?? '');
  if (path.length === 3 && (data === '' || data === null)) {
    return `empty; it is ${meaning(key)}`;
  }
  if (keyword === 'type') return wrongType(data, path);
  if (keyword === 'enum') {
    const allowed = params['allowedValues'] as string[];
    return `must be ${allowed.join(' or ')}, not ${quoted(data)}${suggest(nearest(String(data), allowed)[0])}`;
  }
  // The rule's own wording is beside it in the schema.
  const wanted = String(parentSchema?.['$comment']);
  const { label: names, subdomain } = schema.definitions;
  const label = parentSchema === names || parentSchema === subdomain ? toLabel(String(data)) : '';
  return `must be ${wanted}, not ${quoted(data)}${suggest(label)}`;
}

function wrongType(data: unknown, path: Path): string {
  switch (path.length) {
    case 0:
      return `the file must begin with "workers:", but is ${kindOf(data)}`;
    case 1:
      return `must be a list of workers, each beginning with "- name:", but is ${kindOf(data)}`;
    case 2:
      return `must be a worker with name, pod, namespace and context, but is ${kindOf(data)}`;
    default: {
      const quotes = typeof data === 'object' ? '' : `; put it in quotes: "${data}"`;
      return `must be text, but is ${kindOf(data)}${quotes}`;
    }
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty';
  if (typeof value === 'object') return Array.isArray(value) ? 'a list' : 'a map';
  return typeof value === 'string' ? 'text' : `the ${typeof value} ${value}`;
}

/** `Worker_1` as a valid label: `worker-1`; empty when nothing is left of it. */
function toLabel(text: string): string {
  const label = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  return label.length <= 63 ? label : '';
}

function suggest(text: string | undefined): string {
  return text ? `; did you mean "${text}"?` : '';
}

function quoted(value: unknown): string {
  const text = String(value);
  return JSON.stringify(text.length > 70 ? `${text.slice(0, 70)}…` : text);
}
