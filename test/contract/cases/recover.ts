// Section 4: what a killed check-in leaves behind, and what cures it.
import {
  added,
  bash,
  begun,
  type Case,
  CHECK_IN,
  checkIn,
  ended,
  event,
  factory,
  IN_STAGE,
  kill,
  QUEUE,
  queueIs,
  STAGES,
  STATUS,
  type Step,
  set,
  start,
  until,
} from '../case.ts';
import type { Dialect } from '../sandbox.ts';

const A: readonly Dialect[] = ['design', 'a'];
const B: readonly Dialect[] = ['b', 'c'];
const AGENT = { stages: STAGES.agent };
/** Room to see a state before it passes. */
const UNHURRIED = { STANDIN_FACTORY_BOOT_SECONDS: '1', STANDIN_CLAUDE_WORK_SECONDS: '1.5' };
const SKIP_A = { issue: 50, action: 'skip', message: 'in_progress, another advance may be running' };
const SKIP_B = { issue: 50, action: 'skip', message: 'session active, within timeout' };

type State = 'started' | 'active' | 'idle';

/** What makes the stand-ins stay in a state until the kill, however slow the machine; a real binary stays for 15 s and more. */
const STAY: Readonly<Record<State, Record<string, string>>> = {
  started: { STANDIN_FACTORY_BOOT_SECONDS: '60' },
  active: { STANDIN_CLAUDE_WORK_SECONDS: '60' },
  idle: { STANDIN_FACTORY_POLL_SECONDS: '60' },
};

/** Kills the check-in of 50's stage once it is on record that its session has the state. */
function killedAt(state: State, settings: Record<string, string> = UNHURRIED): Step[] {
  return [
    set({ ...settings, ...STAY[state] }),
    ...begun(50),
    start('stage', CHECK_IN),
    // A real binary polls every 30 s, so that its session is idle only after its kill.
    until(
      ['session', 'list'],
      state === 'idle' ? /50-implement-1 .* (active|idle)/ : new RegExp(`50-implement-1 .* ${state}`),
    ),
    // The event comes first: a kill between the two would leave a pipeline that knows of no session.
    until(STATUS, /"session": ?"50-implement-1"/),
    kill('stage', 'SIGKILL'),
    ended('stage', { rc: 137 }),
    set(settings),
    ...(state === 'idle' ? [until(['session', 'list'], /50-implement-1 .* idle/)] : []),
    factory(STATUS, { json: [{ issue: 50, status: 'in_progress' }] }),
  ];
}

/** What a restart of the pod does besides: the tmux server is gone. */
const TMUX_GONE: Step[] = [
  bash('tmux kill-server'),
  factory(['session', 'list'], {
    stdout: /^50-implement-1 +50 +implement +(started|active|idle) .*no-tmux$/m,
  }),
];

const COMPLETED: Step[] = [
  factory(STATUS, { json: [{ issue: 50, status: 'completed' }] }),
  queueIs([50, 'completed']),
];

/** A check-in during a checks_only stage that ends by a signal. */
function signalled(signal: NodeJS.Signals, rc: number): Case {
  return {
    name: `${signal} during a stage leaves it in_progress`,
    section: '4',
    project: { stages: STAGES.long },
    steps: [
      ...begun(50),
      ...IN_STAGE,
      kill('stage', signal),
      ended('stage', { rc }),
      factory(STATUS, { json: [{ status: 'in_progress' }] }),
      queueIs([50, 'active']),
    ],
  };
}

/** A case with an agent's stage, which is what takes a real binary long. */
function agentCase(name: string, dialects: readonly Dialect[], steps: readonly Step[]): Case {
  return { name, section: '4', dialects, project: AGENT, slow: true, steps };
}

/** Dialect b, in which a dead session that nobody has said to be dead counts as at work. */
function restarted(state: 'started' | 'active'): Case {
  return agentCase(
    `restarted while ${state}: skipped until an exited event is logged, then it runs again and finishes`,
    ['b'],
    [
      ...killedAt(state),
      ...TMUX_GONE,
      checkIn(SKIP_B),
      checkIn(SKIP_B),
      factory(event('50-implement-1', 50, 'implement', 'exited')),
      checkIn({ issue: 50, action: 'completed' }),
      ...COMPLETED,
    ],
  );
}

/** Where the pipeline of an issue lies. */
const FOLDER = (issue: number) =>
  `"$HOME/.factory/pipelines/$([[ $DIALECT == [bc] ]] && echo acme/demo/)${issue}"`;
const AT = { STANDIN_FACTORY_DIES_AT: '/nowhere' };

/** A check-in dies between two writes of the pipeline that it has just made. Needs the settings {@link AT}. */
function diedAt(place: 'intent' | 'issue'): Step[] {
  return [
    added(50),
    bash(`echo ${place} >"$BOX/dies"; sed -i "s,/nowhere,$BOX/dies," "$HOME/.factory-standin"`),
    factory(CHECK_IN, { rc: 137 }),
    factory(STATUS, { json: [{ issue: 50, status: 'pending' }] }),
  ];
}

/** What a check-in leaves behind that is killed while it begins an issue, in the order of its writes. */
const BEGINNINGS: readonly Case[] = [
  {
    name: 'killed during the setup commands: the row is active without a pipeline; added again it fails over the worktree',
    section: '4',
    project: {
      stages: STAGES.ok.replace('\n', "\n  setup: ['touch installed', 'test -e ../../go-on || sleep 20']\n"),
    },
    steps: [
      added(50),
      start('pop', CHECK_IN),
      bash('until [ -e "$REPO/worktrees/issue-50/installed" ]; do sleep 0.05; done'),
      kill('pop', 'SIGKILL'),
      ended('pop', { rc: 137 }),
      queueIs([50, 'active']),
      factory(STATUS, { stdout: 'null\n' }),
      checkIn(),
      factory(['queue', 'remove', '50']),
      added(50),
      factory(CHECK_IN, { json: { actions: [{ issue: 50, action: 'fail' }] }, stdout: /already exists/ }),
      queueIs([50, 'failed']),
    ],
  },
  {
    name: 'a setup command that fails burns the row',
    section: '4',
    project: { stages: STAGES.ok.replace('\n', "\n  setup: ['touch installed', 'false']\n") },
    steps: [
      added(50),
      factory(CHECK_IN, { json: { actions: [{ issue: 50, action: 'fail' }] }, stdout: /setup/ }),
      queueIs([50, 'failed']),
      factory(STATUS, { stdout: 'null\n' }),
    ],
  },
  {
    name: 'a pipeline folder without pipeline.json is no pipeline, and in the way of one',
    section: '4',
    steps: [
      added(50),
      bash(`mkdir -p ${FOLDER(50)}/stages`),
      factory(CHECK_IN, {
        json: { actions: [{ issue: 50, action: 'fail' }] },
        stdout: /pipeline 50 already exists/,
      }),
      queueIs([50, 'failed']),
      factory(STATUS, { stdout: 'null\n' }),
    ],
  },
  {
    name: 'killed before the intent is written: it is missing from the prompt, and the row still has it',
    section: '4',
    project: AGENT,
    settings: AT,
    slow: true,
    standinOnly: 'a real binary takes less than a millisecond from one write to the next',
    steps: [
      ...diedAt('intent'),
      checkIn({ issue: 50, action: 'completed' }),
      bash('cat $(find "$HOME/.factory/pipelines" -name prompt.md)', { stdout: /^Intent: $/m }),
      factory(QUEUE, { json: [{ Issue: 50, FeatureIntent: 'Users get X.' }] }),
    ],
  },
  {
    name: 'killed before the second look at the issue: its text is missing from the prompt, and nobody is told',
    section: '4',
    project: AGENT,
    settings: AT,
    slow: true,
    standinOnly: 'the second call of gh has to be hit',
    steps: [
      ...diedAt('issue'),
      bash('test ! -e "$HOME/.factory/pipelines/50/issue.json"'),
      checkIn({ issue: 50, action: 'completed' }),
      bash('cat $(find "$HOME/.factory/pipelines" -name prompt.md)', { stdout: /^## Issue #50:\n\n?$/m }),
    ],
  },
  {
    name: 'a session of the stage that is there already blocks the pipeline',
    section: '4',
    project: AGENT,
    steps: [
      ...begun(50),
      bash('tmux new-session -d -s 50-implement-1'),
      factory(CHECK_IN, {
        json: { actions: [{ issue: 50, action: 'escalate' }] },
        stdout: /50-implement-1\\" already exists/,
      }),
      factory(STATUS, { json: [{ issue: 50, status: 'blocked' }] }),
    ],
  },
];

export const RECOVER_CASES: readonly Case[] = [
  ...BEGINNINGS,
  signalled('SIGKILL', 137),
  signalled('SIGTERM', 143),
  signalled('SIGHUP', 129),
  {
    name: 'a closed stderr kills the check-in at its next line of progress',
    section: '4',
    project: { stages: STAGES.two.replace('"true"', '"sleep 1"') },
    steps: [
      ...begun(50),
      ...IN_STAGE,
      kill('stage', 'close-stderr'),
      ended('stage', { rc: 141 }),
      factory(STATUS, { json: [{ status: 'in_progress' }] }),
    ],
  },
  agentCase(
    'killed, session alive: skipped for ever; advance alone says the session exists, then blocked',
    A,
    [
      ...killedAt('idle'),
      checkIn(SKIP_A),
      checkIn(SKIP_A),
      factory(['pipeline', 'advance', '50'], { error: /session "50-implement-1" already exists/ }),
      factory(STATUS, { json: [{ status: 'pending' }] }),
      checkIn({ issue: 50, action: 'escalate' }),
      factory(STATUS, { json: [{ status: 'blocked' }] }),
      queueIs([50, 'active']),
    ],
  ),
  agentCase('killed, session alive: session kill and pipeline advance finish it', A, [
    ...killedAt('idle'),
    factory(['session', 'kill', '50-implement-1']),
    factory(['pipeline', 'advance', '50'], { stdout: /completed/ }),
    ...COMPLETED,
    checkIn(),
  ]),
  agentCase(
    'killed, session alive: pipeline retry is still skipped; with pipeline advance it finishes, and the old session stays',
    A,
    [
      ...killedAt('active'),
      factory(['pipeline', 'retry', '50']),
      factory(STATUS, { json: [{ status: 'in_progress', attempt: 2 }] }),
      checkIn(SKIP_A),
      factory(['pipeline', 'advance', '50'], { stdout: /completed/ }),
      ...COMPLETED,
      bash('tmux has-session -t =50-implement-1'),
    ],
  ),
  {
    name: 'killed: pipeline fail frees the queue',
    section: '4',
    dialects: A,
    project: { stages: STAGES.long },
    steps: [
      added(50),
      added(51),
      checkIn({ issue: 50, action: 'queue_started' }),
      ...IN_STAGE,
      kill('stage', 'SIGKILL'),
      ended('stage', { rc: 137 }),
      checkIn(SKIP_A),
      factory(['pipeline', 'fail', '50']),
      checkIn({ issue: 51, action: 'queue_started' }),
    ],
  },
  agentCase(
    'restarted while started: skipped for ever; pipeline advance finishes it, queue row included',
    A,
    [
      ...killedAt('started'),
      ...TMUX_GONE,
      checkIn(SKIP_A),
      checkIn(SKIP_A),
      factory(['pipeline', 'advance', '50'], { stdout: /completed/ }),
      ...COMPLETED,
    ],
  ),
  agentCase('restarted while idle: skipped for ever; pipeline advance finishes it, queue row included', A, [
    ...killedAt('idle'),
    ...TMUX_GONE,
    checkIn(SKIP_A),
    factory(['pipeline', 'advance', '50'], { stdout: /completed/ }),
    ...COMPLETED,
  ]),
  {
    name: 'killed in a stage without a session: the next check-in runs it again',
    section: '4',
    dialects: B,
    project: { stages: STAGES.long },
    steps: [
      ...begun(50),
      ...IN_STAGE,
      kill('stage', 'SIGKILL'),
      ended('stage', { rc: 137 }),
      bash('sed -i "s/sleep 20/true/" "$REPO/pipeline.yaml"'),
      checkIn({ issue: 50, action: 'completed' }),
      ...COMPLETED,
    ],
  },
  agentCase(
    'killed, session idle: the next check-in kills the session, runs the stage again and finishes',
    B,
    [
      ...killedAt('idle'),
      checkIn({ issue: 50, action: 'completed', session: '50-implement-1' }),
      ...COMPLETED,
    ],
  ),
  agentCase('restarted while idle: the next check-in runs the stage again and finishes', B, [
    ...killedAt('idle'),
    ...TMUX_GONE,
    checkIn({ issue: 50, action: 'completed' }),
    ...COMPLETED,
  ]),
  restarted('started'),
  restarted('active'),
  agentCase(
    'restarted while started: the session is seen to be gone, and the stage runs again',
    ['c'],
    [...killedAt('started'), ...TMUX_GONE, checkIn({ issue: 50, action: 'completed' }), ...COMPLETED],
  ),
  {
    name: 'past the time-out a live session is steered once; a dead one is skipped for ever',
    section: '4',
    dialects: ['b'],
    project: { stages: `  defaults: {timeout: 3s}${STAGES.agent}` },
    slow: true,
    standinOnly: 'a time-out of seconds ends the first check-in of a real binary before it can be killed',
    steps: [
      ...killedAt('active', { STANDIN_FACTORY_POLL_SECONDS: '30', STANDIN_CLAUDE_MODE: 'hang' }),
      // Past the time-out above.
      bash('sleep 4'),
      checkIn({ issue: 50, action: 'steer' }),
      factory(['session', 'peek', '50-implement-1'], {
        stdout: /Please wrap up your current work and finalize changes\./,
      }),
      checkIn({ issue: 50, action: 'skip' }),
      bash(`tmux kill-server
            sqlite3 "$HOME/.factory/factory.db" "UPDATE session_events SET timestamp = datetime(timestamp, '-11 minutes') WHERE event = 'steer'"`),
      factory(CHECK_IN, {
        json: { actions: [{ issue: 50, action: 'skip' }] },
        stdout: /steer failed: session .* does not exist/,
      }),
    ],
  },
];
