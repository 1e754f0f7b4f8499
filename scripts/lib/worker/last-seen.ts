/**
 * What a worker was last seen doing, cached on this machine: when its cluster is unreachable, the operator at least knows
 * which issues it has. Best effort: a cache that cannot be read or written is ignored.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { age } from '../cli/text.ts';
import { cacheFolder } from '../config/paths.ts';
import { replaceFileSync } from '../config/replace-file.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { SCHEMA } from '../contract.ts';
import { readVersioned } from '../read-contract.ts';
import type { ContainerName } from '../transport/pods.ts';
import { itemName, openItems } from './queue.ts';
import type { Snapshot } from './snapshot.ts';

export interface LastSeen {
  readonly schema: number;
  /** By the clock of this machine. */
  readonly at: string;
  /** The open rows of the queue: `deathcookies#23`, and its stage if it was in progress. */
  readonly items: readonly { readonly name: string; readonly stage: string | null }[];
}

/** What is in the cache. */
interface Saved extends LastSeen {
  /** Where the worker ran; null for a local worker. */
  readonly pod?: ContainerName | null;
}

/** A command that looks every two seconds does not write a file each time: as long as nothing happens, only after this time. */
const SAVE_MS = 30_000;

/** By file: what this command has written, and what it has seen since. */
const saved = new Map<string, Saved>();
const unsaved = new Map<string, Saved>();

/** @param pod that it was seen in; null for a local worker */
export function rememberSeen(
  env: NodeJS.ProcessEnv,
  worker: WorkerEntry,
  { snapshot, pod }: { readonly snapshot: Snapshot; readonly pod: ContainerName | null },
  now: Date,
): void {
  const seen: Saved = {
    schema: SCHEMA,
    pod: pod && { name: pod.name, container: pod.container },
    at: now.toISOString(),
    items: openItems(snapshot).map((item) => ({ name: itemName(item), stage: item.pipeline?.stage ?? null })),
  };
  const file = cacheFile(env, worker);
  const before = saved.get(file);
  if (before === undefined || !isAsGood(before, seen)) save(file, seen);
  else unsaved.set(file, seen);
}

function isAsGood(before: Saved, seen: Saved): boolean {
  const ms = Date.parse(seen.at) - Date.parse(before.at);
  const content = ({ pod, items }: Saved) => JSON.stringify([pod, items]);
  return ms >= 0 && ms < SAVE_MS && content(before) === content(seen);
}

function save(file: string, seen: Saved): void {
  unsaved.delete(file);
  try {
    replaceFileSync(file, JSON.stringify(seen));
    saved.set(file, seen);
  } catch {
    // A full disk or a read-only home must not stop a command that only looks.
  }
}

/** @returns null when the worker was never seen from here */
export function recallSeen(env: NodeJS.ProcessEnv, worker: WorkerEntry): LastSeen | null {
  const file = cacheFile(env, worker);
  const newer = unsaved.get(file);
  if (newer !== undefined) save(file, newer);
  const seen = read(file);
  return seen && { schema: seen.schema, at: seen.at, items: seen.items };
}

/** @returns the pod that the worker was last seen in; null when it was not */
export function recallPod(env: NodeJS.ProcessEnv, worker: WorkerEntry): ContainerName | null {
  if (worker.runtime === 'local') return null;
  const file = cacheFile(env, worker);
  // A command that watches asks in every round: the file is read for the first.
  const pod = (saved.get(file) ?? read(file))?.pod;
  return typeof pod?.name === 'string' && typeof pod.container === 'string' ? pod : null;
}

function read(file: string): Saved | null {
  try {
    return readVersioned<Saved>('last-seen', readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

/** `last seen 12m ago: deathcookies#23 implement`. */
export function describeLastSeen({ at, items }: LastSeen, now: Date): string {
  const since = age((now.getTime() - Date.parse(at)) / 1000);
  const [first, ...others] = items;
  if (first === undefined) return `last seen ${since} ago: nothing queued`;
  const more = others.length > 0 ? ` +${others.length}` : '';
  return `last seen ${since} ago: ${first.name}${first.stage === null ? '' : ` ${first.stage}`}${more}`;
}

/** One file per worker, so that parallel commands do not overwrite each other's entries. */
function cacheFile(env: NodeJS.ProcessEnv, worker: WorkerEntry): string {
  const identity =
    worker.runtime === 'local'
      ? [worker.home]
      : [worker.context, worker.namespace, worker.pod, worker.kubeconfig ?? ''];
  const key = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16);
  return join(cacheFolder(env), 'last-seen', `${worker.name}-${key}.json`);
}
