// Section 3: status; and the pipeline verbs it reports on.
import {
  added,
  bash,
  begun,
  type Case,
  checkIn,
  factory,
  factoryIn,
  NEUTRAL,
  queueIs,
  STAGES,
  STATUS,
} from '../case.ts';

export const STATUS_CASES: readonly Case[] = [
  {
    name: 'without pipelines: null, or one sentence',
    section: '3',
    steps: [
      factory(STATUS, { stdout: 'null\n', stderr: '' }),
      factory(['status'], { stdout: 'No pipelines found.\n', stderr: '' }),
      factory(['status', '--format', 'yaml'], { stdout: 'No pipelines found.\n' }),
      factory(['orchestrator', 'status', '--format', 'json'], { stdout: 'null\n' }),
    ],
  },
  {
    name: 'status and check-in need a pipeline.yaml in the directory itself',
    section: '3',
    steps: [
      ...[STATUS, ['orchestrator', 'check-in']].map((argv) =>
        factoryIn((box) => `${box.dir}/empty`, argv, {
          error:
            /^load config: no pipeline config found \(searched: \[pipeline\.yaml \/.*\/home\/\.factory\/config\.yaml\]\)$/,
        }),
      ),
      bash('mkdir "$REPO/sub"'),
      factoryIn((box) => `${box.repo}/sub`, STATUS, { error: /^load config: no pipeline config found/ }),
    ],
  },
  {
    name: '~/.factory/config.yaml serves where there is no pipeline.yaml',
    section: '3',
    steps: [
      bash('mkdir -p "$HOME/.factory" "$REPO/sub"; echo "pipeline: {}" >"$HOME/.factory/config.yaml"'),
      factoryIn((box) => `${box.repo}/sub`, STATUS, { stdout: 'null\n' }),
    ],
  },
  {
    name: 'they need a git repository around the directory',
    section: '3',
    steps: [
      bash('echo "pipeline: {}" >"$BOX/empty/pipeline.yaml"'),
      factoryIn((box) => `${box.dir}/empty`, STATUS, { error: 'not in a git repository' }),
      bash(
        'git init -q "$BOX/empty"; mkdir "$BOX/empty/sub"; cp "$BOX/empty/pipeline.yaml" "$BOX/empty/sub"',
      ),
      factoryIn((box) => `${box.dir}/empty/sub`, STATUS, { stdout: 'null\n' }),
    ],
  },
  {
    name: 'broken YAML is an error',
    section: '3',
    steps: [
      bash('printf "pipeline:\\n\\tname: x\\n" >"$REPO/pipeline.yaml"'),
      factory(STATUS, { error: /^load config: parsing config YAML: / }),
      bash('echo "pipeline: [one" >"$REPO/pipeline.yaml"'),
      factory(STATUS, { error: /^load config: parsing config YAML: / }),
    ],
  },
  {
    name: 'the JSON of a pipeline, without session_state where there is no session',
    section: '3',
    steps: [
      ...begun(42),
      factory(STATUS, {
        json: [
          {
            issue: 42,
            status: 'pending',
            stage: 'one',
            attempt: 1,
            session: '',
            branch: 'feature/issue-42',
            fix_round: 0,
          },
        ],
        absent: /session_state|stage_history|goal_gates/,
      }),
      checkIn({ issue: 42, action: 'completed' }),
      factory(STATUS, {
        json: [
          {
            status: 'completed',
            stage_history: [
              { stage: 'one', attempt: 1, outcome: 'success', fix_rounds: 0, checks_first_pass: true },
            ],
          },
        ],
        absent: /session_state|goal_gates/,
      }),
      factory(['orchestrator', 'status', '--format', 'json'], { json: [{ issue: 42, status: 'completed' }] }),
      factory(['pipeline', 'status', '42', '--format', 'json'], { json: { issue: 42, status: 'completed' } }),
    ],
  },
  {
    name: 'the table',
    section: '3',
    steps: [
      ...begun(42),
      factory(['status'], {
        stdout:
          /^ISSUE {4}STATUS {7}STAGE {10}ATT {2}SESSION {14}TITLE\n-{8} -{12} -{14} -{4} -{20} -{5}\n42 {7}pending {6}one {12}1 {25}\S/,
      }),
    ],
  },
  {
    name: 'it shows all pipelines of the store, whatever project the directory is',
    section: '3',
    steps: [
      ...begun(42),
      NEUTRAL,
      factoryIn((box) => `${box.dir}/neutral`, STATUS, { json: [{ issue: 42 }] }),
    ],
  },
  {
    name: 'pipeline list works in any directory, in text',
    section: '3',
    steps: [
      factoryIn((box) => `${box.dir}/empty`, ['pipeline', 'list'], { stdout: 'No pipelines found.\n' }),
      ...begun(42),
      factoryIn((box) => `${box.dir}/empty`, ['pipeline', 'list'], { stdout: /^42 +pending +one /m }),
    ],
  },
  {
    name: 'the queue is not the pipelines: fail and abort never touch the row, which blocks nobody',
    section: '3',
    steps: [
      added(1),
      added(2),
      checkIn({ issue: 1, action: 'queue_started' }),
      factory(['pipeline', 'fail', '1']),
      queueIs([1, 'active'], [2, 'pending']),
      checkIn({ issue: 2, action: 'queue_started' }),
      factory(['pipeline', 'abort', '2']),
      queueIs([1, 'active'], [2, 'active']),
      factory(STATUS, {
        json: [
          { issue: 1, status: 'failed' },
          { issue: 2, status: 'failed' },
        ],
      }),
    ],
  },
  {
    name: 'pipeline fail turns a completed pipeline into a failed one',
    section: '3',
    steps: [
      ...begun(1),
      checkIn({ action: 'completed' }),
      factory(['pipeline', 'fail', '1']),
      factory(STATUS, { json: [{ issue: 1, status: 'failed' }] }),
      queueIs([1, 'completed']),
    ],
  },
  {
    name: 'a pipeline that is not there',
    section: '3',
    steps: ['status', 'advance', 'retry', 'fail', 'abort', 'cleanup'].map((verb) =>
      factory(['pipeline', verb, '99'], { error: /pipeline 99 not found/, stdout: '' }),
    ),
  },
  {
    name: 'pipeline.json and its neighbours',
    section: '6',
    project: { stages: STAGES.two },
    steps: [
      ...begun(42),
      bash('ls "$HOME/.factory/pipelines/42/issue.json"'),
      bash('cat "$(find "$HOME/.factory/pipelines" -name pipeline.json)"', {
        json: {
          issue: 42,
          feature_intent: 'Users get X.',
          branch: 'feature/issue-42',
          current_stage: 'one',
          current_attempt: 1,
          current_fix_round: 0,
          stage_history: [],
          status: 'pending',
        },
        stdout: /"created_at": ?"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"/,
      }),
      bash('git -C "$REPO/worktrees/issue-42" rev-parse --abbrev-ref HEAD', { stdout: 'feature/issue-42\n' }),
      checkIn({ action: 'advanced' }),
      checkIn({ action: 'completed' }),
      // The worktree stays after the completion.
      bash('test -d "$REPO/worktrees/issue-42"'),
    ],
  },
  {
    name: 'below the namespace’s folders, issue.json in the flat one',
    section: '6',
    dialects: ['b', 'c'],
    steps: [
      ...begun(42),
      bash('cd "$HOME/.factory/pipelines" && ls 42 acme/demo/42/pipeline.json', {
        stdout: 'acme/demo/42/pipeline.json\n\n42:\nissue.json\n',
      }),
      bash('cat "$HOME/.factory/pipelines/acme/demo/42/pipeline.json"', { json: { namespace: 'acme/demo' } }),
      bash('ls "$HOME/.factory/discord_cursor.json"'),
    ],
  },
];
