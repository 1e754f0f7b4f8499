/** Decides what the orchestrator loop does next: a pure function of what it observes. */
import { describeHold } from '../../../scripts/lib/account.ts';
import { type Database, ORCHESTRATOR_OFF } from '../../../scripts/lib/contract.ts';
import {
  type Dialect,
  isLive,
  type Pipeline,
  projectName,
  projectOf,
  type QueueRow,
} from '../../../scripts/lib/factory.ts';
import type { Clone } from '../clones/clones.ts';
import type { LostIntent } from './intent.ts';
import type { OpenWork } from './open-work.ts';
import { planRecovery, type RepairAction } from './recovery.ts';
import { recoverTriage } from './triage.ts';
import type { Place, Standing, Store, View } from './view.ts';

export type Tick =
  | {
      readonly kind: 'rest';
      readonly state: 'waiting' | 'drained' | 'refused';
      readonly reason: string | null;
    }
  /** Wait for the check-in that is under way. */
  | { readonly kind: 'adopt' }
  | { readonly kind: 'give-intent'; readonly lost: LostIntent }
  | { readonly kind: 'fetch-text'; readonly issue: number; readonly place: Place }
  | { readonly kind: 'repair'; readonly repair: RepairAction; readonly place: Place }
  | {
      readonly kind: 'check-in';
      readonly place: Place;
      /** The issue whose stage it runs; null when it takes a row. A check-in of A may run stages of other issues, too. */
      readonly issue: number | null;
      /** The row that is about to be taken from the queue: the main checkout is brought up to date first. */
      readonly takes: QueueRow | null;
      /** Shown in the heartbeat afterwards: a problem that the check-in does not solve. */
      readonly warning: string | null;
    };

function refuse(reason: string): Tick {
  return { kind: 'rest', state: 'refused', reason };
}

function wait(reason: string | null): Tick {
  return { kind: 'rest', state: 'waiting', reason };
}

/** The decisions that do not need the store of `factory`; null when it has to be read. */
export function planWithoutStore(standing: Standing): Tick | null {
  const { settings, drained, checkInRunning, toolsMissing, obstacle, account, dialect, database, clones } =
    standing;
  if (checkInRunning) return { kind: 'adopt' };
  if (drained !== null) return { kind: 'rest', state: 'drained', reason: drained };
  if (!settings.orchestrator.enabled) {
    return refuse(ORCHESTRATOR_OFF);
  }
  if (toolsMissing !== null) return refuse(toolsMissing);
  if (obstacle !== null) return refuse(obstacle);
  if (account !== null) return refuse(describeHold(account));
  if (database.state !== 'ready') return refuse(describeDatabase(database));
  if (dialect !== null && dialect.postgres === (database.kind === 'sqlite')) {
    // Its programs and sessions have the environment that they were started with.
    const keeps = dialect.postgres ? 'PostgreSQL' : 'SQLite';
    return refuse(
      `factory was replaced by a build that keeps its state in ${keeps}: restart the worker, or put the other build back`,
    );
  }
  if (!clones.some(({ state }) => state === 'ready')) {
    return wait(
      clones.length === 0
        ? 'no project yet: dispatch with --clone owner/name adds one'
        : `no project is ready: ${clones.map(({ name, message }) => `${name}: ${message}`).join('; ')}`,
    );
  }
  return null;
}

function describeDatabase({ state, says }: Database): string {
  const what = state === 'starting' ? 'is starting' : 'cannot be used';
  return `the database ${what}${says === undefined ? '' : `: ${says}`}`;
}

export function planTick(view: View): Tick {
  const early = planWithoutStore(view);
  if (early !== null) return early;
  const { store, dialect } = view;
  if (typeof store === 'string') return refuse(store);
  if (dialect === null)
    return refuse(
      'factory does not start, so it cannot be asked for work; to see why: factory queue add --help',
    );

  // Before any repair, which may run a stage as well.
  const [lost] = view.lostIntents;
  if (lost !== undefined) return { kind: 'give-intent', lost };
  const [textless] = view.withoutText;
  if (textless !== undefined)
    return inPlaceOf(textless, view, store, (place) => ({ kind: 'fetch-text', issue: textless, place }));
  const recovery = planRecovery({
    ...store,
    dialect,
    repairs: view.repairs,
    failures: view.failures,
    taken: view.taken,
    inTheWay: view.inTheWay,
    lastCheckIn: view.lastCheckIn,
    now: view.now,
    placeOf: (issue) => {
      const place = placeOf(issue, view, store);
      return typeof place === 'string' ? null : place;
    },
    dispatchedAt: (issue) => view.dispatches.findLast((record) => record.issue === issue)?.at ?? '',
  });
  // A row does not block other work, so its repair does not wait for the clone of its issue.
  const repair = recovery.actions.find(
    ({ stage, issue }) => stage !== '' || typeof placeOf(issue, view, store) !== 'string',
  );
  if (repair !== undefined)
    return inPlaceOf(repair.issue, view, store, (place) => ({ kind: 'repair', repair, place }));
  const [orphan] = recovery.waiting;
  if (orphan !== undefined) return wait(orphan);
  const triage = planTriage(view, store);
  if (triage !== null && typeof triage !== 'string') return triage;
  const warning = recovery.givenUp[0] ?? triage;

  const live = liveOne(store.pipelines, dialect);
  if (live !== undefined) {
    return inPlaceOf(live.issue, view, store, (place) => ({
      kind: 'check-in',
      place,
      issue: live.issue,
      takes: null,
      warning,
    }));
  }
  const pending = store.rows.filter(({ status }) => status === 'pending');
  const next = nextRow(pending, store.rows);
  if (next === undefined) {
    const reason =
      pending.length === 0
        ? warning
        : `every issue in the queue waits for another one: ${pending.map(describeDependency).join(', ')}`;
    const place = inTurn(view);
    return place === null
      ? wait(reason)
      : { kind: 'check-in', place, issue: null, takes: null, warning: warning ?? reason };
  }
  return inPlaceOf(next.issue, view, store, (place) => ({
    kind: 'check-in',
    place,
    issue: null,
    takes: next,
    warning,
  }));
}

/**
 * The pipeline that the next check-in is for. B handles only the lowest number; A goes through all live ones, each with the
 * configuration of the directory it is called in, so one that can proceed comes before one that is blocked.
 */
function liveOne(pipelines: readonly Pipeline[], dialect: Dialect): Pipeline | undefined {
  const live = pipelines.filter(isLive).toSorted((a, b) => a.issue - b.issue);
  if (dialect.name === 'B') return live[0];
  return live.find(({ status }) => status !== 'blocked') ?? live[0];
}

/**
 * The row that the program will take, whatever directory it is called in: the first pending one whose dependencies are
 * done. A dependency that is not in the queue counts as done; one that failed never does.
 */
function nextRow(pending: readonly QueueRow[], rows: readonly QueueRow[]): QueueRow | undefined {
  const unfinished = (issue: number, namespace: string) =>
    rows.some((row) => row.issue === issue && row.namespace === namespace && row.status !== 'completed');
  return pending
    .toSorted((a, b) => a.position - b.position)
    .find((row) => !row.dependsOn.some((issue) => unfinished(issue, row.namespace)));
}

/** @returns the repair of a triage; a string: why one is not repaired any more */
function planTriage({ openWork, clones, repairs, now }: View, { sessions }: Store): Tick | string | null {
  let givenUp: string | null = null;
  for (const work of openWork) {
    const place = placeOfWork(work, clones);
    if (place === null || work.triage === undefined) continue;
    const { directory } = place;
    const found = recoverTriage(work.triage, { sessions, repairs, directory, now });
    if (found !== null && typeof found !== 'string') return { kind: 'repair', repair: found, place };
    givenUp ??= found;
  }
  return givenUp;
}

/** Where there is work besides the queue: each place in turn, since work that is stuck in one stays open for ever. */
function inTurn({ openWork, clones, now, settings }: View): Place | null {
  const places = openWork.map((work) => placeOfWork(work, clones)).filter((place) => place !== null);
  const turn = Math.floor(now / 1000 / settings.orchestrator.intervalSeconds);
  return places[turn % places.length] ?? null;
}

/** @returns the clone of work besides the queue; null when it is not ready */
function placeOfWork({ repo, directory }: OpenWork, clones: readonly Clone[]): Place | null {
  const clone = clones.find((candidate) =>
    repo === ''
      ? `${directory}/`.startsWith(`${candidate.directory}/`)
      : candidate.name === projectName(repo),
  );
  return clone?.state === 'ready' ? { project: clone.name, directory: clone.directory } : null;
}

function describeDependency({ issue, dependsOn }: QueueRow): string {
  return `#${issue} for ${dependsOn.map((other) => `#${other}`).join(' and ')}`;
}

/**
 * Continues in the issue's own clone, or says why that is not possible. Never in another one: A would start the issue in
 * whichever repository it is called in.
 */
function inPlaceOf(issue: number, view: View, store: Store, then: (place: Place) => Tick): Tick {
  const place = placeOf(issue, view, store);
  return typeof place === 'string' ? wait(place) : then(place);
}

/** @returns a string: why its project is not available */
export function placeOf(
  issue: number,
  { dispatches, clones, reposDir }: Pick<View, 'dispatches' | 'clones' | 'reposDir'>,
  { rows }: Pick<Store, 'rows'>,
): Place | string {
  const row = rows.find((candidate) => candidate.issue === issue);
  const projects = clones.map(({ name }) => name);
  const project = projectOf(issue, row, { dispatches, projects, reposDir });
  if (project === null) {
    return `the project of #${issue} is not recorded: queue it again with dispatch (--requeue), naming the project`;
  }
  const clone = clones.find(({ name }) => name === project);
  if (clone === undefined)
    return `#${issue} belongs to ${project}, which has no clone here: dispatch with --clone owner/${project}`;
  if (clone.state !== 'ready') return `#${issue} waits for the clone of ${project}: ${clone.message}`;
  return { project, directory: clone.directory };
}

/** Actions after which there may be more to do immediately; the others (skip, steer, rate_limited …) need time or a person. */
const MOVING = new Set(['queue_started', 'advanced', 'completed', 'retry', 'failed', 'fail', 'routed']);

/**
 * Whether to look again at once. The actions alone are not enough: B answers `completed` for ever about an issue whose number
 * another project has used, so the store must have changed as well.
 */
export function hasMoved(
  actions: readonly { readonly action: string }[],
  before: Store | string,
  after: Store | string,
): boolean {
  return actions.some(({ action }) => MOVING.has(action)) && fingerprint(before) !== fingerprint(after);
}

function fingerprint(store: Store | string): string {
  return typeof store === 'string' ? store : JSON.stringify([store.pipelines, store.rows]);
}
