/**
 * What to do about issues whose check-in died in the middle of a stage, or between pipeline and row (the worker was
 * restarted, a process killed): the program itself leaves them alone for ever. Only its own verbs are used, as running the
 * program showed them to work; at most twice per attempt of a stage, then the operator gets the cure.
 */
import { accountCause } from '../../../scripts/lib/account.ts';
import type { CheckInAction, ClaudeFailure, Repair, TakenRow } from '../../../scripts/lib/contract.ts';
import type { Dialect, Pipeline, QueueRow } from '../../../scripts/lib/factory.ts';
import type { TmuxSession } from '../effects/effects.ts';
import { tmuxName } from '../effects/tmux.ts';
import type { InTheWay } from './leftovers.ts';
import { type StrayWish, wishOfStray } from './stray-session.ts';
import { addition, fateOfRow } from './taken.ts';
import type { Place } from './tick.ts';

/** Output younger than this means that the agent is still at work, and interrupting it would cost its result. */
const QUIET_SECONDS = 60;
/** What claude still prints after an error. */
const SETTLED_SECONDS = 10;
const MOST_TRIES = 2;
/** How long after its death the tmux server is there again: the supervisor looks every five seconds. */
const TMUX_BACK_SECONDS = 20;

export type RepairAction = Omit<Repair, 'at'>;

export interface LastCheckIn {
  /** RFC 3339; null while it runs. */
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly actions: readonly CheckInAction[];
}

export interface RecoveryInput {
  readonly dialect: Dialect;
  readonly pipelines: readonly Pipeline[];
  readonly rows: readonly QueueRow[];
  readonly sessions: readonly TmuxSession[];
  readonly repairs: readonly Repair[];
  /** Turns that claude ended with an error. */
  readonly failures: readonly ClaudeFailure[];
  /** The row that was taken from the queue last; null when its issue has come to an end. */
  readonly taken: TakenRow | null;
  /** What keeps that row's issue from beginning and is not ours to remove; null when nothing does. */
  readonly inTheWay: InTheWay | null;
  readonly lastCheckIn: LastCheckIn | null;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Where the issue's project has its pipeline.yaml; null when that is not known. */
  placeOf(issue: number): Place | null;
  /** When the issue was dispatched last; empty when that is not on record. */
  dispatchedAt(issue: number): string;
}

export interface Recovery {
  readonly actions: readonly RepairAction[];
  /** Orphans that are left alone for now, one sentence each. */
  readonly waiting: readonly string[];
  /** Orphans that were given up, each with its cure. */
  readonly givenUp: readonly string[];
}

/** To be asked while nobody holds the check-in lock: a pipeline whose check-in runs is no orphan. */
export function planRecovery(input: RecoveryInput): Recovery {
  const actions: RepairAction[] = [];
  const waiting: string[] = [];
  const givenUp: string[] = [];
  for (const pipeline of input.pipelines) {
    const wish = wishOf(pipeline, input);
    if (wish === null) continue;
    if (wish.kind === 'wait') {
      waiting.push(wish.reason);
      continue;
    }
    const { issue, stage, attempt } = pipeline;
    const session = wish.kind === 'end-session' ? wish.session : pipeline.session;
    const past = repairsOf(pipeline, input);
    const tries = past.filter(({ action }) => action !== 'give-up' && !isForAccount(action)).length;
    if (isForAccount(wish.kind) || wish.kind === 'unblock' || tries < MOST_TRIES) {
      actions.push({ issue, stage, attempt, session, action: wish.kind, cure: '' });
      continue;
    }
    const cure = cureOf(wish.kind, { ...pipeline, session }, input.placeOf(issue)?.directory ?? null);
    givenUp.push(`${describeOrphan(pipeline)} again after ${MOST_TRIES} repairs; type: ${cure}`);
    if (!past.some(({ action }) => action === 'give-up')) {
      actions.push({ issue, stage, attempt, session, action: 'give-up', cure });
    }
  }
  if (input.taken !== null) planRow(input.taken, input, { actions, waiting, givenUp });
  return { actions, waiting, givenUp };
}

const ROW_REPAIRS = { 'not-begun': 'requeue', behind: 'remove-row' } as const;

function planRow(
  taken: TakenRow,
  input: RecoveryInput,
  { actions, waiting, givenUp }: { [Kind in keyof Recovery]: Recovery[Kind][number][] },
): void {
  const { issue } = taken;
  const { dialect, repairs, dispatchedAt, placeOf } = input;
  const fate = fateOfRow(taken, input);
  if (fate === 'at-work' || fate === 'settled') return;
  if (fate === 'not-begun' && input.inTheWay !== null) {
    const { says, cure, passes } = input.inTheWay;
    const type = cure || `cleanup --issue ${issue} (on the laptop)`;
    // What passes is worth holding up the queue: the next row that is taken would make us forget this one.
    (passes ? waiting : givenUp).push(`#${issue} cannot begin: ${says}; type: ${type}`);
    return;
  }
  const action = ROW_REPAIRS[fate];
  const nothing = { issue, stage: '', attempt: 0, session: '', cure: '' };
  // Not since the row was added, as for a stage: each of these repairs adds it again.
  const since = Date.parse(dispatchedAt(issue));
  const past = repairs.filter(
    (repair) => repair.issue === issue && repair.stage === '' && !(Date.parse(repair.at) < since),
  );
  if (past.filter((repair) => repair.action === action).length < MOST_TRIES) {
    actions.push({ ...nothing, action });
    return;
  }
  const place = placeOf(issue);
  const there = place === null ? '' : `cd ${shellQuote(place.directory)} && `;
  const add = addition(taken, dialect, place?.project ?? '')
    .map(shellQuote)
    .join(' ');
  const cure = `${there}factory queue remove ${issue}${action === 'requeue' ? `; ${add}` : ''}`;
  givenUp.push(`${describeOrphan({ ...nothing, action })}, again after ${MOST_TRIES} repairs; type: ${cure}`);
  // A row that is behind tells by itself: `why` sees it.
  if (action === 'requeue' && !past.some((repair) => repair.action === 'give-up'))
    actions.push({ ...nothing, action: 'give-up', cure });
}

/** How an orphan came to be one, for people. */
export function describeOrphan({
  issue,
  stage,
  action,
}: Pick<Repair, 'issue' | 'stage'> & { readonly action?: Repair['action'] }): string {
  if (action !== undefined && isForAccount(action))
    return `#${issue} could not work in stage ${stage}, and can now`;
  if (stage !== '') return `#${issue} was interrupted in stage ${stage}`;
  return action === 'remove-row'
    ? `#${issue} is completed, and its row was left active`
    : `#${issue} was taken from the queue and not begun`;
}

type Wish =
  | { readonly kind: 'advance' | 'kill-and-advance' | 'mark-exited' | 'retry' | 'run-again' | 'unblock' }
  | StrayWish
  | null;

/** Repairs of a stage for which claude's account is to blame, however often. */
function isForAccount(action: Repair['action']): boolean {
  return action === 'retry' || action === 'run-again';
}

function wishOf(pipeline: Pipeline, input: RecoveryInput): Wish {
  const { status } = pipeline;
  if (status === 'blocked' || status === 'in_progress') {
    const wish = wishAfterFailure(pipeline, input);
    if (wish !== null) return wish;
  }
  const stray = wishOfStray(pipeline, input, QUIET_SECONDS);
  if (stray !== null) return stray;
  if (status === 'blocked') return wishAfterTmux(pipeline, input);
  return input.dialect.name === 'B' ? wishOfB(pipeline, input) : wishOfA(pipeline, input);
}

/**
 * Of a stage in which claude's account did not work. It works again, or nothing would be planned. Mostly the loop has ended
 * the check-in, and the stage is run again as the same attempt. When `factory` was faster it is blocked, and `pipeline
 * retry`, which counts an attempt, sets it going. Blocked for anything else, it waits for a person.
 */
function wishAfterFailure(pipeline: Pipeline, input: RecoveryInput): Wish {
  const { issue, stage, attempt, status } = pipeline;
  const session = pipeline.session || `${issue}-${stage}-${attempt}`;
  const failure = input.failures.findLast((candidate) => candidate.session === tmuxName(session));
  if (failure === undefined || accountCause(failure.error, failure.text) === null) return null;
  const addedAt = input.rows.find((row) => row.issue === issue)?.addedAt ?? '';
  if (Date.parse(failure.at) < Date.parse(addedAt)) return null;
  const retried = repairsOf(pipeline, input).some(
    ({ action, at }) => isForAccount(action) && !(Date.parse(at) < Date.parse(failure.at)),
  );
  if (retried) return null;
  const alive = findSession(input.sessions, session);
  if (alive !== undefined && alive.attached > 0) {
    return { kind: 'wait', reason: `#${issue} waits until nobody is attached to ${session} any more` };
  }
  // claude itself is silent after an error: somebody has set it going.
  const active =
    alive !== undefined && alive.windowActivity > Date.parse(failure.at) / 1000 + SETTLED_SECONDS;
  if (active && input.now / 1000 - alive.windowActivity < QUIET_SECONDS) {
    return { kind: 'wait', reason: `#${issue} waits: somebody has set ${session} going again` };
  }
  return { kind: status === 'blocked' ? 'retry' : 'run-again' };
}

/**
 * Of a stage that a check-in gave up in the middle of which the tmux server had to be started again: its session was taken
 * away, whatever it says. `pipeline retry` counts an attempt, so that these are counted over all of a stage's attempts.
 */
function wishAfterTmux(pipeline: Pipeline, input: RecoveryInput): Wish {
  const { issue } = pipeline;
  const { lastCheckIn, sessions } = input;
  const gaveUp = lastCheckIn?.actions.some((it) => it.issue === issue && it.action === 'escalate') ?? false;
  if (lastCheckIn === null || !gaveUp) return null;
  // Another check-in would have nothing to say of it.
  if (sessions.length === 0) return { kind: 'wait', reason: `#${issue} waits until tmux is there again` };
  const tmuxSince = Math.min(...sessions.map(({ createdAt }) => createdAt));
  const from = Date.parse(lastCheckIn.startedAt) / 1000;
  const to = Date.parse(lastCheckIn.finishedAt ?? '') / 1000 + TMUX_BACK_SECONDS;
  if (!(from < tmuxSince && tmuxSince <= to)) return null;
  const past = repairsOfStage(pipeline, input).filter(({ action }) => action === 'unblock');
  return past.length < MOST_TRIES ? { kind: 'unblock' } : null;
}

/** A, and `design` after it: `in_progress` without a check-in is skipped for ever; `pipeline advance` runs the stage. */
function wishOfA(pipeline: Pipeline, input: RecoveryInput): Wish {
  const { status, session, sessionState } = pipeline;
  const alive = findSession(input.sessions, session);
  // An `advance` that fails leaves it pending, and a check-in waits for the session that it believes in.
  if (status === 'pending' && alive === undefined && session !== '' && BELIEVED_AT_WORK.has(sessionState)) {
    return { kind: 'mark-exited' };
  }
  if (status !== 'in_progress') return null;
  // `advance` alone fails with "session already exists" and blocks the pipeline.
  return alive === undefined
    ? { kind: 'advance' }
    : wishWhenQuiet(pipeline, alive, input.now, 'kill-and-advance');
}

/** Of a session that is alive without its check-in: an agent that is still at work is not interrupted. */
function wishWhenQuiet(
  { issue, session }: Pipeline,
  alive: TmuxSession,
  now: number,
  kind: 'kill-and-advance' | 'mark-exited',
): Wish {
  if (alive.attached > 0) {
    return { kind: 'wait', reason: `#${issue} waits until nobody is attached to ${session} any more` };
  }
  const quiet = Math.max(0, Math.floor(now / 1000) - alive.windowActivity);
  if (quiet >= QUIET_SECONDS) return { kind };
  return {
    kind: 'wait',
    reason: `#${issue} was interrupted, but ${session} is still at work: it is taken over after ${QUIET_SECONDS} quiet seconds`,
  };
}

/** States in which the program believes that a session is at work; with the tmux session gone it waits for it in vain. */
export const BELIEVED_AT_WORK = new Set(['started', 'active', 'factory_send', 'steer', 'human_input']);

/** States of a session whose agent has no prompt yet, or has not heard it; when the check-in died then, it never will. */
const BEFORE_PROMPT = new Set(['started', 'factory_send']);

/** B runs an interrupted stage again by itself, unless it believes in a session that is dead, or that nobody talks to. */
function wishOfB(pipeline: Pipeline, { sessions, now }: RecoveryInput): Wish {
  const { status, session, sessionState } = pipeline;
  if (status !== 'in_progress' && status !== 'pending') return null;
  if (session === '' || !BELIEVED_AT_WORK.has(sessionState)) return null;
  const alive = findSession(sessions, session);
  if (alive === undefined) return { kind: 'mark-exited' };
  // Typed at by a person, it is theirs.
  const agentGone = alive.bareShell && sessionState !== 'human_input';
  return BEFORE_PROMPT.has(sessionState) || agentGone
    ? wishWhenQuiet(pipeline, alive, now, 'mark-exited')
    : null;
}

export function findSession(sessions: readonly TmuxSession[], session: string): TmuxSession | undefined {
  return session === '' ? undefined : sessions.find(({ name }) => name === tmuxName(session));
}

/** Repairs of this attempt of this stage. */
function repairsOf(pipeline: Pipeline, input: RecoveryInput): Repair[] {
  return repairsOfStage(pipeline, input).filter(({ attempt }) => attempt === pipeline.attempt);
}

/** Older ones belong to an earlier life of the same issue number. */
function repairsOfStage({ issue, stage }: Pipeline, { repairs, rows }: RecoveryInput): Repair[] {
  const addedAt = rows.find((row) => row.issue === issue)?.addedAt ?? '';
  return repairs.filter(
    (repair) =>
      repair.issue === issue && repair.stage === stage && !(Date.parse(repair.at) < Date.parse(addedAt)),
  );
}

/** What the operator types into a shell of the worker; every verb as it was found to work. */
function cureOf(kind: RepairAction['action'], pipeline: Pipeline, directory: string | null): string {
  const { issue, session } = pipeline;
  const there = directory === null ? '' : `cd ${shellQuote(directory)} && `;
  const giveUp = `${there}factory pipeline fail ${issue}`;
  if (kind === 'mark-exited') {
    return `${there}${markExited(pipeline).map(shellQuote).join(' ')}   (or, to let the queue go on without it: ${giveUp})`;
  }
  const killing = `tmux kill-session -t ${shellQuote(`=${tmuxName(session)}`)}`;
  if (kind === 'end-session') return `${killing}   (or, to let the queue go on without it: ${giveUp})`;
  const kill = kind === 'kill-and-advance' ? `${killing}; ` : '';
  return `${kill}${there}factory pipeline advance ${issue}   (or, to let the queue go on without it: ${giveUp})`;
}

/** The call that tells B that a session is gone. */
export function markExited({
  session,
  issue,
  stage,
}: Pick<Pipeline, 'session' | 'issue' | 'stage'>): [string, ...string[]] {
  return [
    'factory',
    'event',
    'log',
    '--session',
    session,
    '--issue',
    `${issue}`,
    '--stage',
    stage,
    '--event',
    'exited',
  ];
}

/** A word as a person types it: quoted only where it has to be. */
function shellQuote(word: string): string {
  // Not with `=` in front: zsh takes `=ls` for the path of ls.
  const plain = /^[\w@%+:,./-][\w@%+=:,./-]*$/.test(word);
  return plain ? word : ["'", word.replaceAll("'", "'\\''"), "'"].join('');
}
