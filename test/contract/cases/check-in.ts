// Section 4 (and 7): what check-ins do when nobody kills them.
import {
  added,
  addedOther,
  bash,
  begun,
  type Case,
  CHECK_IN,
  checkIn,
  ended,
  factory,
  factoryEnv,
  factoryIn,
  IN_STAGE,
  NEUTRAL,
  QUEUE,
  queueIs,
  STAGES,
  STATUS,
  sessionLog,
  set,
  start,
  until,
} from '../case.ts';
import type { Dialect } from '../sandbox.ts';

const SLOW_CHECK = { stages: STAGES.long };
const AGENT = { stages: STAGES.agent };

/** Brings 11 to stage two and 12 to stage one, both pending: a failed pipeline does not hold the queue back. */
const TWO_LIVE = [
  added(11),
  added(12),
  checkIn({ issue: 11, action: 'queue_started' }),
  factory(['pipeline', 'fail', '11']),
  checkIn({ issue: 12, action: 'queue_started' }),
  factory(['pipeline', 'retry', '11']),
  factory(['pipeline', 'advance', '11']),
  factory(STATUS, {
    json: [
      { issue: 11, status: 'pending', stage: 'two' },
      { issue: 12, status: 'pending', stage: 'one' },
    ],
  }),
];

/** A merge stage against a bare origin on this machine. @param then bash that fails unless the worktree is as it should be */
function merged(name: string, dialects: readonly Dialect[], then: string): Case {
  return {
    name: `a merge stage against a local bare origin ${name}`,
    section: '6, 7',
    dialects,
    project: { stages: '  stages:\n    - {id: merge, type: merge}\n' },
    steps: [
      ...begun(42),
      bash('cd "$REPO/worktrees/issue-42"; git commit -q --allow-empty -m work'),
      checkIn({ issue: 42, action: 'completed', stage: 'merge' }),
      bash('git --git-dir="$BOX/demo.git" log -1 --format=%s feature/issue-42', { stdout: 'work\n' }),
      bash(then),
    ],
  };
}

/** Two stages, of which the second fails. @param onFail what it says of that */
const failsSecond = (onFail: string) => ({
  stages: `  checks: {ok: {command: "true"}, no: {command: "false"}}
  stages:
    - {id: one, type: checks_only, checks: [ok]}
    - {id: two, type: checks_only, checks: [no], on_fail: ${onFail}}
`,
});

/** Routed to an earlier stage, which is begun anew, however often. */
const routed = (how: string, onFail: string): Case => ({
  name: `on_fail names ${how}: the issue goes back to it, without an end`,
  section: '4',
  project: failsSecond(onFail),
  steps: [
    ...begun(42),
    ...Array.from({ length: 4 }, () => [
      checkIn({ issue: 42, action: 'advanced', stage: 'one' }),
      checkIn({ issue: 42, action: 'routed', stage: 'two', message: 'stage failed, routing to "one"' }),
      factory(STATUS, { json: [{ status: 'pending', stage: 'one', attempt: 1 }] }),
    ]).flat(),
    queueIs([42, 'active']),
  ],
});

/** The agent's prompt, as factory saves it. */
const prompt = (stage: string, text: string | RegExp) =>
  bash(`cat "$(find "$HOME/.factory/pipelines" -path '*/${stage}/*' -name prompt.md)"`, { stdout: text });

/** A stage whose prompt cannot be made is blocked before there is a session. */
const noPrompt = (what: string, stage: string, template: string | null, why: string): Case => ({
  name: `a prompt template ${what}: blocked`,
  section: '4',
  project: { stages: `  stages:\n    - ${stage}\n` },
  steps: [
    bash(
      template === null
        ? 'true'
        : `cd "$REPO"; echo '${template}' >p.md; git add p.md; git commit -qm p; git push -q origin main; git fetch -q`,
    ),
    ...begun(42),
    checkIn({
      issue: 42,
      action: 'escalate',
      message: `advance error, escalated: run stage: build prompt: ${why}`,
    }),
    factory(STATUS, { json: [{ status: 'blocked' }] }),
    bash('! tmux list-sessions 2>/dev/null'),
  ],
});

export const CHECK_IN_CASES: readonly Case[] = [
  routed('a stage', 'one'),
  routed('a default', '{default: one}'),
  {
    name: 'on_fail: escalate blocks at the first failure',
    section: '4',
    project: failsSecond('escalate'),
    steps: [
      ...begun(42),
      checkIn({ issue: 42, action: 'advanced' }),
      checkIn({
        issue: 42,
        action: 'escalated',
        stage: 'two',
        message: 'stage escalated, human intervention required',
      }),
      factory(STATUS, { json: [{ status: 'blocked', stage: 'two', attempt: 1 }] }),
      queueIs([42, 'active']),
    ],
  },
  {
    name: 'on_fail names a stage that is not there: blocked',
    section: '4',
    project: failsSecond('gone'),
    steps: [
      ...begun(42),
      checkIn({ issue: 42, action: 'advanced' }),
      checkIn({
        issue: 42,
        action: 'escalate',
        message: 'advance error, escalated: on_fail target stage "gone" not found in config',
      }),
      factory(STATUS, { json: [{ status: 'blocked', stage: 'two' }] }),
    ],
  },
  {
    name: 'on_fail names the stage itself: three attempts, as without it',
    section: '4',
    project: failsSecond('two'),
    steps: [
      ...begun(42),
      checkIn({ action: 'advanced' }),
      checkIn({ action: 'retry', message: 'stage failed, will retry (attempt 2)' }),
      checkIn({ action: 'retry' }),
      checkIn({ action: 'failed' }),
      queueIs([42, 'failed']),
    ],
  },
  noPrompt(
    'that is nowhere',
    '{id: build}',
    null,
    'load template "build.md": template "build.md" not found (checked workdir, ~/.factory/templates/, and built-in templates)',
  ),
  noPrompt(
    'outside of the worktree',
    '{id: build, prompt_template: ../p.md}',
    null,
    'load template "../p.md": template path "../p.md" escapes workdir',
  ),
  noPrompt(
    'with a variable that is unknown',
    '{id: build, prompt_template: p.md}',
    '{{issue_title}} {{no_such}} {{{{#if x}}{{y}}{{/if}}{{nor_this}}',
    'missing template variables: no_such, nor_this',
  ),
  noPrompt(
    'with a condition that does not end',
    '{id: build, prompt_template: p.md}',
    '{{#if issue_title}} for ever',
    'unclosed conditional block: {{#if issue_title}}',
  ),
  {
    name: 'the prompt is the template of the worktree alone, with its variables; else that of the user',
    section: '7',
    slow: true,
    project: { stages: '  stages:\n    - {id: build, prompt_template: p.md}\n    - {id: look}\n' },
    steps: [
      bash(
        `cd "$REPO"; printf '%s\\n' 'Do #{{issue_number}} on {{branch}}{{#if no_such}} never{{#if goal}} ever{{/if}}{{/if}}{{#if attempt}}, {{stage_id}} {{attempt}}{{/if}}: {{ as is }}' >p.md
         git add p.md; git commit -qm p; git push -q origin main; git fetch -q
         mkdir -p "$HOME/.factory/templates"; echo 'Look: {{goal}}' >"$HOME/.factory/templates/look.md"`,
      ),
      ...begun(42),
      checkIn({ action: 'advanced', session: '42-build-1' }),
      prompt('build', /^Do #42 on feature\/issue-42, build 1: \{\{ as is \}\}\n+$/),
      checkIn({ action: 'completed', session: '42-look-1' }),
      prompt('look', /^Look: #42: \S.*\n+$/),
    ],
  },
  {
    name: 'nothing to do',
    section: '4',
    steps: [checkIn(), factory(['orchestrator', 'check-in'], { stdout: 'No active pipelines.\n' })],
  },
  {
    name: 'pending, active, completed in two check-ins; progress on stderr',
    section: '4, 7',
    steps: [
      added(42),
      queueIs([42, 'pending']),
      factory(CHECK_IN, { json: { actions: [{ issue: 42, action: 'queue_started' }] }, stderr: /^ {2}→ /m }),
      factory(QUEUE, { json: [{ Issue: 42, Status: 'active', FinishedAt: '' }], absent: /"StartedAt": ""/ }),
      checkIn({ issue: 42, action: 'completed', stage: 'one', message: '' }),
      factory(QUEUE, { json: [{ Issue: 42, Status: 'completed' }], absent: /"FinishedAt": ""/ }),
      checkIn(),
    ],
  },
  {
    name: 'one stage per call, one row per call, and the queue only when no pipeline is live',
    section: '4',
    project: { stages: STAGES.two },
    steps: [
      added(1),
      added(2),
      checkIn({ issue: 1, action: 'queue_started' }),
      checkIn({ issue: 1, action: 'advanced', stage: 'one' }),
      factory(STATUS, { json: [{ issue: 1, status: 'pending', stage: 'two' }] }),
      checkIn({ issue: 1, action: 'completed', stage: 'two' }),
      queueIs([1, 'completed'], [2, 'pending']),
      checkIn({ issue: 2, action: 'queue_started' }),
    ],
  },
  {
    name: 'the text',
    section: '4',
    steps: [
      added(42),
      factory(['orchestrator', 'check-in'], {
        stdout: /^ISSUE +ACTION +STAGE +SESSION +MESSAGE\n42 +queue_started .*\n$/,
      }),
    ],
  },
  {
    name: 'a failing check: retry, retry, failed, each with rc 0',
    section: '4',
    project: { stages: STAGES.failing },
    steps: [
      ...begun(42),
      checkIn({ issue: 42, action: 'retry', stage: 'one' }),
      checkIn({ issue: 42, action: 'retry', stage: 'one' }),
      factory(STATUS, { json: [{ attempt: 3, status: 'pending' }] }),
      checkIn({ issue: 42, action: 'failed', stage: 'one' }),
      queueIs([42, 'failed']),
      factory(STATUS, {
        json: [{ status: 'failed', stage_history: [{ attempt: 1, outcome: 'fail' }, {}, {}] }],
      }),
    ],
  },
  {
    name: 'gh failing at the pop burns the row, with rc 0 and no second try',
    section: '4',
    settings: { STANDIN_GH_MODE: 'down' },
    steps: [
      added(42),
      checkIn({ issue: 42, action: 'fail' }),
      queueIs([42, 'failed']),
      checkIn(),
      factory(STATUS, { stdout: 'null\n' }),
    ],
  },
  {
    name: 'an empty intent and NO_INTENT: skipped each time, and the queue stands still behind it',
    section: '4',
    dialects: ['design', 'a', 'b'],
    settings: { STANDIN_CLAUDE_MODE: 'no-intent' },
    steps: [
      added(1),
      added(2),
      factory(['queue', 'set-intent', '1', '']),
      checkIn({ issue: 1, action: 'skip' }),
      checkIn({ issue: 1, action: 'skip' }),
      queueIs([1, 'pending'], [2, 'pending']),
    ],
  },
  {
    name: 'an empty intent and NO_INTENT: the issue starts without one',
    section: '4',
    dialects: ['c'],
    settings: { STANDIN_CLAUDE_MODE: 'no-intent' },
    steps: [
      added(1),
      factory(['queue', 'set-intent', '1', '']),
      checkIn({ issue: 1, action: 'queue_started' }),
      queueIs([1, 'active']),
    ],
  },
  {
    name: 'an empty intent is derived at the pop',
    section: '4',
    steps: [
      added(1),
      factory(['queue', 'set-intent', '1', '']),
      checkIn({ issue: 1, action: 'queue_started' }),
      factory(QUEUE, { json: [{ Issue: 1 }], absent: /"FeatureIntent": ""/ }),
      bash('grep ^claude "$STANDIN_CALLS"', { stdout: /--print.* Issue #1: \w/ }),
    ],
  },
  {
    name: 'two live pipelines: one call advances both',
    section: '4',
    dialects: ['design', 'a'],
    project: { stages: STAGES.two },
    steps: [
      ...TWO_LIVE,
      checkIn(
        { issue: 11, action: 'completed', stage: 'two' },
        { issue: 12, action: 'advanced', stage: 'one' },
      ),
    ],
  },
  {
    name: 'two live pipelines: one call advances the lowest number only',
    section: '4',
    dialects: ['b', 'c'],
    project: { stages: STAGES.two },
    steps: [
      ...TWO_LIVE,
      checkIn({ issue: 11, action: 'completed', stage: 'two' }),
      checkIn({ issue: 12, action: 'advanced', stage: 'one' }),
    ],
  },
  {
    name: 'a blocked pipeline: the other live one goes on, the queue does not',
    section: '4',
    dialects: ['design', 'a'],
    project: { stages: STAGES.two },
    steps: [
      ...TWO_LIVE,
      added(13),
      bash('sed -i "s/id: two/id: zwei/" "$REPO/pipeline.yaml"'),
      factory(CHECK_IN, {
        json: {
          actions: [
            { issue: 11, action: 'escalate' },
            { issue: 12, action: 'advanced' },
          ],
        },
        stdout: /stage \\"two\\" not found in config/,
      }),
      factory(STATUS, {
        json: [
          { issue: 11, status: 'blocked' },
          { issue: 12, stage: 'zwei' },
        ],
      }),
      checkIn({ issue: 11, action: 'skip' }, { issue: 12, action: 'completed' }),
      checkIn({ issue: 11, action: 'skip' }),
      queueIs([11, 'active'], [12, 'completed'], [13, 'pending']),
      factory(['pipeline', 'fail', '11']),
      checkIn({ issue: 13, action: 'queue_started' }),
    ],
  },
  {
    name: 'a blocked pipeline with the lowest number stops everything',
    section: '4',
    dialects: ['b', 'c'],
    project: { stages: STAGES.two },
    steps: [
      ...TWO_LIVE,
      bash('sed -i "s/id: two/id: zwei/" "$REPO/pipeline.yaml"'),
      checkIn({ issue: 11, action: 'escalate' }),
      checkIn({ issue: 11, action: 'skip' }),
      checkIn({ issue: 11, action: 'skip' }),
      factory(['pipeline', 'fail', '11']),
      checkIn({ issue: 12, action: 'advanced' }),
    ],
  },
  {
    name: 'a check-in in another project’s clone blocks the pipeline',
    section: '4',
    dialects: ['design', 'a'],
    steps: [
      ...begun(1),
      bash(`git clone -q "$BOX/demo.git" "$OTHER"; sed -i 's/id: one/id: uno/' "$OTHER/pipeline.yaml"`),
      factoryIn((box) => box.other, CHECK_IN, {
        json: { actions: [{ issue: 1, action: 'escalate' }] },
        stdout: /stage \\"one\\" not found in config/,
      }),
      factory(STATUS, { json: [{ status: 'blocked' }] }),
    ],
  },
  {
    name: 'a check-in in any valid directory works on the rows of all projects',
    section: '4',
    dialects: ['b', 'c'],
    project: { stages: STAGES.ok, two: true },
    steps: [
      added(1),
      NEUTRAL,
      factoryIn((box) => `${box.dir}/neutral`, CHECK_IN, {
        json: { actions: [{ action: 'queue_started' }] },
      }),
      bash('test -d "$REPO/worktrees/issue-1"'),
      factoryIn((box) => box.other, CHECK_IN, { json: { actions: [{ issue: 1, action: 'completed' }] } }),
      bash(`grep -m 1 'issue view' "$BOX/calls"`, { stdout: /--repo github\.com\/acme\/demo$/m }),
    ],
  },
  {
    name: 'a config in a subfolder: the worktrees land there',
    section: '4',
    dialects: ['b', 'c'],
    steps: [
      bash('mkdir "$REPO/sub"; cp "$REPO/pipeline.yaml" "$REPO/sub"'),
      factory(['queue', 'add', '1', '--config', 'sub/pipeline.yaml', '--intent', 'x']),
      checkIn({ issue: 1, action: 'queue_started' }),
      bash('test -d "$REPO/sub/worktrees/issue-1"'),
    ],
  },
  {
    name: 'a config outside of any git repository: the row fails',
    section: '4',
    dialects: ['b', 'c'],
    steps: [
      bash('cp "$REPO/pipeline.yaml" "$BOX/empty"'),
      factoryIn(
        (box) => `${box.dir}/empty`,
        ['queue', 'add', '1', '--config', 'pipeline.yaml', '--intent', 'x'],
      ),
      checkIn({ issue: 1, action: 'fail' }),
      queueIs([1, 'failed']),
    ],
  },
  {
    name: 'without origin/main the row fails',
    section: '6',
    dialects: ['b', 'c'],
    steps: [
      bash('git -C "$REPO" remote remove origin'),
      added(1),
      factory(CHECK_IN, {
        json: { actions: [{ issue: 1, action: 'fail' }] },
        stdout: /not a valid object name: 'origin\/main'/,
      }),
      queueIs([1, 'failed']),
    ],
  },
  {
    name: 'it works without a remote, from the HEAD of the checkout',
    section: '0, 6',
    dialects: ['design', 'a'],
    steps: [
      bash('cd "$REPO"; git remote remove origin; git commit -q --allow-empty -m "only here"'),
      ...begun(1),
      bash('git -C "$REPO/worktrees/issue-1" log -1 --format=%s', { stdout: 'only here\n' }),
    ],
  },
  {
    name: 'the worktree begins at origin/main, not at the HEAD of the checkout',
    section: '0',
    dialects: ['b', 'c'],
    steps: [
      bash('cd "$REPO"; git commit -q --allow-empty -m "only here"'),
      ...begun(1),
      bash('git -C "$REPO/worktrees/issue-1" log -1 --format=%s', { stdout: 'start\n' }),
    ],
  },
  {
    name: 'the same number in two projects wedges the queue until the completed one is cleaned up',
    section: '4',
    dialects: ['b', 'c'],
    project: { stages: STAGES.ok, two: true },
    steps: [
      ...begun(42),
      checkIn({ issue: 42, action: 'completed' }),
      addedOther(42),
      checkIn({ issue: 42, action: 'queue_started' }),
      checkIn({ issue: 42, action: 'completed', message: 'pipeline already completed' }),
      checkIn({ issue: 42, action: 'completed', message: 'pipeline already completed' }),
      factory(['pipeline', 'cleanup', '42']),
      checkIn({ issue: 42, action: 'completed', stage: 'one', message: '' }),
    ],
  },
  {
    name: 'cleanup fails on the unmerged branch after it removed the worktree; the second works',
    section: '4',
    steps: [
      ...begun(42),
      checkIn({ action: 'completed' }),
      bash('cd "$REPO/worktrees/issue-42"; git commit -q --allow-empty -m unmerged'),
      factory(['pipeline', 'cleanup', '42'], { rc: 1 }),
      bash('test ! -e "$REPO/worktrees/issue-42"'),
      factory(['pipeline', 'cleanup', '42']),
      factory(STATUS, { stdout: 'null\n' }),
    ],
    dialects: ['b', 'c'],
  },
  {
    name: 'a second check-in during a stage skips at once',
    section: '4',
    dialects: ['design', 'a'],
    project: SLOW_CHECK,
    steps: [
      ...begun(42),
      ...IN_STAGE,
      checkIn({ issue: 42, action: 'skip', message: 'in_progress, another advance may be running' }),
      factory(STATUS, { json: [{ status: 'in_progress' }] }),
    ],
  },
  {
    name: 'a second check-in during a stage without a session runs it a second time',
    section: '4',
    dialects: ['b', 'c'],
    project: { stages: STAGES.long.replace('20', '2') },
    steps: [
      ...begun(42),
      ...IN_STAGE,
      checkIn({ issue: 42, action: 'completed' }),
      ended('stage'),
      factory(STATUS, { json: [{ stage_history: [{ stage: 'one' }, { stage: 'one' }] }] }),
    ],
  },
  {
    name: 'a second check-in during a stage with an active session skips',
    section: '4',
    dialects: ['b', 'c'],
    project: AGENT,
    slow: true,
    settings: { STANDIN_CLAUDE_MODE: 'hang' },
    steps: [
      ...begun(42),
      start('first', CHECK_IN),
      until(['session', 'list'], /42-implement-1 .* active/),
      checkIn({ issue: 42, action: 'skip', message: 'session active, within timeout' }),
    ],
  },
  {
    name: 'overlap at the pop: one starts the pipeline, the other marks its row failed',
    section: '4',
    settings: { STANDIN_GH_DELAY_SECONDS: '1' },
    steps: [
      added(42),
      // An intent to derive keeps the row pending while a slow gh is asked.
      factory(['queue', 'set-intent', '42', '']),
      start('first', CHECK_IN),
      bash('until grep -q "issue view" "$BOX/calls" 2>/dev/null; do sleep 0.02; done'),
      // It stays behind the first one, which has asked already.
      start('second', CHECK_IN, { STANDIN_GH_DELAY_SECONDS: '2' }),
      ended('first', { json: { actions: [{ issue: 42, action: 'queue_started' }] } }),
      ended('second', { json: { actions: [{ issue: 42, action: 'fail' }] } }),
      queueIs([42, 'failed']),
      factory(STATUS, { json: [{ issue: 42, status: 'pending' }] }),
    ],
  },
  {
    name: 'an agent’s stage: a session N-STAGE-ATTEMPT, its hooks, its commit, its log',
    section: '4, 6, 7',
    slow: true,
    project: AGENT,
    settings: { STANDIN_CLAUDE_WORK_SECONDS: '2' },
    steps: [
      ...begun(42),
      start('stage', CHECK_IN),
      until(['session', 'list'], /42-implement-1 .* active/),
      factory(STATUS, {
        json: [{ status: 'in_progress', session: '42-implement-1', session_state: 'active' }],
      }),
      bash(`tmux display -p -t =42-implement-1: '#{window_width}x#{window_height}'`, { stdout: '80x24\n' }),
      bash(`jq -r '.hooks.Stop[].hooks[].command' "$REPO/worktrees/issue-42/.claude/settings.local.json"`, {
        stdout: /^\/\S+ event log --session 42-implement-1 --issue 42 --stage implement --event idle\n$/,
      }),
      ended('stage', { json: { actions: [{ issue: 42, action: 'completed', session: '42-implement-1' }] } }),
      // `session` stays set: it does not mean that the session is alive.
      factory(STATUS, {
        json: [{ status: 'completed', session: '42-implement-1', session_state: 'exited' }],
      }),
      factory(['session', 'list'], { stdout: 'No active sessions.\n' }),
      queueIs([42, 'completed']),
      bash('git -C "$REPO/worktrees/issue-42" log --oneline origin/main.. | wc -l', { stdout: '1\n' }),
      bash('cd "$(find "$HOME/.factory/pipelines" -name attempt-1)"; ls', {
        stdout: /prompt\.md\n(.*\n)*session\.log\n/,
      }),
    ],
  },
  {
    name: 'claude is called with a model',
    section: '0',
    dialects: ['b', 'c'],
    slow: true,
    project: AGENT,
    steps: [
      ...begun(42),
      checkIn({ action: 'completed' }),
      sessionLog({
        stdout: /claude --model claude-opus-4-6/,
      }),
    ],
  },
  {
    name: 'a token in the environment is typed into the pane, visible and wrapped',
    section: '6',
    dialects: ['design', 'a', 'b'],
    slow: true,
    project: AGENT,
    steps: [
      ...begun(42),
      factoryEnv({ CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-FAKE-TOKEN' }, CHECK_IN, {
        json: { actions: [{ action: 'completed' }] },
      }),
      bash('cat "$(find "$HOME/.factory/pipelines" -name session.log)" | tr -d "\\n"', {
        stdout: /export CLAUDE_CODE_OAUTH_TOKEN='sk-ant-oat01-FAKE-TOKEN'/,
      }),
    ],
  },
  {
    name: 'a token in DATA/.env is typed too; without either none is',
    section: '6',
    dialects: ['design', 'a', 'b'],
    slow: true,
    project: { stages: `${STAGES.agent}    - id: implement2\n      prompt_template: p.md\n` },
    steps: [
      bash('cd "$REPO"; echo hello >p.md; git add p.md; git commit -qm p; git push -q origin main'),
      ...begun(42),
      checkIn({ action: 'advanced' }),
      bash('cat "$(find "$HOME/.factory/pipelines" -path "*/implement/*" -name session.log)"', {
        absent: /CLAUDE_CODE_OAUTH_TOKEN/,
      }),
      bash('echo CLAUDE_CODE_OAUTH_TOKEN=sk-ant-oat01-ENV >"$HOME/.factory/.env"'),
      checkIn({ action: 'completed' }),
      bash(
        'cat "$(find "$HOME/.factory/pipelines" -path "*/implement2/*" -name session.log)" | tr -d "\\n"',
        {
          stdout: /CLAUDE_CODE_OAUTH_TOKEN='sk-ant-oat01-ENV'/,
        },
      ),
    ],
  },
  {
    name: 'neither a token nor DATABASE_URL is typed, but the env of the project is',
    section: '6',
    dialects: ['c'],
    slow: true,
    project: { stages: `  env: {GREETING: hello}${STAGES.agent}` },
    steps: [
      ...begun(42),
      factoryEnv({ CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-FAKE-TOKEN' }, CHECK_IN, {
        json: { actions: [{ action: 'completed' }] },
      }),
      sessionLog({ stdout: /export GREETING='hello'/, absent: /CLAUDE_CODE_OAUTH_TOKEN|DATABASE_URL/ }),
    ],
  },
  {
    name: 'an un-ignored .claude/ costs one more round',
    section: '7',
    slow: true,
    project: { stages: STAGES.agent, ignoreNothing: true },
    steps: [
      ...begun(42),
      checkIn({ action: 'completed' }),
      sessionLog({ stdout: /uncommitted changes/ }),
      bash('git -C "$REPO/worktrees/issue-42" status --porcelain', { stdout: '' }),
    ],
  },
  {
    name: 'claude without hooks: an unchanged pane counts as idle',
    section: '7',
    slow: true,
    project: AGENT,
    settings: { STANDIN_CLAUDE_MODE: 'no-hooks' },
    steps: [...begun(42), checkIn({ action: 'completed', session: '42-implement-1' })],
  },
  {
    name: 'claude missing in the pane: bash executes the prompt, and the stage counts as a success',
    section: '0, 6',
    slow: true,
    project: AGENT,
    steps: [
      // The login shell's PATH has no claude any more.
      bash(`sed -i "s,^export PATH=[^ ]*,export PATH=/usr/bin:/bin," "$HOME/.bash_profile"
            ! env -i HOME="$HOME" bash -lc 'command -v claude'`),
      ...begun(42),
      checkIn({ action: 'completed', session: '42-implement-1' }),
      sessionLog({
        stdout: /claude: command not found/,
      }),
    ],
  },
  {
    name: 'claude exits: blocked, and the shell is left in tmux',
    section: '7',
    slow: true,
    project: AGENT,
    settings: { STANDIN_CLAUDE_MODE: 'exit' },
    steps: [
      ...begun(42),
      checkIn({ issue: 42, action: 'escalate', stage: 'implement' }),
      factory(STATUS, { json: [{ status: 'blocked', session_state: 'exited' }] }),
      bash('tmux has-session -t =42-implement-1'),
      factory(['session', 'list'], { stdout: /^42-implement-1 +no-db$/m }),
      checkIn({ issue: 42, action: 'skip' }),
    ],
  },
  {
    name: 'past defaults.timeout: session killed, blocked',
    section: '7',
    slow: true,
    project: { stages: `  defaults: {timeout: ${process.env['FACTORY_BIN'] ? '40s' : '2s'}}${STAGES.agent}` },
    settings: { STANDIN_CLAUDE_MODE: 'hang' },
    steps: [
      ...begun(42),
      checkIn({ issue: 42, action: 'escalate', stage: 'implement' }),
      factory(STATUS, { json: [{ status: 'blocked' }] }),
      bash('! tmux has-session -t =42-implement-1 2>&1'),
    ],
  },
  {
    name: 'the rate-limit screen is a success',
    section: '0',
    dialects: ['design', 'a'],
    slow: true,
    project: AGENT,
    settings: { STANDIN_CLAUDE_MODE: 'limit' },
    steps: [added(42), checkIn({ action: 'queue_started' }), checkIn({ action: 'completed' })],
  },
  {
    name: 'the rate-limit screen: rate_limited, tried again on each check-in',
    section: '4',
    dialects: ['b', 'c'],
    slow: true,
    project: AGENT,
    settings: { STANDIN_CLAUDE_MODE: 'limit' },
    steps: [
      ...begun(42),
      checkIn({ issue: 42, action: 'rate_limited', stage: 'implement' }),
      factory(STATUS, { json: [{ status: 'rate_limited' }], absent: /stage_history/ }),
      bash('! tmux has-session -t =42-implement-1 2>&1'),
      queueIs([42, 'active']),
      set({ STANDIN_CLAUDE_MODE: 'work' }),
      checkIn({ issue: 42, action: 'completed' }),
      queueIs([42, 'completed']),
    ],
  },
  merged('keeps the worktree', ['design', 'a'], 'test -d "$REPO/worktrees/issue-42"'),
  merged('removes the worktree', ['b'], 'test ! -e "$REPO/worktrees/issue-42"'),
];
