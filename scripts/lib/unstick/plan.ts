/**
 * What sets a stuck issue going again, or gives it up, in the dialect of the worker's program: only verbs that were seen to
 * work on the real one (contract of the program, §4). Pure.
 */
import { describeHold } from '../account.ts';
import { isBehind, type Pipeline } from '../factory.ts';
import type { Go, Mark, StepText } from '../plan.ts';
import { accountHold, waitsForAccount } from '../worker/account.ts';
import { clearing, type InTheWay } from '../worker/in-the-way.ts';
import type { QueueItem, Snapshot } from '../worker/snapshot.ts';

export type StepName = 'kill-session' | 'exited' | 'await' | 'retry' | 'advance' | 'fail' | 'cleanup';

/** The worker runs the steps of a plan together, under its lock: a step has what scripts/remote/unstick.sh takes for it. */
export interface Step extends StepText<StepName> {
  readonly argument: string;
}

/** What scripts/remote/unstick.sh is asked for. */
export interface UnstickRequest {
  /** Who asks, for the record on the worker: `user@host`. */
  readonly by: string;
  readonly issue: number;
  /** Name of the clone that the steps are done in; empty when the worker has none. */
  readonly project: string;
  /** When the issue stands otherwise by now, nothing is done. */
  readonly standing: string;
  /** `kill-session NAME`, `exited SESSION STAGE`, `await`, `retry`, `advance`, `fail` or `cleanup`. */
  readonly steps: readonly string[];
}

export interface Plan extends Go<Step> {
  /** What is wrong, in one sentence. */
  readonly because: string;
  /** `status stage attempt`, which must still hold when the steps are done; null when there is no pipeline. */
  readonly standing: string;
  /** What has to be true afterwards. */
  readonly goal: 'working' | 'given-up' | 'forgotten';
  /** Someone is attached to a session that is going to be ended. */
  readonly attached: string | null;
}

/** Nothing is done, and why; `next` names other commands by their name and arguments. */
export interface NoPlan {
  readonly kind: 'nothing';
  readonly because: string;
  /** Whether that is as it should be, so that typing it twice is no failure. */
  readonly fine: boolean;
  readonly next: readonly Advice[];
}

export interface Advice {
  readonly why: string;
  readonly command: readonly [name: string, ...args: string[]];
}

export interface Wish {
  readonly issue: number;
  readonly worker: string;
  /** End the work on it, so that the queue goes on. */
  readonly giveUp: boolean;
}

/**
 * @param human whether factory takes the issue's session for driven by a person, and so leaves the issue alone
 * @param way what keeps an issue without a pipeline from beginning; null when nothing does
 */
export function planUnstick(
  snapshot: Snapshot,
  wish: Wish,
  human = false,
  way: InTheWay | null = null,
): Plan | NoPlan {
  const { issue, worker } = wish;
  const pipeline = snapshot.pipelines.find((candidate) => candidate.issue === issue);
  const row = snapshot.queue.find((candidate) => candidate.issue === issue);
  if (pipeline === undefined) return planRow(snapshot, row, wish, way);
  switch (pipeline.status) {
    case 'completed':
      if (row !== undefined && isBehind(row, snapshot.pipelines)) {
        return nothing(`#${issue} is completed; only its row in the queue still says active`, true, [
          { why: 'take the row out', command: ['queue', worker, 'remove', `${issue}`] },
        ]);
      }
      return row !== undefined && (row.status === 'pending' || row.status === 'active')
        ? planForget(pipeline, row)
        : nothing(`#${issue} is completed`, true, [
            { why: 'run it again', command: ['queue', worker, 'requeue', `${issue}`] },
          ]);
    case 'failed':
      return nothing(`#${issue} has failed, and holds nobody up`, true, [
        { why: 'run it again', command: ['queue', worker, 'requeue', `${issue}`] },
      ]);
    default:
      return wish.giveUp ? planGiveUp(snapshot, pipeline) : planRetry(snapshot, pipeline, wish, human);
  }
}

function planRow(
  snapshot: Snapshot,
  row: QueueItem | undefined,
  { issue, worker }: Wish,
  way: InTheWay | null,
): NoPlan {
  if (row === undefined) {
    return nothing(`there is no #${issue} on ${worker}, neither in its queue nor begun`, false, [
      { why: 'what there is', command: ['queue', worker, 'list'] },
    ]);
  }
  const requeue: Advice = { why: 'run it again', command: ['queue', worker, 'requeue', `${issue}`] };
  if (row.status !== 'pending') {
    const because =
      row.status === 'failed'
        ? `#${issue} failed before its work began`
        : `#${issue} is ${row.status} and has no pipeline`;
    if (way === null) return nothing(because, false, [requeue]);
    const clear: Advice = { why: 'clear the way first', command: clearing(worker, issue, way.cure) };
    return nothing(`${because}; in its way: ${way.says}`, false, [clear, requeue]);
  }
  const failed = row.dependsOn.find((other) =>
    snapshot.queue.some(
      (item) => item.issue === other && item.namespace === row.namespace && item.status === 'failed',
    ),
  );
  if (failed !== undefined) {
    return nothing(`#${issue} waits for #${failed}, which has failed`, false, [
      { why: `run #${failed} again`, command: ['queue', worker, 'requeue', `${failed}`] },
      { why: 'do without it', command: ['queue', worker, 'remove', `${failed}`] },
    ]);
  }
  const blocked = snapshot.pipelines.find(({ status }) => status === 'blocked');
  if (blocked !== undefined) {
    return nothing(`#${issue} waits in the queue behind #${blocked.issue}, which is blocked`, false, [
      { why: 'that one first', command: ['unstick', worker, `${blocked.issue}`] },
    ]);
  }
  return nothing(`#${issue} has not begun: it waits in the queue`, true, [
    { why: 'what keeps the worker from it', command: ['why', worker] },
  ]);
}

function planRetry(snapshot: Snapshot, pipeline: Pipeline, { worker }: Wish, human: boolean): Plan | NoPlan {
  const { issue, status, stage, session } = pipeline;
  const look: Advice = { why: 'look at it', command: ['why', worker] };
  if (!snapshot.locks.boot) {
    return nothing(
      `no supervisor runs in ${worker}: its next start takes up what was interrupted, and nothing goes on before`,
      false,
      [look],
    );
  }
  const hold = accountHold(snapshot);
  // Set going now, it would only lose another attempt.
  if (hold !== null && waitsForAccount(snapshot, pipeline)) {
    return nothing(`#${issue} is run again by itself; until then: ${describeHold(hold)}`, true, [look]);
  }
  const gone = session !== '' && !snapshot.sessions.some(({ name }) => name === session);
  if (snapshot.locks.checkIn && !(status === 'in_progress' && gone && snapshot.dialect !== null)) {
    return nothing(
      `a check-in is at work${status === 'in_progress' ? ` on #${issue}` : ''}: nothing has to be set going`,
      true,
      [
        ...(session === ''
          ? []
          : [{ why: 'see what it does', command: ['peek', worker, '--session', session] } as const]),
        { why: 'end it and give the issue up', command: ['unstick', worker, `${issue}`, '--give-up'] },
      ],
    );
  }
  if (snapshot.dialect === null)
    return nothing('factory did not say how it wants to be spoken to', false, [look]);
  // Also a session that the pipeline does not know of: of that name no other can be made.
  const own = session || `${issue}-${stage}-${pipeline.attempt}`;
  const alive = snapshot.sessions.find(({ name }) => name === own);
  const kill = alive === undefined ? [] : [killSession(own)];
  const plan = (because: string, ...steps: Step[]): Plan => ({
    kind: 'go',
    because,
    steps: [...kill, ...steps],
    notes: [],
    standing: standingOf(pipeline),
    goal: 'working',
    attached: alive !== undefined && alive.attached > 0 ? own : null,
  });
  const configured = snapshot.dialect.name === 'B';
  // Who typed last is asked before how the session is, so that B goes on skipping one that has exited; `retry` forgets it.
  const handBack = () =>
    plan(
      `factory takes ${session} for driven by a person and leaves #${issue} alone`,
      configured ? retry(issue) : advance(issue),
    );
  switch (status) {
    case 'blocked':
      // `retry` counts an attempt and unblocks. A skips what is in progress for ever, so its stage has to be run as well.
      return configured
        ? plan(`#${issue} is blocked at stage ${stage}`, retry(issue))
        : plan(`#${issue} is blocked at stage ${stage}`, retry(issue), advance(issue));
    case 'in_progress': {
      if (snapshot.locks.checkIn) {
        const why = `a check-in waits for ${session} of #${issue}, which is gone`;
        const rest = configured ? [retry(issue)] : [retry(issue), advance(issue)];
        return plan(why, ...endCheckIn(pipeline), ...rest);
      }
      if (human) return handBack();
      const because = `#${issue} was interrupted at stage ${stage}`;
      if (!configured) return plan(because, advance(issue));
      // B runs it again at its next check-in, once it knows that the session is gone.
      return session === '' ? plan(because, retry(issue)) : plan(because, exited(session, stage));
    }
    case 'rate_limited':
      return nothing(`#${issue} has hit a limit; each check-in tries again by itself`, true, [
        { why: 'let others go first', command: ['unstick', worker, `${issue}`, '--give-up'] },
      ]);
    default:
      if (human) return handBack();
      // A session of that name would make the next start fail.
      if (alive !== undefined)
        return plan(`#${issue} is to begin stage ${stage}, and a session of that name is in the way`);
      return nothing(`#${issue} is ${status}: the next check-in takes it up`, true, [look]);
  }
}

/** Of a session that is only gone a check-in may not hear until the stage's time-out: it has to be told. */
function endCheckIn({ session, stage }: Pipeline): Step[] {
  return [...(session === '' ? [] : [exited(session, stage)]), awaitCheckIn()];
}

function planGiveUp({ sessions, locks }: Snapshot, pipeline: Pipeline): Plan {
  const { issue, status, stage, session } = pipeline;
  const alive = sessions.find(({ name }) => name === session && name !== '');
  return {
    kind: 'go',
    because: `#${issue} is ${status.replace('_', ' ')} at stage ${stage}`,
    steps: [
      ...(alive === undefined ? [] : [killSession(session)]),
      ...(locks.checkIn ? endCheckIn(pipeline) : []),
      fail(issue),
    ],
    notes: [],
    standing: standingOf(pipeline),
    goal: 'given-up',
    attached: alive !== undefined && alive.attached > 0 ? session : null,
  };
}

/** B looks pipelines up by their number alone: with a completed one of another project the row never moves. */
function planForget(pipeline: Pipeline, row: QueueItem): Plan {
  return {
    kind: 'go',
    because: `#${row.issue} is ${row.status} in the queue, and the store has a completed pipeline of the same number`,
    steps: [cleanup(row.issue)],
    notes: [],
    standing: standingOf(pipeline),
    goal: 'forgotten',
    attached: null,
  };
}

function standingOf({ status, stage, attempt }: Pipeline): string {
  return `${status} ${stage} ${attempt}`;
}

function nothing(because: string, fine: boolean, next: readonly Advice[]): NoPlan {
  return { kind: 'nothing', because, fine, next };
}

function stepOf(
  name: StepName,
  mark: Mark,
  what: string,
  command: string | null,
  ...words: readonly string[]
): Step {
  const commands = command === null ? [] : [command];
  return { name, mark, what, commands, argument: [name, ...words].join(' ') };
}

const killSession = (session: string) =>
  stepOf('kill-session', '-', 'ends what is left in it', `tmux kill-session ${session}`, session);

const exited = (session: string, stage: string) =>
  stepOf(
    'exited',
    '~',
    'tells factory that it is gone',
    `factory event log --session ${session} --event exited`,
    session,
    stage,
  );

const awaitCheckIn = () => stepOf('await', '·', 'waits until the check-in has ended, 75s at most', null);

const ofPipeline = (
  name: 'retry' | 'advance' | 'fail' | 'cleanup',
  mark: Mark,
  issue: number,
  what: string,
) => stepOf(name, mark, what, `factory pipeline ${name} ${issue}`);

const retry = (issue: number) => ofPipeline('retry', '~', issue, 'counts one more attempt and unblocks it');
const advance = (issue: number) =>
  ofPipeline('advance', '~', issue, 'runs the stage again, in the background');
const fail = (issue: number) =>
  ofPipeline('fail', '~', issue, 'the queue goes on without it; branch and worktree stay');
const cleanup = (issue: number) =>
  ofPipeline(
    'cleanup',
    '-',
    issue,
    'removes the old pipeline and its worktree; its branch stays unless merged',
  );

/** A step for people: what is typed in the worker, and what that does. */
export function describeStep({ commands, what }: Step): string {
  return [...commands, what].join(': ');
}

/** Whether the goal of a plan is reached, by a look after its steps. */
export function isReached({ goal }: Plan, { pipelines, locks }: Snapshot, issue: number): boolean {
  const pipeline = pipelines.find((candidate) => candidate.issue === issue);
  switch (goal) {
    case 'forgotten':
      return pipeline === undefined;
    case 'given-up':
      return pipeline === undefined || pipeline.status === 'failed';
    case 'working':
      // Between two check-ins it is pending, or B's in progress without one; blocked is what it must not be.
      return (
        pipeline !== undefined &&
        (locks.checkIn || ['in_progress', 'pending', 'completed'].includes(pipeline.status))
      );
  }
}
