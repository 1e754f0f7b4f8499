/**
 * Records of releases: one file per release of a worker, on this machine. A second run finds the record of the first and
 * continues; `releases` lists them.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { uptime } from 'node:os';
import { dirname, join } from 'node:path';
import type { Backup } from '../backup/make.ts';
import { homeOf } from '../config/paths.ts';
import { replaceFileSync } from '../config/replace-file.ts';
import { userAtHost } from '../config/user.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { SCHEMA } from '../contract.ts';
import { readVersioned } from '../read-contract.ts';

/** The steps of a release; `STEPS` (steps.ts) says what each does. */
export type StepName =
  | 'repair'
  | 'prepull'
  | 'drain'
  | 'backup'
  | 'roll'
  | 'wait'
  | 'verify'
  | 'restore'
  | 'health'
  | 'import'
  | 'resume';

/**
 * `running` until it ends, also after an interruption; `rolling-back` while it is being undone; `abandoned` when a
 * later release took its place.
 */
export type ReleaseState = 'running' | 'rolling-back' | 'done' | 'failed' | 'rolled-back' | 'abandoned';

export interface ReleaseRecord {
  readonly schema: number;
  readonly id: string;
  readonly kind: 'rollout' | 'rollback' | 'restart';
  readonly worker: Pick<ClusterWorker, 'name' | 'context' | 'namespace' | 'pod'>;
  readonly by: string;
  /** The release that was abandoned for this one, which therefore lifts its drain too. */
  readonly replaces: string | null;
  /** The process that runs it, on this machine. */
  readonly pid: number;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  /** The image that the pod's spec is to name. */
  readonly image: string;
  readonly previous: {
    readonly image: string;
    /** Helm's; null for a worker that was not installed with the chart. */
    readonly revision: number | null;
    readonly podUid: string | null;
  };
  readonly state: ReleaseState;
  /** The last step that was begun. */
  readonly step: StepName | null;
  readonly done: readonly StepName[];
  readonly backup: Backup | null;
  /** Whether the new factory has another schema or dialect than the old one. */
  readonly migration: boolean;
  /**
   * Whether the open rows of SQLite are to be added to PostgreSQL: the release whose backup is from just before the change. It
   * is another one when this one took its place before they were. Null: no.
   */
  readonly imports: string | null;
  /** What has become of those rows; null before the first is added. */
  readonly imported: Imported | null;
  /** build.json of the image that was pushed, as the pre-pull found it. */
  readonly build: unknown;
  /** How long each step took, in seconds. */
  readonly seconds: Readonly<Partial<Record<StepName, number>>>;
  /** Why it failed, in a paragraph; null when it did not. */
  readonly why: string | null;
}

/** The open rows of a queue that was imported; names as in `demo#23`. */
export interface Imported {
  readonly added: number;
  /** Go on by their pipelines, without a row. */
  readonly goesOn: readonly string[];
  /** Were left out, since they wait for a row that has failed. */
  readonly waits: readonly string[];
}

export const NOTHING_YET: Imported = { added: 0, goesOn: [], waits: [] };

/**
 * Whether the worker has been given the new database, by this release or by one that it replaced, and lacks rows: then it is not
 * to take up work as it is. Records of earlier versions do not say what they import.
 */
export function isBeforeImport({
  id,
  imports,
  done,
}: Pick<ReleaseRecord, 'id' | 'imports' | 'done'>): boolean {
  if ((imports ?? null) === null || done.includes('import')) return false;
  return done.includes('roll') || imports !== id;
}

/** The directory of the release records. */
export function releasesDir(env: NodeJS.ProcessEnv): string {
  const root = env['XDG_STATE_HOME'] || join(homeOf(env), '.local', 'state');
  return join(root, 'factory-worker', 'releases');
}

/** Where a release keeps its copy of a backup. */
export function backupCopyPath(env: NodeJS.ProcessEnv, id: string): string {
  return join(dirname(releasesDir(env)), 'backups', `${id}.tar.gz`);
}

export type NewRecord = Pick<ReleaseRecord, 'kind' | 'image' | 'previous'> &
  Partial<Pick<ReleaseRecord, 'replaces'>>;

export function newRecord(worker: ClusterWorker, given: NewRecord, now: Date): ReleaseRecord {
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  return {
    schema: SCHEMA,
    id: `${stamp}-${worker.name}-${randomBytes(2).toString('hex')}`,
    ...given,
    worker: { name: worker.name, context: worker.context, namespace: worker.namespace, pod: worker.pod },
    by: userAtHost(),
    replaces: given.replaces ?? null,
    pid: process.pid,
    startedAt: now.toISOString(),
    finishedAt: null,
    state: 'running',
    step: null,
    done: [],
    backup: null,
    migration: false,
    imports: null,
    imported: null,
    build: null,
    seconds: {},
    why: null,
  };
}

/** Writes a record atomically. */
export function saveRecord(env: NodeJS.ProcessEnv, record: ReleaseRecord): void {
  replaceFileSync(recordPath(env, record), `${JSON.stringify(record, null, 2)}\n`);
}

export function recordPath(env: NodeJS.ProcessEnv, { id }: Pick<ReleaseRecord, 'id'>): string {
  return join(releasesDir(env), `${id}.json`);
}

/** All records on this machine, oldest first. Unreadable files are left out. */
export function readRecords(env: NodeJS.ProcessEnv): ReleaseRecord[] {
  let names: string[];
  try {
    names = readdirSync(releasesDir(env));
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => {
      try {
        return [readVersioned<ReleaseRecord>(name, readFileSync(join(releasesDir(env), name), 'utf8'))];
      } catch {
        return [];
      }
    });
}

/** Whether a record belongs to that worker: two `workers.yaml` may give different workers the same name. */
export function isOf({ worker }: Pick<ReleaseRecord, 'worker'>, other: ClusterWorker): boolean {
  return worker.context === other.context && worker.namespace === other.namespace && worker.pod === other.pod;
}

/** The worker's unfinished release; null when there is none. */
export function unfinished(records: readonly ReleaseRecord[], worker: ClusterWorker): ReleaseRecord | null {
  return records.findLast((record) => isOf(record, worker) && isOpen(record)) ?? null;
}

/**
 * The release that has ended and left the worker drained, since the worker could not be entered then. The next one takes its
 * place. Null when another machine's release, an unfinished one or no release at all has drained it.
 */
export function endedDrained(
  records: readonly ReleaseRecord[],
  drain: { readonly release: string | null } | null,
): ReleaseRecord | null {
  return records.find((record) => record.id === drain?.release && !isOpen(record)) ?? null;
}

/** A release and those that were abandoned for it, newest first: it lifts the drain of any of them. @returns ids */
export function lineOf(
  record: Pick<ReleaseRecord, 'id' | 'replaces'>,
  records: readonly ReleaseRecord[],
): string[] {
  const ids = [record.id];
  for (let next = record.replaces; next !== null && !ids.includes(next); ) {
    ids.push(next);
    next = records.find(({ id }) => id === next)?.replaces ?? null;
  }
  return ids;
}

export function isOpen({ state }: Pick<ReleaseRecord, 'state'>): boolean {
  return state === 'running' || state === 'rolling-back';
}

/** Whether the process of an open record still runs, in another terminal. */
export function isUnderWay(record: Pick<ReleaseRecord, 'id' | 'pid'>, env: NodeJS.ProcessEnv): boolean {
  const { pid } = record;
  if (pid === process.pid || pid === 0) return false;
  // A process that wrote before this machine booted is gone, whatever process has its number now.
  const written = statSync(recordPath(env, record), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (written < Date.now() - uptime() * 1000) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
