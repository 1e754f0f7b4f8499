// Section 0, 1 and 8: help, version, errors, and telling the dialects apart.
import { add, bash, type Case, factory, factoryEnv } from '../case.ts';

const NO_DATABASE = { DATABASE_URL: '' };

export const HELP_CASES: readonly Case[] = [
  {
    name: 'help and version: rc 0, on stdout, no file touched',
    section: '1',
    dialects: ['design', 'a', 'b', 'c'],
    project: null,
    steps: [
      factory([], { stdout: /Usage:\n {2}factory/, stderr: '' }),
      factory(['--help'], { stdout: /^ {2}queue /m, stderr: '' }),
      factory(['help'], { stdout: /^ {2}queue /m, stderr: '' }),
      factory(['queue', 'add', '--help'], { stdout: /^Usage:\n {2}factory queue add /m, stderr: '' }),
      factory(['version'], { stdout: /^factory version /, stderr: '' }),
      bash('ls "$HOME/.factory"', { rc: 2 }),
    ],
  },
  {
    name: 'serve and deploy in the help tell the versions apart',
    section: '1',
    dialects: ['design', 'a'],
    project: null,
    steps: [factory(['--help'], { absent: /^ {2}(deploy|serve) /m })],
  },
  {
    name: 'serve and deploy in the help tell the versions apart',
    section: '1',
    dialects: ['b'],
    project: null,
    steps: [factory(['--help'], { stdout: /^ {2}serve /m, absent: /^ {2}deploy /m })],
  },
  {
    name: 'serve and deploy in the help tell the versions apart',
    section: '1',
    dialects: ['c'],
    project: null,
    steps: [factory(['--help'], { stdout: /^ {2}deploy /m })],
  },
  {
    name: 'queue add --help lists --intent alone',
    section: '1',
    dialects: ['a'],
    project: null,
    steps: [
      factory(['queue', 'add', '--help'], {
        stdout: /^ {6}--intent string/m,
        absent: /--config|--depends-on/,
      }),
    ],
  },
  {
    name: 'queue add --help lists --config (required), --depends-on and --intent',
    section: '1',
    dialects: ['b', 'c'],
    project: null,
    steps: [
      factory(['queue', 'add', '--help'], {
        stdout: /^ {6}--config string +Path to the project's pipeline.yaml \(required\)$/m,
      }),
      factory(['queue', 'add', '--help'], { stdout: /^ {6}--depends-on string/m }),
      factory(['queue', 'add', '--help'], { stdout: /^ {6}--intent string/m }),
    ],
  },
  {
    name: 'queue add --help lists --project, --issue and --intent',
    section: '1',
    dialects: ['design'],
    project: null,
    steps: [
      factory(['queue', 'add', '--help'], { stdout: /^ {6}--project string/m }),
      factory(['queue', 'add', '--help'], { stdout: /^ {6}--issue string/m }),
      factory(['queue', 'add', '--help'], { stdout: /^ {6}--intent string/m }),
    ],
  },
  {
    name: 'the name of the driver marks a PostgreSQL build',
    section: '1',
    dialects: ['c'],
    project: null,
    steps: [bash('grep -qaF github.com/jackc/pgx "$BOX/bin/factory"')],
  },
  {
    name: 'the name of the driver is in no SQLite build',
    section: '1',
    dialects: ['design', 'a', 'b'],
    project: null,
    steps: [bash('grep -qaF github.com/jackc/pgx "$BOX/bin/factory"', { rc: 1 })],
  },
  {
    name: 'queue subcommands are add clear list remove set-intent',
    section: '1',
    dialects: ['design', 'a', 'b', 'c'],
    project: null,
    steps: [
      factory(['queue', '--help'], {
        stdout: /^ {2}add .*\n {2}clear .*\n {2}list .*\n {2}remove .*\n {2}set-intent /m,
      }),
    ],
  },
  {
    name: 'an unknown command is rc 1',
    section: '1',
    dialects: ['design', 'a', 'b', 'c'],
    project: null,
    steps: [factory(['nosuch'], { error: 'unknown command "nosuch" for "factory"', stdout: '' })],
  },
  {
    name: 'an unknown SUBcommand is help with rc 0',
    section: '1',
    dialects: ['design', 'a', 'b', 'c'],
    project: null,
    steps: [
      factory(['queue', 'nosuch'], { stdout: /Usage:\n {2}factory queue \[command\]/, stderr: '' }),
      factory(['orchestrator', 'nosuch'], {
        stdout: /Usage:\n {2}factory orchestrator \[command\]/,
        stderr: '',
      }),
    ],
  },
  {
    name: 'an unknown flag is rc 1 with the usage on stderr',
    section: '1',
    project: null,
    steps: [
      factory(['queue', 'list', '--nosuch'], { error: 'unknown flag: --nosuch', stdout: '' }),
      factory(['session', 'list', '--format', 'json'], { error: 'unknown flag: --format', stdout: '' }),
    ],
  },
  {
    name: 'a flag of the other dialects is unknown',
    section: '0',
    dialects: ['a'],
    steps: [
      factory(['queue', 'add', '1', '--config', 'pipeline.yaml'], { error: 'unknown flag: --config' }),
      factory(['queue', 'add', '1', '--depends-on', '2'], { error: 'unknown flag: --depends-on' }),
      factory(['queue', 'add', '--project', 'p', '--issue', '1'], { error: 'unknown flag: --project' }),
    ],
  },
  {
    name: 'without DATABASE_URL every command that needs the database is rc 1',
    section: '8',
    dialects: ['c'],
    steps: [
      ...[
        ['queue', 'list', '--format', 'json'],
        ['queue', 'remove', '1'],
        ['queue', 'set-intent', '1', 'x'],
        ['queue', 'clear', '--confirm'],
        ['status', '--format', 'json'],
        ['orchestrator', 'check-in'],
        ['session', 'list'],
        ['event', 'log', '--session', 's', '--issue', '1', '--stage', 's', '--event', 'idle'],
      ].map((argv) =>
        factoryEnv(NO_DATABASE, argv, { error: 'DATABASE_URL environment variable not set', stdout: '' }),
      ),
      factoryEnv(NO_DATABASE, add('1', '--intent', 'x'), {
        error: 'DATABASE_URL environment variable not set',
      }),
      bash('ls "$HOME/.factory/factory.db"', { rc: 2 }),
    ],
  },
  {
    name: 'argument and --config checks come before the database',
    section: '8',
    dialects: ['c'],
    steps: [
      factoryEnv(NO_DATABASE, add('abc', '--intent', 'x'), {
        error: 'invalid issue number "abc": must be a positive integer',
      }),
      factoryEnv(NO_DATABASE, ['queue', 'add', '1', '--config', '/nope.yaml', '--intent', 'x'], {
        error: 'config file "/nope.yaml" not found',
      }),
      factoryEnv(NO_DATABASE, ['queue', 'remove'], { error: 'accepts 1 arg(s), received 0' }),
    ],
  },
  {
    name: 'pipeline list works without a database',
    section: '8',
    dialects: ['c'],
    steps: [factoryEnv(NO_DATABASE, ['pipeline', 'list'], { stdout: 'No pipelines found.\n' })],
  },
  {
    name: 'an unreachable database does not print the password',
    section: '8',
    dialects: ['c'],
    steps: [
      factoryEnv({ DATABASE_URL: 'postgres://u:geheim@127.0.0.1:1/db' }, ['queue', 'list'], {
        error: /^ping database: failed to connect to `user=u database=db`: .*connection refused/i,
        check: ({ stderr }) => {
          if (stderr.includes('geheim')) throw new Error(`the password is in stderr: ${stderr}`);
        },
      }),
    ],
  },
];
