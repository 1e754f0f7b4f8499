/**
 * Plans how to start a stuck issue again, or give it up, in the dialect of the worker's factory: only with verbs that were
 * seen to work on the real one (contract of the program, §4). Pure.
 */
import { describeHold } from '../account.ts';
import { isBehind, type Pipeline, statusWord } from '../factory.ts';
import type { Go, Mark, StepText } from '../plan.ts';
import { accountHold, waitsForAccount } from '../worker/account.ts';
import { clearing, type InTheWay } from '../worker/in-the-way.ts';
import type { QueueItem, Snapshot } from '../worker/snapshot.ts';

export type StepName = 'kill-session' | 'exited' | 'await' | 'retry' | 'advance' | 'fail' | 'cleanup';

/** The worker runs the steps of a plan together, under its lock; `argument` is what scripts/remote/unstick.sh takes for a step. */
export interface Step extends StepText<StepName> {
  readonly argument: string;
}

/** The request to scripts/remote/unstick.sh. */
export interface UnstickRequest {
  /** The operator, for the record on the worker: `user@host`. */
  readonly by: string;
  readonly issue: number;
  /** Name of the clone to run the steps in; empty when the worker has none. */
  readonly project: string;
  /** If the issue's standing has changed since, nothing is done. */
  readonly standing: string;
  /** `kill-session NAME`, `exited SESSION STAGE`, `await`, `retry`, `advance`, `fail` or `cleanup`. */
  readonly steps: readonly string[];
}

export interface Plan extends Go<Step> {
  /** What is wrong, in one sentence. */
  readonly because: string;
  /** `status stage attempt`, which must still hold when the steps run. */
  readonly standing: string;
  /** What must be true afterwards. */
  readonly goal: 'working' | 'given-up' | 'forgotten';
  /** The session that is going to be ended, if someone is attached to it. */
  readonly attached: string | null;
}

/** Why nothing is done; `next` has other commands, by name and arguments. */
export interface NoPlan {
  readonly kind: 'nothing';
  readonly because: string;
  /** Whether there is no need to do anything: then running it twice is not a failure. */
  readonly fine: boolean;
  readonly next: readonly Advice[];
}

export interface Advice {
  readonly why: string;
  readonly command: readonly [name: string, ...args: string[]];
}

export interface PlanRequest {
  readonly issue: number;
  readonly worker: string;
  /** End the work on it, so that the queue goes on. */
  readonly giveUp: boolean;
}

/**
 * @param human whether factory considers the issue's session human-driven, and so leaves the issue alone
 * @param way what keeps an issue without a pipeline from starting; null when nothing does
 */
export function planUnstick(
  snapshot: Snapshot,
  request: PlanRequest,
  human = false,
  way: InTheWay | null = null,
): Plan | NoPlan {
  const { issue, worker } = request;
  const pipeline = snapshot.pipelines.find((candidate) => candidate.issue === issue);
  const row = snapshot.queue.find((candidate) => candidate.issue === issue);
  if (pipeline === undefined) return planRow(snapshot, row, request, way);
  switch (pipeline.status) {
    case 'completed':
      if (row !== undefined && isBehind(row, snapshot.pipelines)) {
        return nothing(`#${issue} is completed; only its row in the queue still says active`, true, [
          { why: 'remove the row', command: ['queue', worker, 'remove', `${issue}`] },
        ]);
      }
      return row !== undefined && (row.status === 'pending' || row.status === 'active')
        ? planForget(pipeline, row)
        : nothing(`#${issue} is completed`, true, [
            { why: 'run it again', command: ['queue', worker, 'requeue', `${issue}`] },
          ]);
    case 'failed':
      return nothing(`#${issue} has failed, and blocks no other issue`, true, [
        { why: 'run it again', command: ['queue', worker, 'requeue', `${issue}`] },
      ]);
    default:
      return request.giveUp ? planGiveUp(snapshot, pipeline) : planRetry(snapshot, pipeline, request, human);
  }
}

function planRow(
  snapshot: Snapshot,
  row: QueueItem | undefined,
  { issue, worker }: PlanRequest,
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
      { why: `remove #${failed}`, command: ['queue', worker, 'remove', `${failed}`] },
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

function planRetry(
  snapshot: Snapshot,
  pipeline: Pipeline,
  { worker }: PlanRequest,
  human: boolean,
): Plan | NoPlan {
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
  // Started now, it would only lose another attempt.
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
  if (snapshot.dialect === null) return nothing('the dialect of factory is unknown', false, [look]);
  // Also a session that the pipeline does not know: no other with that name can be created.
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
  // factory asks who typed last before it asks how the session is, so B keeps skipping an exited one; `retry` forgets it.
  const handBack = () =>
    plan(
      `factory takes ${session} as human-driven and leaves #${issue} alone`,
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
      // B runs the stage again at its next check-in, once it knows that the session is gone.
      return session === '' ? plan(because, retry(issue)) : plan(because, exited(session, stage));
    }
    case 'rate_limited':
      return nothing(`#${issue} has hit a limit; each check-in tries again by itself`, true, [
        { why: 'let others go first', command: ['unstick', worker, `${issue}`, '--give-up'] },
      ]);
    default:
      if (human) return handBack();
      // A session with that name would make the next start fail.
      if (alive !== undefined)
        return plan(`#${issue} is to begin stage ${stage}, and a session with that name is in the way`);
      return nothing(`#${issue} is ${status}: the next check-in takes it up`, true, [look]);
  }
}

/** A check-in may not notice until the stage's time-out that its session is gone: tells it. */
function endCheckIn({ session, stage }: Pipeline): Step[] {
  return [...(session === '' ? [] : [exited(session, stage)]), awaitCheckIn()];
}

function planGiveUp({ sessions, locks }: Snapshot, pipeline: Pipeline): Plan {
  const { issue, status, stage, session } = pipeline;
  const alive = sessions.find(({ name }) => name === session && name !== '');
  return {
    kind: 'go',
    because: `#${issue} is ${statusWord(status)} at stage ${stage}`,
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

/** B looks pipelines up by number only: with a completed one of another project, the row never starts. */
function planForget(pipeline: Pipeline, row: QueueItem): Plan {
  return {
    kind: 'go',
    because: `#${row.issue} is ${row.status} in the queue, and the store has a completed pipeline with the same number`,
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
  ofPipeline('fail', '~', issue, 'the queue continues without it; branch and worktree stay');
const cleanup = (issue: number) =>
  ofPipeline(
    'cleanup',
    '-',
    issue,
    'removes the old pipeline and its worktree; its branch stays unless merged',
  );

/** A step for people: the command that runs in the worker, and what it does. */
export function describeStep({ commands, what }: Step): string {
  return [...commands, what].join(': ');
}

/** Whether the goal of a plan is reached, judged after its steps. */
export function isReached({ goal }: Plan, { pipelines, locks }: Snapshot, issue: number): boolean {
  const pipeline = pipelines.find((candidate) => candidate.issue === issue);
  switch (goal) {
    case 'forgotten':
      return pipeline === undefined;
    case 'given-up':
      return pipeline === undefined || pipeline.status === 'failed';
    case 'working':
      // Between two check-ins it is pending, or with B in progress without one; it must not be blocked.
      return (
        pipeline !== undefined &&
        (locks.checkIn || ['in_progress', 'pending', 'completed'].includes(pipeline.status))
      );
  }
}
