/**
 * Decides what to do about issues whose check-in died in the middle of a stage, or between pipeline and row (the worker was
 * restarted, a process killed): the program itself never touches them again. Only its own commands are used, as tests of the
 * program showed them to work; at most twice per attempt of a stage, then the operator is told what to type.
 */
import { accountCause } from '../../../scripts/lib/account.ts';
import type { ClaudeFailure, Repair, TakenRow } from '../../../scripts/lib/contract.ts';
import type { Dialect, Pipeline, QueueRow } from '../../../scripts/lib/factory.ts';
import type { TmuxSession } from '../effects/effects.ts';
import { tmuxName } from '../effects/tmux.ts';
import type { InTheWay } from './leftovers.ts';
import { decideStray, type StrayDecision } from './stray-session.ts';
import { addition, fateOfRow } from './taken.ts';
import type { LastCheckIn, Place } from './view.ts';

/** Output younger than this means that the agent is still at work; interrupting it would lose its result. */
const QUIET_SECONDS = 60;
/** Output this soon after an error still belongs to the error. */
const SETTLED_SECONDS = 10;
const MOST_TRIES = 2;
/** How soon the tmux server is restarted after its death: the supervisor looks every five seconds. */
const TMUX_BACK_SECONDS = 20;
/** How a PostgreSQL build says that it could not use its database; not every message with that word, a project may have one. */
const NAMES_DATABASE =
  /\b(ping database|SQLSTATE|failed to connect to|the database system is|terminating connection|conn closed|unexpected EOF)\b/;

export type RepairAction = Omit<Repair, 'at'>;

export interface RecoveryInput {
  readonly dialect: Dialect;
  readonly pipelines: readonly Pipeline[];
  readonly rows: readonly QueueRow[];
  readonly sessions: readonly TmuxSession[];
  readonly repairs: readonly Repair[];
  /** Turns of claude that ended with an error. */
  readonly failures: readonly ClaudeFailure[];
  /** The rows that were taken from the queue, whose issues have not ended. */
  readonly taken: readonly TakenRow[];
  /** What keeps an issue of theirs from starting and must not be removed by us, by its number. */
  readonly inTheWay: ReadonlyMap<number, InTheWay>;
  readonly lastCheckIn: LastCheckIn | null;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Where the issue's project has its pipeline.yaml; null when that is not known. */
  placeOf(issue: number): Place | null;
  /** When the issue was last dispatched; empty when that is not recorded. */
  dispatchedAt(issue: number): string;
}

export interface Recovery {
  readonly actions: readonly RepairAction[];
  /** Orphans that are left alone for now, one sentence each. */
  readonly waiting: readonly string[];
  /** Orphans that were given up, each with its cure. */
  readonly givenUp: readonly string[];
}

/** Only valid while the check-in lock is free: a pipeline whose check-in runs is not an orphan. */
export function planRecovery(input: RecoveryInput): Recovery {
  const actions: RepairAction[] = [];
  const waiting: string[] = [];
  const givenUp: string[] = [];
  for (const pipeline of input.pipelines) {
    const decision = decide(pipeline, input);
    if (decision === null) continue;
    if (decision.kind === 'wait') {
      waiting.push(decision.reason);
      continue;
    }
    const { issue, stage, attempt } = pipeline;
    const session = decision.kind === 'end-session' ? decision.session : pipeline.session;
    const past = repairsOf(pipeline, input);
    const tries = past.filter(({ action }) => action !== 'give-up' && !isForAccount(action)).length;
    if (isForAccount(decision.kind) || decision.kind === 'unblock' || tries < MOST_TRIES) {
      actions.push({ issue, stage, attempt, session, action: decision.kind, cure: '' });
      continue;
    }
    const cure = cureOf(decision.kind, { ...pipeline, session }, input.placeOf(issue)?.directory ?? null);
    givenUp.push(`${describeOrphan(pipeline)} again after ${MOST_TRIES} repairs; type: ${cure}`);
    if (!past.some(({ action }) => action === 'give-up')) {
      actions.push({ issue, stage, attempt, session, action: 'give-up', cure });
    }
  }
  for (const row of input.taken) planRow(row, input, { actions, waiting, givenUp });
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
  const obstacle = input.inTheWay.get(issue);
  if (fate === 'not-begun' && obstacle !== undefined) {
    const { says, cure, passes } = obstacle;
    const type = cure || `cleanup --issue ${issue} (on the laptop)`;
    // For something temporary the queue waits, so that its order stays.
    (passes ? waiting : givenUp).push(`#${issue} cannot begin: ${says}; type: ${type}`);
    return;
  }
  const action = ROW_REPAIRS[fate];
  const nothing = { issue, stage: '', attempt: 0, session: '', cure: '' };
  // Counted since the dispatch, not since the row was added as for a stage: each of these repairs adds the row again.
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
  // A row that is behind needs no record: `why` finds it.
  if (action === 'requeue' && !past.some((repair) => repair.action === 'give-up'))
    actions.push({ ...nothing, action: 'give-up', cure });
}

/** Describes how an orphan became one. */
export function describeOrphan({
  issue,
  stage,
  action,
}: Pick<Repair, 'issue' | 'stage'> & { readonly action?: Repair['action'] }): string {
  if (action !== undefined && isForAccount(action))
    return `#${issue} could not work in stage ${stage}, and can now`;
  if (action === 'run-triage') return `the triage of #${issue} was interrupted in stage ${stage}`;
  if (stage !== '') return `#${issue} was interrupted in stage ${stage}`;
  return action === 'remove-row'
    ? `#${issue} is completed, and its row was left active`
    : `#${issue} was taken from the queue and not begun`;
}

type Decision =
  | { readonly kind: 'advance' | 'kill-and-advance' | 'mark-exited' | 'retry' | 'run-again' | 'unblock' }
  | StrayDecision
  | null;

/** Repairs after a failure of claude's account: their number is not limited. */
function isForAccount(action: Repair['action']): boolean {
  return action === 'retry' || action === 'run-again';
}

function decide(pipeline: Pipeline, input: RecoveryInput): Decision {
  const { status } = pipeline;
  if (status === 'blocked' || status === 'in_progress') {
    const decision = decideAfterFailure(pipeline, input);
    if (decision !== null) return decision;
  }
  const stray = decideStray(pipeline, input, QUIET_SECONDS);
  if (stray !== null) return stray;
  if (status === 'blocked') return decideAfterOutage(pipeline, input) ?? decideAfterTmux(pipeline, input);
  return input.dialect.name === 'B' ? decideForB(pipeline, input) : decideForA(pipeline, input);
}

/**
 * For a stage in which claude's account did not work. It works again, or nothing would be planned. Usually the loop has ended
 * the check-in, and the stage runs again as the same attempt. When `factory` was faster the stage is blocked, and `pipeline
 * retry`, which counts an attempt, restarts it. When it is blocked for any other reason, it waits for a person.
 */
function decideAfterFailure(pipeline: Pipeline, input: RecoveryInput): Decision {
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
    return { kind: 'wait', reason: `#${issue} waits until no one is attached to ${session}` };
  }
  // claude itself is silent after an error, so a person has resumed it.
  const active =
    alive !== undefined && alive.windowActivity > Date.parse(failure.at) / 1000 + SETTLED_SECONDS;
  if (active && input.now / 1000 - alive.windowActivity < QUIET_SECONDS) {
    return { kind: 'wait', reason: `#${issue} waits: someone has resumed ${session}` };
  }
  return { kind: status === 'blocked' ? 'retry' : 'run-again' };
}

/** What the last check-in said when it gave an issue up; null when it did not. */
function reasonGivenUp({ lastCheckIn }: RecoveryInput, issue: number): string | null {
  const gaveUp = lastCheckIn?.actions.find((it) => it.issue === issue && it.action === 'escalate');
  return gaveUp === undefined ? null : (gaveUp.message ?? '');
}

/** `pipeline retry` counts an attempt, so this repair is counted over all attempts of a stage. */
function mayUnblock(pipeline: Pipeline, input: RecoveryInput): boolean {
  const past = repairsOfStage(pipeline, input).filter(({ action }) => action === 'unblock');
  return past.length < MOST_TRIES;
}

/** For a stage that a check-in gave up while its database was gone. It is back, or nothing would be planned. */
function decideAfterOutage(pipeline: Pipeline, input: RecoveryInput): Decision {
  const { issue, stage, attempt } = pipeline;
  const reason = reasonGivenUp(input, issue);
  if (!input.dialect.postgres || reason === null || !NAMES_DATABASE.test(reason)) return null;
  if (!mayUnblock(pipeline, input)) return null;
  const session = pipeline.session || `${issue}-${stage}-${attempt}`;
  const alive = findSession(input.sessions, session);
  return alive === undefined
    ? { kind: 'unblock' }
    : decideWhenQuiet({ ...pipeline, session }, alive, input.now, 'unblock');
}

/**
 * For a stage that a check-in gave up while the tmux server had to be restarted: its session was lost, whatever the reported
 * reason.
 */
function decideAfterTmux(pipeline: Pipeline, input: RecoveryInput): Decision {
  const { issue } = pipeline;
  const { lastCheckIn, sessions } = input;
  if (lastCheckIn === null || reasonGivenUp(input, issue) === null) return null;
  // Another check-in would overwrite the record of this one.
  if (sessions.length === 0) return { kind: 'wait', reason: `#${issue} waits until tmux is there again` };
  const tmuxSince = Math.min(...sessions.map(({ createdAt }) => createdAt));
  const from = Date.parse(lastCheckIn.startedAt) / 1000;
  const to = Date.parse(lastCheckIn.finishedAt ?? '') / 1000 + TMUX_BACK_SECONDS;
  if (!(from < tmuxSince && tmuxSince <= to)) return null;
  return mayUnblock(pipeline, input) ? { kind: 'unblock' } : null;
}

/** A and `design`: `in_progress` without a check-in is skipped for ever; `pipeline advance` runs the stage. */
function decideForA(pipeline: Pipeline, input: RecoveryInput): Decision {
  const { status, session, sessionState } = pipeline;
  const alive = findSession(input.sessions, session);
  // An `advance` that fails leaves it pending, and a check-in waits for the session that it believes to be alive.
  if (status === 'pending' && alive === undefined && session !== '' && BELIEVED_AT_WORK.has(sessionState)) {
    return { kind: 'mark-exited' };
  }
  if (status !== 'in_progress') return null;
  // `advance` alone fails with "session already exists" and blocks the pipeline.
  return alive === undefined
    ? { kind: 'advance' }
    : decideWhenQuiet(pipeline, alive, input.now, 'kill-and-advance');
}

/** For a session that is alive without its check-in: an agent that is still at work is not interrupted. */
function decideWhenQuiet(
  { issue, session }: Pipeline,
  alive: TmuxSession,
  now: number,
  kind: 'kill-and-advance' | 'mark-exited' | 'unblock',
): Decision {
  if (alive.attached > 0) {
    return { kind: 'wait', reason: `#${issue} waits until no one is attached to ${session}` };
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

/** States of a session whose agent has not received its prompt yet; if the check-in died then, it never will. */
const BEFORE_PROMPT = new Set(['started', 'factory_send']);

/** B runs an interrupted stage again by itself, unless it believes a dead session to be alive, or one without a prompt. */
function decideForB(pipeline: Pipeline, { sessions, now }: RecoveryInput): Decision {
  const { status, session, sessionState } = pipeline;
  if (status !== 'in_progress' && status !== 'pending') return null;
  if (session === '' || !BELIEVED_AT_WORK.has(sessionState)) return null;
  const alive = findSession(sessions, session);
  if (alive === undefined) return { kind: 'mark-exited' };
  // A human-driven session is left to the person.
  const agentGone = alive.bareShell && sessionState !== 'human_input';
  return BEFORE_PROMPT.has(sessionState) || agentGone
    ? decideWhenQuiet(pipeline, alive, now, 'mark-exited')
    : null;
}

export function findSession(sessions: readonly TmuxSession[], session: string): TmuxSession | undefined {
  return session === '' ? undefined : sessions.find(({ name }) => name === tmuxName(session));
}

/** Repairs of this attempt of this stage. */
function repairsOf(pipeline: Pipeline, input: RecoveryInput): Repair[] {
  return repairsOfStage(pipeline, input).filter(({ attempt }) => attempt === pipeline.attempt);
}

/** Older ones belong to an earlier dispatch of the same issue number. */
function repairsOfStage({ issue, stage }: Pipeline, { repairs, rows }: RecoveryInput): Repair[] {
  const addedAt = rows.find((row) => row.issue === issue)?.addedAt ?? '';
  return repairs.filter(
    (repair) =>
      repair.issue === issue && repair.stage === stage && !(Date.parse(repair.at) < Date.parse(addedAt)),
  );
}

/** What the operator types into a shell of the worker; each command was tested with the program. */
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

/** The command that tells B that a session is gone. */
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

/** Quotes a word for the shell, only where necessary. */
function shellQuote(word: string): string {
  // A leading `=` is quoted: zsh expands `=ls` to the path of ls.
  const plain = /^[\w@%+:,./-][\w@%+=:,./-]*$/.test(word);
  return plain ? word : ["'", word.replaceAll("'", "'\\''"), "'"].join('');
}
