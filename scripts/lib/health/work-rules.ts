/** Rules about issues that need more than a probe: panes, human-driven sessions, logs. Pure. */

import { findPrompt, OF_THE_ACCOUNT, type PanePrompt } from '../claude/prompts.ts';
import { isBehind, type Pipeline, parseStageName } from '../factory.ts';
import { accountHold, waitsForAccount } from '../worker/account.ts';
import { describeClearing } from '../worker/in-the-way.ts';
import { itemName, openItems } from '../worker/queue.ts';
import type { Snapshot } from '../worker/snapshot.ts';
import { type EnteredFacts, whenEntered, whenProbed } from './facts.ts';
import type { Inside, PaneView } from './inside.ts';
import { inProgress, lastWords, says } from './probe-rules.ts';

/** The issue is in progress and nothing works on it: its check-in was killed. */
export const interrupted = whenEntered(({ snapshot, inside, worker, command }) => {
  const { locks, sessions, heartbeat } = snapshot;
  // Without a supervisor, another finding matters more; its start continues the issue.
  if (!locks.boot || locks.checkIn || heartbeat?.state === 'checking-in') return [];
  // Another rule says more about a human-driven issue.
  const orphans = inProgress(snapshot).filter(
    (pipeline) => !isHumanDriven(inside, pipeline) && !waitsForAccount(snapshot, pipeline),
  );
  return orphans.map((pipeline) => {
    const { issue, stage, session, sessionState } = pipeline;
    const alive = sessions.some(({ name }) => name === session);
    return {
      id: 'interrupted',
      cause: `#${issue} is in progress at stage ${stage}, and no check-in works on it: it was interrupted`,
      evidence: [
        says(pipeline),
        'the check-in lock is free',
        session === ''
          ? 'it has no session'
          : `session ${session} ${alive ? 'exists' : `is gone from tmux; factory believes it is ${sessionState || 'unknown'}`}`,
        ...(heartbeat?.reason ? [`the loop says: ${heartbeat.reason}`] : []),
      ],
      next: [`start it again: ${command('unstick', worker.name, String(issue))}`],
    };
  });
});

/** A check-in waits for a session that tmux does not have. */
export const sessionGone = whenEntered(({ snapshot, worker, command }) => {
  const { locks, sessions, faults } = snapshot;
  if (!locks.checkIn || faults.some(({ part }) => part === 'sessions')) return [];
  return inProgress(snapshot)
    .filter(
      ({ session, sessionState }) =>
        session !== '' &&
        sessionState !== '' &&
        sessionState !== 'exited' &&
        !sessions.some(({ name }) => name === session),
    )
    .map((pipeline) => ({
      id: 'session-gone',
      cause: `the session ${pipeline.session} of #${pipeline.issue} is gone while a check-in waits for it`,
      evidence: [
        says(pipeline),
        `factory believes it is ${pipeline.sessionState}; tmux has no session with that name`,
      ],
      next: [
        `its last output: ${command('logs', worker.name, pipeline.session)}`,
        `if the check-in does not end by itself: ${command('unstick', worker.name, String(pipeline.issue))}`,
      ],
    }));
});

/** tmux does not answer: its server is gone, and every session with it. Normal in a stopped worker. */
export const tmuxGone = whenEntered(({ snapshot: { faults, locks }, worker, command }) =>
  faults
    .filter(({ part }) => part === 'sessions' && locks.boot)
    .map(({ message }) => ({
      id: 'tmux-gone',
      cause: 'the tmux server is gone, and with it every session',
      evidence: [`tmux: ${message}`],
      next: [
        `the supervisor starts it again; see: ${command('logs', worker.name, 'boot')}`,
        `the sessions' output: ${command('sessions', worker.name)}`,
      ],
    })),
);

const isHumanDriven = ({ human }: Inside, { session, sessionState }: Pipeline) =>
  human.has(session) || (session !== '' && sessionState === 'human_input');

/**
 * A check-in leaves an issue alone when a person was the last to type into its session; a running check-in continues. Typing
 * again does not hand it back: that is a person again.
 */
export const humanDriven = whenEntered(({ snapshot, inside, worker, command }) => {
  if (snapshot.locks.checkIn || snapshot.heartbeat?.state === 'checking-in') return [];
  return inProgress(snapshot)
    .concat(snapshot.pipelines.filter(({ status }) => status === 'pending'))
    .filter((pipeline) => isHumanDriven(inside, pipeline))
    .map((pipeline) => ({
      id: 'human-driven',
      cause: `factory takes the session ${pipeline.session} as human-driven and leaves #${pipeline.issue} alone`,
      evidence: [
        `factory session status ${pipeline.session}: ${inside.human.has(pipeline.session) ? 'Human: true' : `State: ${pipeline.sessionState}`}`,
        ...lastWords({ snapshot, inside }, pipeline.issue),
      ],
      next: [
        `see what the person left: ${command('peek', worker.name, '--session', pipeline.session)}`,
        `hand it back (the stage runs again, with the commits and files as they are): ${command('unstick', worker.name, String(pipeline.issue))}`,
      ],
    }));
});

/** Panes of stages that show a question, or an error that only a person can fix; except errors of an account known not to work. */
export function waitingPanes(snapshot: Snapshot, panes: readonly PaneView[]) {
  const held = accountHold(snapshot) !== null;
  return panes.flatMap(({ session, lines }) => {
    const asks = session === snapshot.heartbeat?.asks ? unknownQuestion(lines) : null;
    const prompt = parseStageName(session) === null ? null : (findPrompt(lines) ?? asks);
    return prompt === null || (held && OF_THE_ACCOUNT.has(prompt.id)) ? [] : [{ session, prompt }];
  });
}

/** One that claude itself reports, on a screen that is not recognized. */
function unknownQuestion(lines: readonly string[]): PanePrompt {
  return { id: 'question', says: 'asks a question', line: lines.at(-1) ?? '', takes: 'typing' };
}

/** A pane shows a question that only a person can answer. */
export const paneWaits = whenProbed(({ panes, snapshot, worker, command }) =>
  waitingPanes(snapshot, panes ?? []).map(({ session, prompt }) => {
    const untilThen = `take no more work until then: ${command('drain', worker.name)}`;
    const cures: Readonly<Partial<Record<typeof prompt.id, readonly string[]>>> = {
      'rate-limit': [
        'it continues when the limit is reset; other workers with the same account have the same limit',
        untilThen,
      ],
      'no-credit': [
        "the account's administrator has to add credit or raise the limit; other workers with the same account stand still too",
        untilThen,
      ],
      login: [`put a valid token into its Secret: ${command('rotate', worker.name)}`],
      'api-error': ['check whether the API has a problem: https://status.claude.com'],
      password: [
        `git asks when GH_TOKEN is missing, refused or lacks permission: ${command('rotate', worker.name)}`,
      ],
    };
    const attach = command('attach', worker.name, '--session', session);
    const then = {
      choice: `answer it: ${command('answer', worker.name, session)}`,
      typing: `answer it: ${attach}`,
      error: `look: ${attach}`,
    };
    const waits = session === snapshot.heartbeat?.asks;
    return {
      status: waits ? ('degraded' as const) : null,
      id: `pane-${prompt.id}`,
      cause: `the session ${session} ${prompt.says}${waits ? ', and its stage waits until it is answered' : ''}`,
      evidence: [`its pane: ${prompt.line}`],
      next: [...(cures[prompt.id] ?? []), then[prompt.takes ?? 'error']],
    };
  }),
);

/** The agent has ended and only its shell is left, which would execute whatever factory pastes. */
export const agentEnded = whenEntered(({ inside, panes, snapshot, worker, command }) =>
  inProgress(snapshot).flatMap((pipeline) => {
    const pane = panes?.find(({ session }) => session === pipeline.session);
    const started = snapshot.sessions.find(({ name }) => name === pipeline.session);
    // At the start of a stage, the shell runs before the agent does.
    if (pane === undefined || started === undefined || snapshot.now - started.createdAt < 30) return [];
    if (!inside.loneShells.has(pipeline.session)) return [];
    return [
      {
        id: 'agent-ended',
        cause: `no agent runs in the session ${pipeline.session} of #${pipeline.issue}: it has ended, or never started`,
        evidence: [
          `only the shell is left in its pane (${pane.program})`,
          ...pane.lines.slice(-3).map((line) => `its pane: ${line}`),
        ],
        next: [
          `read on: ${command('logs', worker.name, pipeline.session)}`,
          `run the stage again: ${command('unstick', worker.name, String(pipeline.issue))}`,
        ],
      },
    ];
  }),
);

/** Pipelines that factory saw hit a limit, unless the account itself is known to have hit it. */
export function limitedPipelines(snapshot: Snapshot): Pipeline[] {
  return pipelinesAtLimit(snapshot, ({ status }) => status === 'rate_limited');
}

function pipelinesAtLimit(snapshot: Snapshot, isLimited: (pipeline: Pipeline) => boolean): Pipeline[] {
  return accountHold(snapshot) === null ? snapshot.pipelines.filter(isLimited) : [];
}

/** The longest a try that ends at the limit takes: factory looks at the pane every half minute. */
const LIMITED_TRY_SECONDS = 3 * 60;

/** Whether a pipeline in progress is retrying after the limit: between its tries its own status says so. */
function triesAfterLimit({ snapshot, inside }: EnteredFacts, { issue, stage, status }: Pipeline): boolean {
  const last = inside.failures.findLast((line) => line.includes(`#${issue} `));
  if (status !== 'in_progress' || !last?.includes(`#${issue} rate_limited ${stage} `)) return false;
  return snapshot.now - Date.parse(last.split(' ')[0] ?? '') / 1000 < LIMITED_TRY_SECONDS;
}

/** Limits that factory itself saw. */
export const rateLimited = whenEntered((facts) => {
  const { snapshot, inside, worker, command } = facts;
  return pipelinesAtLimit(
    snapshot,
    (pipeline) => pipeline.status === 'rate_limited' || triesAfterLimit(facts, pipeline),
  ).map((pipeline) => ({
    id: 'rate-limited',
    cause: `#${pipeline.issue} has hit the limit of its account; each check-in tries again`,
    evidence: [says(pipeline), ...lastWords({ snapshot, inside }, pipeline.issue)],
    next: [
      `wait for it: ${command('wait', worker.name, `issue:${pipeline.issue}=completed`)}`,
      `let others go first: ${command('unstick', worker.name, String(pipeline.issue), '--give-up')}, and later: ${command('queue', worker.name, 'requeue', String(pipeline.issue))}`,
    ],
  }));
});

/** A row that failed before any work was done: `gh` or `git` failed. */
export const rowFailed = whenEntered(({ snapshot, inside, worker, command }) =>
  snapshot.queue
    .filter(({ status, pipeline }) => status === 'failed' && pipeline === null)
    .map((row) => ({
      id: 'row-failed',
      cause: `${itemName(row)} failed before its work began`,
      evidence: [
        'factory queue: failed; there is no pipeline',
        ...evidenceOfWay(inside, row.issue),
        ...lastWords({ snapshot, inside }, row.issue),
      ],
      next: [
        `the loop's log: ${command('logs', worker.name, 'orchestrator')}`,
        ...beginAgain({ inside, worker, command }, row.issue),
      ],
    })),
);

/** A row that was taken but not started, and that the supervisor does not requeue: it was not running, or something is in the way. */
export const rowNotBegun = whenEntered(({ snapshot, inside, worker, command }) =>
  snapshot.queue
    .filter(({ status, pipeline }) => status === 'active' && pipeline === null && !snapshot.locks.checkIn)
    .map((row) => ({
      id: 'row-not-begun',
      cause: `${itemName(row)} was taken from the queue and not begun: its check-in was killed`,
      evidence: [
        `factory queue: #${row.issue} active; there is no pipeline`,
        'the check-in lock is free',
        ...evidenceOfWay(inside, row.issue),
      ],
      next: beginAgain({ inside, worker, command }, row.issue),
    })),
);

function evidenceOfWay({ inTheWay }: Inside, issue: number): string[] {
  const way = inTheWay.get(issue);
  return way === undefined ? [] : [`in its way: ${way.says}`];
}

/** How to requeue a row. What is in the way comes first: until it is gone, a requeue is refused. */
function beginAgain(
  { inside, worker, command }: Pick<EnteredFacts, 'inside' | 'worker' | 'command'>,
  issue: number,
): string[] {
  const way = inside.inTheWay.get(issue);
  return [
    ...(way === undefined
      ? []
      : [`clear the way first: ${describeClearing(command, worker.name, issue, way.cure)}`]),
    `requeue it: ${command('queue', worker.name, 'requeue', String(issue))}`,
  ];
}

/** A row of a completed issue that is still active. The supervisor removes it, unless it is drained or not running. */
export const rowBehind = whenEntered(({ snapshot, inside, worker, command }) =>
  snapshot.queue
    .filter((row) => isBehind(row, snapshot.pipelines) && !snapshot.locks.checkIn)
    .map((row) => ({
      id: 'row-behind',
      cause: `${itemName(row)} is completed, and its row still says active: what depends on it waits`,
      evidence: [
        `factory queue: #${row.issue} active; factory status: completed`,
        ...lastWords({ snapshot, inside }, row.issue),
      ],
      next: [`remove the row: ${command('queue', worker.name, 'remove', String(row.issue))}`],
    })),
);

/** A row with the completed pipeline of another issue: two projects use the same number. */
export const numberUsedTwice = whenEntered(({ snapshot, inside, worker, command }) =>
  snapshot.queue
    .filter(
      ({ status, pipeline }) =>
        (status === 'pending' || status === 'active') && pipeline?.status === 'completed',
    )
    .filter((row) => !isBehind(row, snapshot.pipelines) && !snapshot.locks.checkIn)
    .map((row) => ({
      id: 'number-used-twice',
      cause: `${itemName(row)} cannot start: the store has a completed pipeline with the same number`,
      evidence: [
        `factory queue: #${row.issue} ${row.status}${row.namespace ? ` in ${row.namespace}` : ''}; factory status: completed`,
        ...lastWords({ snapshot, inside }, row.issue),
      ],
      next: [`drop the old one: ${command('unstick', worker.name, String(row.issue))}`],
    })),
);

/** The loop itself says why it takes no work. */
export const loopWaits = whenEntered(({ snapshot, worker, command }) => {
  const { heartbeat, locks } = snapshot;
  // Without a supervisor, the heartbeat is old.
  if (!locks.boot) return [];
  if (heartbeat?.state !== 'waiting' || !heartbeat.reason || openItems(snapshot).length === 0) return [];
  return [
    {
      id: 'loop-waits',
      cause: `no work is taken: ${heartbeat.reason}`,
      evidence: [`heartbeat: ${heartbeat.state} since ${heartbeat.finishedAt ?? heartbeat.startedAt}`],
      next: [`the loop's log: ${command('logs', worker.name, 'orchestrator')}`],
    },
  ];
});
