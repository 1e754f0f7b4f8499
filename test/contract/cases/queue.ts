// Section 2: the queue.
import {
  add,
  added,
  addedOther,
  bash,
  begun,
  type Case,
  CHECK_IN,
  checkIn,
  factory,
  factoryEnv,
  factoryIn,
  QUEUE,
  queueIs,
  STAGES,
  set,
} from '../case.ts';

const TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/;
/** RFC 3339 with microseconds, of which Go drops the zeros at the end, in the local zone. */
const TIME_C = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$/;
const KEYS_A = ['ID', 'Issue', 'Status', 'Position', 'FeatureIntent', 'AddedAt', 'StartedAt', 'FinishedAt'];
const KEYS_B = [
  ...['ID', 'Namespace', 'Issue', 'Status', 'Position', 'FeatureIntent', 'ConfigPath', 'DependsOn'],
  ...['AddedAt', 'StartedAt', 'FinishedAt'],
];

function sameKeys(keys: readonly string[], time = TIME): (outcome: { stdout: string }) => void {
  return ({ stdout }) => {
    const [row] = JSON.parse(stdout) as Record<string, unknown>[];
    const got = Object.keys(row ?? {}).sort();
    if (got.join() !== [...keys].sort().join()) throw new Error(`keys: ${got.join()}`);
    if (!time.test(String(row?.['AddedAt']))) throw new Error(`AddedAt: ${String(row?.['AddedAt'])}`);
  };
}

/** Adds issue 1 with a config whose `repo:` is REPO, and expects this namespace. */
function namespaceOf(repo: string, namespace: string): Case {
  return {
    name: `namespace of repo: ${repo} is ${namespace || 'empty'}`,
    section: '2',
    dialects: ['b', 'c'],
    project: null,
    steps: [
      bash(`mkdir "$BOX/p"; printf 'pipeline:\\n  repo: "%s"\\n' '${repo}' >"$BOX/p/pipeline.yaml"`),
      factoryIn(
        (box) => `${box.dir}/p`,
        ['queue', 'add', '1', '--config', 'pipeline.yaml', '--intent', 'x'],
        { stdout: 'Added 1 issue(s) to the queue\n' },
      ),
      factoryIn((box) => box.dir, QUEUE, { json: [{ Issue: 1, Namespace: namespace }] }),
    ],
  };
}

export const QUEUE_CASES: readonly Case[] = [
  {
    name: 'an empty queue is the literal null, or one sentence',
    section: '2',
    steps: [
      factory(QUEUE, { stdout: 'null\n', stderr: '' }),
      factory(['queue', 'list'], { stdout: 'Queue is empty\n', stderr: '' }),
    ],
  },
  {
    name: 'first use makes the folder and the database, and leaves no -wal or -shm',
    section: '2, 6',
    dialects: ['design', 'a', 'b'],
    project: null,
    steps: [
      factoryIn((box) => box.dir, QUEUE, { stdout: 'null\n' }),
      bash('ls "$HOME/.factory"', { stdout: 'factory.db\n' }),
      bash('sqlite3 "$HOME/.factory/factory.db" "PRAGMA journal_mode"', { stdout: 'wal\n' }),
      bash(
        `sqlite3 "$HOME/.factory/factory.db" "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"`,
        { stdout: 'check_runs\nissue_queue\npipeline_events\nschema_version\nsession_events\n' },
      ),
    ],
  },
  {
    name: 'a row has these keys, times in UTC without a zone',
    section: '2',
    dialects: ['a'],
    steps: [
      added(42),
      factory(QUEUE, { check: sameKeys(KEYS_A) }),
      factory(QUEUE, {
        json: [
          {
            Issue: 42,
            Status: 'pending',
            Position: 1,
            FeatureIntent: 'Users get X.',
            StartedAt: '',
            FinishedAt: '',
          },
        ],
      }),
    ],
  },
  {
    name: 'a row has these keys, times in UTC without a zone',
    section: '2',
    dialects: ['b'],
    steps: [
      added(42),
      factory(QUEUE, { check: sameKeys(KEYS_B) }),
      factory(QUEUE, {
        json: [{ Issue: 42, Namespace: 'acme/demo', DependsOn: null, StartedAt: '', FinishedAt: '' }],
        check: ({ stdout }, box) => {
          if (!stdout.includes(`"ConfigPath": "${box.repo}/pipeline.yaml"`)) throw new Error(stdout);
        },
      }),
    ],
  },
  {
    name: 'a row has the keys of dialect b, times in RFC 3339 with the local zone',
    section: '2',
    dialects: ['c'],
    steps: [
      added(42),
      factory(QUEUE, { check: sameKeys(KEYS_B, TIME_C) }),
      factoryEnv({ TZ: 'Etc/GMT-1' }, QUEUE, { stdout: /"AddedAt": "[^"]*\+01:00"/ }),
      factoryEnv({ TZ: 'UTC' }, QUEUE, { stdout: /"AddedAt": "[^"]*Z"/ }),
      factory(QUEUE, {
        json: [{ Issue: 42, Namespace: 'acme/demo', DependsOn: null, StartedAt: '', FinishedAt: '' }],
      }),
    ],
  },
  {
    name: 'the database must exist; its tables are made by every command, in version 1',
    section: '8',
    dialects: ['c'],
    steps: [
      factoryEnv(({ env }) => ({ DATABASE_URL: env['DATABASE_URL']?.replace(/d\d+\?/, 'nosuch?') }), QUEUE, {
        error: /database "nosuch" does not exist/,
      }),
      factory(['event', 'log', '--session', '1-s-1', '--issue', '1', '--stage', 's', '--event', 'idle']),
      bash('psql -XAtc "SELECT max(version) FROM schema_version" "$DATABASE_URL"', { stdout: '1\n' }),
      bash('psql -XAtc "DROP TABLE issue_queue" "$DATABASE_URL"', { stdout: 'DROP TABLE\n' }),
      factory(QUEUE, { stdout: 'null\n' }),
    ],
  },
  {
    name: 'two rows of one position are listed',
    section: '2',
    dialects: ['c'],
    steps: [
      added(1),
      added(2),
      bash('psql -XAtc "UPDATE issue_queue SET position = 1" "$DATABASE_URL"', { stdout: 'UPDATE 2\n' }),
      queueIs([1, 'pending'], [2, 'pending']),
    ],
  },
  {
    name: 'a row has the keys of dialect a and its Project',
    section: '2',
    dialects: ['design'],
    steps: [
      added(42),
      factory(QUEUE, { check: sameKeys([...KEYS_A, 'Project']), json: [{ Issue: 42, Project: 'demo' }] }),
    ],
  },
  {
    name: '--project and --issue are required, and add runs in any directory',
    section: '2',
    dialects: ['design'],
    steps: [
      factory(['queue', 'add', '--project', 'p'], { error: 'required flag(s) "issue" not set' }),
      factory(['queue', 'add', '--issue', '1'], { error: 'required flag(s) "project" not set' }),
      factory(['queue', 'add', '42'], { rc: 1 }),
      factoryIn(() => '/', ['queue', 'add', '--project', 'p', '--issue', '5', '--intent', 'x'], {
        stdout: 'Added 1 issue(s) to the queue\n',
      }),
      factory(QUEUE, { json: [{ Issue: 5, Project: 'p' }] }),
    ],
  },
  {
    name: 'numbers that are none',
    section: '2',
    steps: [
      ...['abc', '0', '42.5', '#42', '1e3', '9223372036854775808'].map((text) =>
        factory(add(text, '--intent', 'x'), {
          error: `invalid issue number "${text}": must be a positive integer`,
        }),
      ),
      factory(QUEUE, { stdout: 'null\n' }),
    ],
  },
  {
    name: '007 and +8 are 7 and 8',
    section: '2',
    steps: [
      factory(add('007', '--intent', 'x')),
      factory(add('+8', '--intent', 'x')),
      queueIs([7, 'pending'], [8, 'pending']),
    ],
  },
  {
    name: 'several at once share the intent, in order',
    section: '2',
    dialects: ['a', 'b', 'c'],
    steps: [
      factory((box) => [...add('3')(box), '1', '2', '--intent', 'same'], {
        stdout: 'Added 3 issue(s) to the queue\n',
      }),
      factory(QUEUE, {
        json: [
          { Issue: 3, Position: 1, FeatureIntent: 'same' },
          { Issue: 1, Position: 2, FeatureIntent: 'same' },
          { Issue: 2, Position: 3, FeatureIntent: 'same' },
        ],
      }),
    ],
  },
  {
    name: 'no number is an error',
    section: '2',
    dialects: ['a'],
    steps: [
      factory(['queue', 'add', '--intent', 'x'], { error: 'requires at least 1 arg(s), only received 0' }),
    ],
  },
  {
    name: 'a number that is queued is refused',
    section: '2',
    steps: [
      added(42),
      factory(add('42', '--intent', 'other'), { error: 'issue 42 is already in the queue', stdout: '' }),
      factory(QUEUE, { json: [{ Issue: 42, FeatureIntent: 'Users get X.' }] }),
    ],
  },
  {
    name: 'add is one transaction: one duplicate adds none',
    section: '2',
    dialects: ['a', 'b', 'c'],
    steps: [
      added(42),
      factory((box) => [...add('43')(box), '42', '--intent', 'x'], {
        error: 'issue 42 is already in the queue',
      }),
      factory((box) => [...add('44')(box), '44', '--intent', 'x'], {
        error: 'issue 44 is already in the queue',
      }),
      queueIs([42, 'pending']),
    ],
  },
  {
    name: 'a completed row counts as a duplicate; removed and added again it fails until the pipeline is cleaned up',
    section: '2',
    steps: [
      ...begun(14),
      checkIn({ issue: 14, action: 'completed', stage: 'one' }),
      factory(add('14', '--intent', 'x'), { error: 'issue 14 is already in the queue' }),
      factory(['queue', 'remove', '14'], { stdout: 'Removed issue #14 from the queue\n' }),
      added(14),
      factory(CHECK_IN, {
        json: { actions: [{ issue: 14, action: 'fail' }] },
        stdout: /issue-14' already exists/,
      }),
      queueIs([14, 'failed']),
      factory(['pipeline', 'cleanup', '14']),
      factory(['queue', 'remove', '14']),
      ...begun(14),
    ],
  },
  {
    name: 'positions grow from the largest; removing leaves gaps',
    section: '2',
    steps: [
      added(1),
      added(2),
      factory(['queue', 'remove', '1']),
      added(3),
      factory(QUEUE, {
        json: [
          { Issue: 2, Position: 2 },
          { Issue: 3, Position: 3 },
        ],
      }),
    ],
  },
  {
    name: 'set-intent',
    section: '2',
    steps: [
      added(43),
      factory(['queue', 'set-intent', '43', 'new words'], { stdout: 'Set feature intent for issue #43\n' }),
      factory(QUEUE, { json: [{ Issue: 43, FeatureIntent: 'new words' }] }),
      factory(['queue', 'set-intent', '43', ''], { stdout: 'Set feature intent for issue #43\n' }),
      factory(['queue', 'set-intent', '999', 'x'], { error: 'issue 999 not found in queue' }),
      factory(['queue', 'set-intent', '43'], { error: 'accepts 2 arg(s), received 1' }),
    ],
  },
  {
    name: 'remove',
    section: '2',
    steps: [
      added(43),
      factory(['queue', 'remove', '43'], { stdout: 'Removed issue #43 from the queue\n' }),
      factory(['queue', 'remove', '43'], { error: 'issue 43 not found in queue', stdout: '' }),
      factory(['queue', 'remove', '43', '44'], { error: 'accepts 1 arg(s), received 2' }),
    ],
  },
  {
    name: 'clear',
    section: '2',
    steps: [
      factory(['queue', 'clear', '--confirm'], { stdout: 'Cleared 0 item(s) from the queue\n' }),
      added(1),
      added(2),
      factory(['queue', 'clear'], { error: 'use --confirm to clear the entire queue' }),
      factory(['queue', 'clear', '--confirm'], { stdout: 'Cleared 2 item(s) from the queue\n' }),
      queueIs(),
    ],
  },
  {
    name: 'the table; any other --format is the table',
    section: '2',
    dialects: ['design', 'a'],
    steps: [
      added(1),
      factory(['queue', 'list'], {
        stdout: /^POS +ISSUE +STATUS +INTENT +ADDED\n1 +#1 +pending +Users get X\. +20/,
      }),
      factory(['queue', 'list', '--format', 'yaml'], { stdout: /^POS +ISSUE +STATUS +INTENT +ADDED\n/ }),
    ],
  },
  {
    name: 'the table has the dependencies',
    section: '2',
    dialects: ['b', 'c'],
    steps: [
      added(41),
      factory(add('43', '--depends-on', '42,#41', '--intent', 'x')),
      factory(['queue', 'list'], { stdout: /^POS +ISSUE +STATUS +INTENT +DEPS +ADDED\n/ }),
      factory(['queue', 'list'], { stdout: /#43 +pending +x +\[waits: #42, #41\] +20/ }),
      factory(QUEUE, { json: [{ DependsOn: null }, { DependsOn: [42, 41] }] }),
    ],
  },
  {
    name: 'an intent is cut at 47 bytes in the table, whole in the JSON',
    section: '2',
    steps: [
      factory(add('1', '--intent', 'abcdefghij'.repeat(6))),
      factory(['queue', 'list'], {
        stdout: / (abcdefghij){4}abcdefg\.\.\. /,
      }),
      factory(QUEUE, { json: [{ FeatureIntent: 'abcdefghij'.repeat(6) }] }),
    ],
  },
  {
    name: 'an intent of any text comes back from the JSON',
    section: '2',
    steps: [
      factory(add('1', '--intent', `it's "a" \\ test;\n--\n.quit\tü€😀 $(false) \`x\` <b>&`)),
      factory(QUEUE, { json: [{ FeatureIntent: `it's "a" \\ test;\n--\n.quit\tü€😀 $(false) \`x\` <b>&` }] }),
    ],
  },
  {
    name: 'without an intent it is derived, with two lines on stdout',
    section: '2',
    steps: [
      factory(add('45'), {
        stdout:
          /^issue #45: deriving feature intent\.\.\.\nissue #45: .+\nAdded 1 issue\(s\) to the queue\n$/,
      }),
      bash('cut -f1,3 "$BOX/calls"', {
        stdout:
          /^gh\tissue view 45 --json number,title,body,state,labels,milestone\nclaude\t--print --model haiku /,
      }),
    ],
  },
  {
    name: 'an empty --intent is none',
    section: '2',
    steps: [factory(add('45', '--intent', ''), { stdout: /deriving feature intent/ })],
  },
  {
    name: 'NO_INTENT is an error',
    section: '2',
    settings: { STANDIN_CLAUDE_MODE: 'no-intent' },
    steps: [factory(add('46'), { error: /could not derive feature intent/ }), queueIs()],
  },
  {
    name: 'a failing gh is an error',
    section: '2',
    settings: { STANDIN_GH_MODE: 'down' },
    steps: [factory(add('47'), { error: /^issue #47: failed to fetch from GitHub: / }), queueIs()],
  },
  {
    name: 'add in a directory that is no project',
    section: '2',
    steps: [
      factoryIn((box) => `${box.dir}/empty`, add('1', '--intent', 'x'), {
        stdout: 'Added 1 issue(s) to the queue\n',
      }),
      factoryIn((box) => `${box.dir}/empty`, QUEUE, { json: [{ Issue: 1 }] }),
    ],
  },
  {
    name: 'FACTORY_DATA_DIR is ignored',
    section: '0',
    dialects: ['design', 'a'],
    steps: [
      factoryEnv({ FACTORY_DATA_DIR: '/nonexistent/data' }, add('1', '--intent', 'x')),
      bash('ls "$HOME/.factory/factory.db"'),
    ],
  },
  {
    name: 'FACTORY_DATA_DIR is honoured',
    section: '0',
    dialects: ['b'],
    steps: [
      bash('mkdir "$BOX/data"'),
      factoryEnv((box) => ({ FACTORY_DATA_DIR: `${box.dir}/data` }), add('1', '--intent', 'x')),
      bash('ls "$BOX/data/factory.db" && ! ls "$HOME/.factory/factory.db"'),
    ],
  },
  {
    name: 'without HOME',
    section: '6',
    dialects: ['a'],
    steps: [
      factoryEnv({ HOME: '', STANDIN_FACTORY_DIALECT: 'a' }, QUEUE, {
        error: 'get home directory: $HOME is not defined',
      }),
    ],
  },
  {
    name: 'without HOME the database is in ./.factory',
    section: '6',
    dialects: ['b'],
    steps: [
      factoryEnv({ HOME: '', STANDIN_FACTORY_DIALECT: 'b' }, QUEUE, { stdout: 'null\n' }),
      bash('ls "$REPO/.factory/factory.db"'),
    ],
  },
  {
    name: 'a locked database is rc 1 with SQLite’s words',
    section: '2',
    dialects: ['design', 'a', 'b'],
    settings: { STANDIN_FACTORY_BUSY_MILLISECONDS: '50' },
    slow: true,
    steps: [
      factory(QUEUE, { stdout: 'null\n' }),
      bash(
        `printf 'BEGIN IMMEDIATE;\\n.shell touch "$BOX/locked"; sleep ${process.env['FACTORY_BIN'] ? 40 : 1.5}\\nROLLBACK;\\n' |
           sqlite3 "$HOME/.factory/factory.db" >/dev/null 2>&1 &
         until [ -e "$BOX/locked" ]; do sleep 0.02; done`,
      ),
      factory(add('5', '--intent', 'x'), { error: /^insert issue 5: database is locked/ }),
    ],
  },
  {
    name: '--config is required',
    section: '2',
    dialects: ['b', 'c'],
    steps: [factory(['queue', 'add', '1', '--intent', 'x'], { error: /config/ })],
  },
  {
    name: '--config is made absolute and must exist, nothing more',
    section: '2',
    dialects: ['b', 'c'],
    steps: [
      factory(['queue', 'add', '1', '--config', 'nope.yaml', '--intent', 'x'], {
        error: /^config file "\/.*\/demo\/nope\.yaml" not found$/,
      }),
      factory(['queue', 'add', '1', '--config', '.', '--intent', 'x']),
      factory(QUEUE, { json: [{ Issue: 1, Namespace: '' }] }),
      checkIn({ issue: 1, action: 'fail' }),
      queueIs([1, 'failed']),
    ],
  },
  {
    name: 'order of checks: --config, --depends-on, numbers',
    section: '2',
    dialects: ['b', 'c'],
    steps: [
      factory(['queue', 'add', 'abc', '--config', '/nope.yaml', '--depends-on', 'x', '--intent', 'x'], {
        error: 'config file "/nope.yaml" not found',
      }),
      factory(add('abc', '--depends-on', 'a', '--intent', 'x'), {
        error: /^invalid --depends-on value "a": /,
      }),
      factory(add('44', '--depends-on', '44', '--intent', 'x'), {
        error: 'issue #44 cannot depend on itself',
      }),
      factory(add('44', '--depends-on', '1,#1', '--intent', 'x'), {
        error: 'duplicate issue 1 in --depends-on',
      }),
      bash('ls "$HOME/.factory/factory.db"', { rc: 2 }),
    ],
  },
  {
    name: 'a dependency that is not queued is satisfied, one that failed never is',
    section: '2',
    dialects: ['b', 'c'],
    steps: [
      factory(add('10', '--intent', 'x')),
      set({ STANDIN_GH_MODE: 'down' }),
      checkIn({ issue: 10, action: 'fail' }),
      set({}),
      factory(add('11', '--depends-on', '10', '--intent', 'x')),
      checkIn(),
      factory(['orchestrator', 'check-in'], { stdout: 'No active pipelines.\n' }),
      factory(add('12', '--depends-on', '99', '--intent', 'x')),
      checkIn({ issue: 12, action: 'queue_started' }),
      queueIs([10, 'failed'], [11, 'pending'], [12, 'active']),
    ],
  },
  namespaceOf('github.com/acme/demo', 'acme/demo'),
  namespaceOf('https://github.com/acme/x.git', 'acme/x.git'),
  namespaceOf('git@github.com:acme/z.git', 'git@github.com:acme/z.git'),
  namespaceOf('gitlab.example/g/sub/proj', 'g/sub/proj'),
  namespaceOf('', ''),
  {
    name: 'the same number of two projects is accepted; a second config of the same repo is not',
    section: '2',
    dialects: ['b', 'c'],
    project: { stages: STAGES.ok, two: true },
    steps: [
      added(42),
      addedOther(42),
      factory(QUEUE, {
        json: [
          { Issue: 42, Namespace: 'acme/demo' },
          { Issue: 42, Namespace: 'acme/other' },
        ],
      }),
      bash('cp "$REPO/pipeline.yaml" "$REPO/second.yaml"'),
      factory(['queue', 'add', '42', '--config', 'second.yaml', '--intent', 'x'], {
        error: 'issue 42 is already in the queue',
      }),
    ],
  },
  {
    name: 'set-intent and remove act on the lowest position, whatever the directory',
    section: '2',
    dialects: ['b', 'c'],
    project: { stages: STAGES.ok, two: true },
    steps: [
      added(42),
      addedOther(42),
      factoryIn((box) => box.other, ['queue', 'set-intent', '42', 'changed']),
      factory(QUEUE, {
        json: [
          { Namespace: 'acme/demo', FeatureIntent: 'changed' },
          { Namespace: 'acme/other', FeatureIntent: 'Users get Y.' },
        ],
      }),
      factoryIn((box) => box.other, ['queue', 'remove', '42']),
      factory(QUEUE, { json: [{ Namespace: 'acme/other' }] }),
    ],
  },
  {
    name: 'a database of dialect a is migrated in place, and a still works on it',
    section: '2',
    dialects: ['b'],
    standinOnly: 'it needs two binaries',
    steps: [
      factoryEnv({ STANDIN_FACTORY_DIALECT: 'a' }, ['queue', 'add', '42', '--intent', 'old'], {
        stdout: 'Added 1 issue(s) to the queue\n',
      }),
      factory(QUEUE, { json: [{ Issue: 42, Namespace: '', ConfigPath: '', FeatureIntent: 'old' }] }),
      added(42),
      factory(QUEUE, {
        json: [
          { Issue: 42, Namespace: '' },
          { Issue: 42, Namespace: 'acme/demo' },
        ],
      }),
      factoryEnv({ STANDIN_FACTORY_DIALECT: 'a' }, ['queue', 'remove', '42'], {
        stdout: 'Removed issue #42 from the queue\n',
      }),
      queueIs(),
    ],
  },
  {
    name: 'twenty additions at the same moment: what succeeded is in the queue, what did not says why',
    section: '2',
    steps: [
      bash(
        `add() {
           case $DIALECT in
             design) factory queue add --project demo --issue "$1" --intent x ;;
             a) factory queue add "$1" --intent x ;;
             b | c) factory queue add "$1" --config "$REPO/pipeline.yaml" --intent x ;;
           esac
         }
         for i in $(seq 20); do
           { add "$i" >>"$BOX/added" 2>"$BOX/error-$i" || grep -qE 'locked|UNIQUE|duplicate column|SQLSTATE (23505|40P01|XX000)' "$BOX/error-$i" || echo "$i" >>"$BOX/bad"; } &
         done
         wait
         ! cat "$BOX/bad" 2>/dev/null
         test "$(wc -l <"$BOX/added")" = "$(factory queue list --format json | jq length)"`,
      ),
    ],
  },
];
