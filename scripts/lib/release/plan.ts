/**
 * Plans the release of one worker: a pure function of the request, the worker's state and the record of an earlier run.
 * Also the facts that a release compares before and after. Only `readFacts` has an effect: it asks the worker.
 */

import type { Backup } from '../backup/make.ts';
import type { Context } from '../cli/command.ts';
import type { Build, Drain } from '../contract.ts';
import { dialectName } from '../factory.ts';
import { chartDrift } from '../helm/helm.ts';
import { type Plan, type Refusal, refuse } from '../plan.ts';
import { readJson } from '../read-contract.ts';
import { shortReference } from '../registry/reference.ts';
import type { Frame } from '../transport/frame.ts';
import type { Transport } from '../transport/transport.ts';
import { type DatabaseState, engineOf, parseDatabaseState } from '../worker/database-state.ts';
import { type TakenField, takenText } from '../worker/field-owners.ts';
import { isQueueUnknown, itemName, openItems } from '../worker/queue.ts';
import { parseSnapshot, type Snapshot } from '../worker/snapshot.ts';
import { isLeftBehind, resumeHint } from '../worker/status.ts';
import { endedDrained, isBeforeImport, lineOf, type ReleaseRecord, type StepName } from './record.ts';

/** What the operator asked for, for one worker. */
export interface ReleaseRequest {
  readonly kind: ReleaseRecord['kind'];
  /** `repository@sha256:…` */
  readonly image: string;
  /** For a rollback: the Helm revision to go back to; null for a worker that was not installed with the chart. */
  readonly revision: number | null;
  /** For a rollback to a revision: the number of pods that it brings along. */
  readonly replicas: number | null;
  readonly prepull: boolean;
  /** Wait for the running stage; otherwise it is interrupted. */
  readonly drain: boolean;
  readonly chartUpgrade: boolean;
  /** From SQLite to PostgreSQL: add the open rows to the new queue. */
  readonly importRows: boolean;
  /** For a rollback: the release whose migration it undoes; null when there was no migration. */
  readonly undo: ReleaseRecord | null;
}

/** The state of one worker, as seen before the release. */
export interface Seen {
  readonly name: string;
  /** Null: the workload was not installed with the chart. */
  readonly helm: {
    readonly pending: boolean;
    readonly lastDeployed: number | null;
    /** The number of pods that going back to `lastDeployed` would bring along; null when that is not to happen. */
    readonly replicasAgain: number | null;
  } | null;
  readonly specImage: string;
  readonly replicas: number;
  /** Fields that Helm would refuse to change, since someone set them by hand. */
  readonly taken: readonly TakenField[];
  /** What to type for that. */
  readonly takeBack: readonly string[];
  /** Null: there is no running pod to enter. */
  readonly pod: { readonly uid: string; readonly image: string; readonly ready: boolean } | null;
  readonly drain: Drain | null;
  /** Lines of the manifest that the rollout would change, besides those that name the image. */
  readonly manifestChanges: readonly string[];
  readonly rows: { readonly count: number | null; readonly newest: number | null };
  /** Where those rows are. */
  readonly database: DatabaseState['database'];
  /** The rows that are not done: `demo#23`. */
  readonly open: readonly string[];
  /** Its volume, when none of the nodes that can mount it takes a new pod. */
  readonly volume: {
    readonly name: string;
    /** On the disk of a node: no other node will ever be able to. */
    readonly local: boolean;
    /** Completes "its volume …". */
    readonly stuck: string;
    /** What to do about it. */
    readonly hints: readonly string[];
  } | null;
}

/**
 * @param earlier the unfinished release of this worker, if any
 * @param commandLine how a command is typed, for the hints of a refusal
 * @param records of this machine: they say which releases the earlier one replaced
 */
export function planRelease(
  seen: Seen,
  request: ReleaseRequest,
  earlier: ReleaseRecord | null,
  commandLine: Context['commandLine'],
  records: readonly ReleaseRecord[] = [],
): Plan<StepName> {
  const continued = continues(earlier, request) ? earlier : null;
  const replaced = earlier ?? endedDrained(records, seen.drain);
  const refusal = refusalOf(seen, request, replaced === null ? [] : lineOf(replaced, records), commandLine);
  if (refusal !== null) return refusal;
  if (earlier === null && isThere(seen, request)) {
    if (replaced !== null)
      return {
        kind: 'go',
        steps: ['resume'],
        notes: [`runs ${shortReference(request.image)} already, drained`],
      };
    const why =
      seen.replicas === 0 ? stoppedWith(request.image) : `runs ${shortReference(request.image)} already`;
    return { kind: 'nothing', why };
  }
  const done = (step: StepName) => continued?.done.includes(step) ?? false;
  const imports = importOf(seen, request, earlier) !== null && !done('import');
  if (imports && seen.replicas === 0) {
    return refuse(
      'is stopped, and only a running worker can import its rows',
      `start it first: ${commandLine('start', seen.name)}`,
    );
  }
  if (earlier !== null && request.kind !== 'rollout' && lacksRows(seen, earlier)) {
    const again = commandLine('build-push-rollout', 'rollout', seen.name, '--image', earlier.image);
    return refuse(
      `lacks rows that the release of ${earlier.startedAt} has not imported yet`,
      `go on with that first; it rolls back by itself when it cannot: ${again}`,
    );
  }
  if (seen.replicas === 0) {
    return {
      kind: 'go',
      steps: [...(seen.helm?.pending ? ['repair' as const] : []), 'roll'],
      notes: ['is stopped: the image is set, and runs when the worker is started'],
    };
  }
  const rolled = continued !== null && seen.specImage === request.image && continued.done.includes('roll');
  // After the repair there is a pod again.
  const enterable = seen.pod !== null || seen.helm?.pending === true;
  if (imports && request.importRows && !rolled && !enterable) {
    return refuse(
      'cannot be entered, so it can neither be drained nor backed up before its rows are imported',
      `why: ${commandLine('why', seen.name)}`,
    );
  }
  const steps: StepName[] = [];
  const notes: string[] = [];
  if (seen.volume !== null && !rolled) {
    const { name, local, stuck, hints } = seen.volume;
    const why = `its volume ${name} ${stuck}`;
    if (local) return refuse(`would find no node for its new pod: ${why}`, ...hints);
    notes.push(`${why}: the new pod waits for another node there`);
  }
  // Repairs what an interrupted helm left. A rollback of ours that was interrupted needs no more than that: the roll fixes it.
  if (seen.helm?.pending) steps.push('repair');
  if (request.prepull && request.kind !== 'restart' && !done('prepull') && !rolled) steps.push('prepull');
  if (!rolled && enterable) {
    if (request.drain) steps.push('drain');
    if (!done('backup')) steps.push('backup');
  }
  if (!enterable && !rolled && !done('backup'))
    notes.push('cannot be entered: neither drained nor backed up first');
  if (!rolled || seen.helm?.pending) steps.push('roll');
  steps.push('wait', 'verify');
  if (request.undo?.migration && request.undo.backup !== null) steps.push('restore');
  steps.push('health');
  if (imports) {
    // Somebody may have lifted the drain of a release that was interrupted after its roll.
    if (rolled && seen.pod !== null && seen.drain === null) steps.push('drain');
    steps.push('import');
  } else if (request.importRows && !done('import')) {
    const where = seen.database === 'none' ? 'it has no queue yet' : 'its queue is in PostgreSQL already';
    notes.push(`${where}: nothing is imported`);
  }
  steps.push('resume');
  if (continued !== null)
    notes.push(
      `goes on with the release of ${continued.startedAt}, which stopped at: ${continued.step ?? 'its beginning'}`,
    );
  return { kind: 'go', steps, notes };
}

/**
 * The release whose backup is from just before the queue is imported: `own` is the one that is planned.
 *
 * @returns null when nothing is imported
 */
export function importOf(
  { database }: Pick<Seen, 'database'>,
  request: Pick<ReleaseRequest, 'image' | 'kind' | 'importRows'>,
  earlier: ReleaseRecord | null,
): string | 'own' | null {
  const continued = continues(earlier, request);
  if (earlier !== null && continued && (earlier.imports ?? null) !== null) return earlier.imports;
  if (earlier !== null && lacksRows({ database }, earlier)) return earlier.imports;
  if (!request.importRows) return null;
  // Unknown until Helm's release is repaired.
  const isSqlite = database === 'sqlite' || database === null;
  return isSqlite || (continued && earlier?.backup?.database === 'sqlite') ? 'own' : null;
}

/** Whether the worker was left with the new database, before all rows were added. */
function lacksRows({ database }: Pick<Seen, 'database'>, earlier: ReleaseRecord): boolean {
  return isBeforeImport(earlier) && database !== 'sqlite';
}

/** What a release leaves of a worker that is stopped. */
export function stoppedWith(image: string): string {
  return `is stopped; its next start runs ${shortReference(image)}`;
}

/** Whether the request repeats the unfinished release. */
export function continues(
  earlier: ReleaseRecord | null,
  request: Pick<ReleaseRequest, 'image' | 'kind'>,
): boolean {
  return (
    earlier !== null &&
    earlier.state === 'running' &&
    earlier.image === request.image &&
    earlier.kind === request.kind
  );
}

/** The pod's own spec names the image, the pod is Ready, and no Helm operation is pending. */
function isThere({ helm, specImage, pod, replicas }: Seen, { kind, image }: ReleaseRequest): boolean {
  if (kind === 'restart' || helm?.pending || specImage !== image) return false;
  return replicas === 0 || (pod?.ready === true && pod.image === image);
}

function refusalOf(
  seen: Seen,
  request: ReleaseRequest,
  ours: readonly string[],
  commandLine: Context['commandLine'],
): Refusal | null {
  const { drain, manifestChanges, helm } = seen;
  // The value that the release has as well is no conflict: one pod.
  const taken = seen.taken.filter(({ field }) => field !== 'replicas' || seen.replicas > 1);
  if (taken.length > 0 && request.kind !== 'restart') {
    return refuse(
      `was changed by hand, and Helm would refuse to upgrade it: ${takenText(taken)}`,
      ...seen.takeBack,
    );
  }
  if (drain !== null && drain.release !== null && !ours.includes(drain.release)) {
    return refuseDrained(drain, seen.name, commandLine);
  }
  if (manifestChanges.length > 0 && !request.chartUpgrade && request.kind === 'rollout') {
    const { why, hints } = moreThanTheImage(manifestChanges);
    return refuse(why, ...hints);
  }
  if (helm?.pending && helm.lastDeployed === null) {
    return {
      kind: 'refuse',
      why: 'has a release that was never deployed: its installation was interrupted',
      hints: [
        `uninstall it and install it again, its volume is kept: ${commandLine('retire', seen.name)}, then ${commandLine('provision', seen.name)}`,
      ],
    };
  }
  const refused =
    seen.replicas === 0
      ? (refuseRepair(seen, commandLine) ?? refuseStopped(seen, request, commandLine))
      : null;
  if (refused !== null) return refused;
  const lost = request.undo?.migration ? lostByGoingBack(request.undo.backup, seen) : null;
  if (lost === null) return null;
  const backup = request.undo?.backup;
  return {
    kind: 'refuse',
    why: `cannot undo the migration of ${request.undo?.startedAt}: ${lost}`,
    hints: [
      ...(backup ? [`the backup: ${backup.copy ?? backup.file}`] : []),
      `roll forward instead: ${commandLine('build-push-rollout', 'rollout', seen.name, '--image', 'REFERENCE')}`,
    ],
  };
}

/** Refuses what could begin only with a `helm rollback` that starts a stopped worker: one that `kubectl scale` has stopped. */
function refuseRepair({ name, helm }: Seen, commandLine: Context['commandLine']): Refusal | null {
  if (helm === null || (helm.replicasAgain ?? 0) === 0) return null;
  return refuse(
    `is stopped, and its release is in the middle of an earlier run of Helm: going back to revision ${helm.lastDeployed}, which comes first, would start it`,
    'if that Helm is still at work, wait until it has ended, and type it again',
    `otherwise start it (${commandLine('start', name)} says how to end that run first), and stop it afterwards`,
  );
}

/** Refuses a rollback that would start a stopped worker, or leave it a state that its factory cannot read. */
function refuseStopped(
  { name }: Seen,
  { image, revision, replicas, undo }: ReleaseRequest,
  commandLine: Context['commandLine'],
): Refusal | null {
  const start = `start it first: ${commandLine('start', name)}`;
  if (undo?.migration) {
    return refuse(
      `is stopped, and only a running worker can restore the state from before the migration of ${undo.startedAt}`,
      start,
    );
  }
  if ((replicas ?? 0) === 0) return null;
  return refuse(
    `is stopped, and going back to revision ${revision} would start it`,
    start,
    `or give it the image alone, for its next start: ${commandLine('build-push-rollout', 'rollout', name, '--image', image)}`,
  );
}

/** Why the state before a migration cannot be restored; null when it can, as far as is known. */
function lostByGoingBack(
  backup: Backup | null,
  { rows, database, open }: Pick<Seen, 'rows' | 'database' | 'open'>,
): string | null {
  // A worker that could not be entered has none. The old factory would find a database that it cannot read.
  if (backup === null) return 'there is no backup of the previous state';
  // Only a build for SQLite can have had no database yet.
  const [was, is] = [engineOf(backup.database) ?? 'SQLite', engineOf(database)];
  if (is !== null && is !== was) {
    // The two have nothing in common: what the backup has is all there, and what is over may be left behind.
    if (open.length === 0) return null;
    return `the previous factory keeps its queue in ${was}, this one in ${is}, and open rows are not carried over: ${open.join(', ')}`;
  }
  // The worker itself checks again before it restores anything.
  if (rows.count === null || (rows.count === backup.rows && rows.newest === backup.newest)) return null;
  return `its queue has ${rows.count} rows, the backup has ${backup.rows}, and everything added since would be lost`;
}

/** Refuses because another release, or a command such as `stop`, has drained the worker. */
function refuseDrained(drain: Drain, worker: string, commandLine: Context['commandLine']): Refusal {
  const who = `${drain.by}@${drain.host} since ${drain.since}`;
  if (isLeftBehind(drain)) {
    return {
      kind: 'refuse',
      why: `is drained by ${who}: ${drain.reason}`,
      hints: [resumeHint(drain, worker, commandLine)],
    };
  }
  return {
    kind: 'refuse',
    why: `is drained by another release, started by ${who}`,
    hints: [
      `let it finish, on the machine where it was started; if it is dead: ${commandLine('resume', worker, '--force')}`,
    ],
  };
}

type StateFormat = Pick<Store, 'dialect' | 'schema'>;

/**
 * Whether the factory in the new image migrates the state.
 *
 * @returns a sentence why; null when it reads the state as the old one does
 */
export function migrationOf(old: StateFormat, next: StateFormat): string | null {
  if (old.schema !== null && next.schema !== null && old.schema !== next.schema) {
    return `its factory has schema version ${next.schema}, the worker's database has ${old.schema}`;
  }
  if (old.dialect !== null && next.dialect !== null && old.dialect !== next.dialect) {
    return `its factory speaks dialect ${next.dialect}, the worker's speaks ${old.dialect}`;
  }
  return null;
}

/**
 * The open rows that a release would leave behind: a queue is carried from SQLite to PostgreSQL by `--import` alone, and never
 * back.
 *
 * @param before null when the worker could not be entered
 * @returns a sentence; null when there are none
 */
export function rowsLeftBehind(before: Facts | null, next: Pick<Store, 'postgres'>): string | null {
  const old = storeOf(before).postgres;
  if (before === null || old === null || next.postgres === null || old === next.postgres) return null;
  const open = openItems(before.snapshot).map(itemName);
  const rows = isQueueUnknown(before.snapshot) ? 'rows that cannot be read' : open.join(', ');
  if (rows === '') return null;
  const engine = (postgres: boolean) => (postgres ? 'PostgreSQL' : 'SQLite');
  return `its factory keeps its queue in ${engine(next.postgres)}, the worker’s in ${engine(old)}, and the queue is not carried over: ${rows}`;
}

/**
 * The message and the hints for an image whose factory cannot read the state as it is.
 *
 * @param kind for a rollback, no record on this machine knows of the migration, so there is nothing to restore
 */
export function unreadableState(
  kind: ReleaseRequest['kind'],
  name: string,
  migration: string,
  commandLine: Context['commandLine'],
): [string, { hints: string[] }] {
  if (kind !== 'rollback') {
    return [
      `the new image migrates the state of ${name}: ${migration}`,
      {
        hints: [
          'there is a backup, and a rollback restores it as long as nothing was added: --allow-state-migration',
        ],
      },
    ];
  }
  return [
    `the previous image cannot read the state of ${name}: ${migration}`,
    {
      hints: [
        'the state was migrated by a release that this machine has no record of: nothing would be restored, and an older factory would find a newer database',
        `earlier backups are on the worker: ${commandLine('exec', name, '--', 'ls', '-l', '/root/.factory/worker/backups')}`,
        `fetch one: ${commandLine('cp', `${name}:/root/.factory/worker/backups/FILE`, 'FILE')}`,
        `then roll back anyway, with --allow-state-migration, and restore it: ${commandLine('restore', 'FILE', name)}`,
      ],
    },
  ];
}

/** The refusal of a rollout that would change more than the image; follows the worker's name. */
export function moreThanTheImage(changes: readonly string[]): { why: string; hints: string[] } {
  return chartDrift('would get more than a new image', changes);
}

/** What to do after a failure before, during or after the roll. */
export function afterFailure(step: StepName, changed: boolean): 'lift' | 'roll-back' {
  const before: readonly StepName[] = ['repair', 'prepull', 'drain', 'backup'];
  return before.includes(step) || (step === 'roll' && !changed) ? 'lift' : 'roll-back';
}

export interface Facts {
  /** build.json of the image; null where it has none. */
  readonly build: Build | null;
  readonly state: DatabaseState;
  readonly snapshot: Snapshot;
}

export async function readFacts(
  transport: Transport,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Facts> {
  return parseFacts(await transport.run({ script: 'release-facts', args: [], timeoutMs, signal }));
}

/** @param frame the answer of scripts/remote/release-facts.sh */
export function parseFacts(frame: Frame): Facts {
  return {
    build: parseBuild(frame.parts.get('build')?.text ?? ''),
    state: parseDatabaseState(frame.parts.get('state')?.text ?? ''),
    snapshot: parseSnapshot(frame),
  };
}

function parseBuild(text: string): Build | null {
  try {
    return readJson('build', 'build.json', text);
  } catch {
    return null;
  }
}

/** How a worker's factory stores its state. */
export interface Store {
  /** Null when unknown, for example because factory does not start. */
  readonly dialect: string | null;
  readonly schema: number | null;
  /** Whether it is in PostgreSQL; null when unknown. */
  readonly postgres: boolean | null;
}

/** @param facts null when the worker could not be entered */
export function storeOf(facts: Facts | null): Store {
  const dialect = facts?.snapshot.dialect ?? null;
  return {
    dialect: dialect === null ? null : dialectName(dialect),
    schema: facts?.state.schema ?? null,
    postgres: dialect?.postgres ?? null,
  };
}

/**
 * What is worse in a worker than before the release. Work added meanwhile does not count, nor does what was broken before.
 *
 * @param before null when the worker could not be entered then
 * @returns sentences; empty when nothing is worse
 */
export function worseThan(before: Facts | null, after: Facts): string[] {
  const { snapshot, state } = after;
  const failedBefore = new Set(
    before?.snapshot.boot?.phases.filter(({ status }) => status === 'failed').map(({ name }) => name),
  );
  const phases = (snapshot.boot?.phases ?? [])
    .filter(({ status, name }) => status === 'failed' && !failedBefore.has(name))
    .map(({ name, message }) => `its boot phase ${name} failed: ${message}`);
  const faultsBefore = new Set(before?.snapshot.faults.map(({ part }) => part));
  const faults = snapshot.faults
    .filter(({ part }) => (part === 'queue' || part === 'sessions') && !faultsBefore.has(part))
    .map(({ part, message }) =>
      part === 'queue' ? `factory cannot read its queue: ${message}` : `tmux does not answer: ${message}`,
    );
  const left = new Set(snapshot.queue.map(({ issue }) => issue));
  // Another database begins without rows: what is open is imported afterwards, or was refused (see `rowsLeftBehind`).
  const [was, is] = [engineOf(before?.state.database), engineOf(state.database)];
  const carried = was === null || is === null || was === is;
  const expected = before === null || !carried ? [] : before.snapshot.queue;
  const lost =
    faults.length > 0 ? [] : expected.map(({ issue }) => issue).filter((issue) => !left.has(issue));
  return [
    ...phases,
    ...faults,
    ...(lost.length > 0
      ? [`rows of its queue are gone: ${lost.map((issue) => `#${issue}`).join(', ')}`]
      : []),
    ...(before?.state.integrity === 'ok' && state.integrity !== 'ok'
      ? [`its database is damaged: ${state.integrity ?? 'it is gone'}`]
      : []),
  ];
}

/** Whether the worker has started completely: boot finished, supervisor running, a first heartbeat. */
export function isUp({ snapshot: { boot, locks, heartbeat } }: Facts): boolean {
  const docker = boot?.phases.find(({ name }) => name === 'docker')?.status;
  return boot?.finishedAt != null && locks.boot && heartbeat !== null && docker !== 'running';
}
