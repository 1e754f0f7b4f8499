import { describe, expect, it } from 'vitest';
import { ContractError } from '../../scripts/lib/contract.ts';
import {
  type Ownership,
  parseActions,
  parseDialect,
  parseError,
  parsePipelines,
  parseQueue,
  projectName,
  projectOf,
  type QueueRow,
} from '../../scripts/lib/factory.ts';

/** What `factory queue add --help` prints in each dialect. */
const help = (...flags: string[]) => `Add issues to the queue

Usage:
  factory queue add <issue>... [flags]

Flags:
${flags.join('\n')}
`;
const HELP = '  -h, --help            help for add';
const INTENT = '      --intent string   Feature intent: what its user gets';
const DEPENDS = '      --depends-on string   Comma-separated issue numbers to wait for';
const REQUIRED = "      --config string       Path to the project's pipeline.yaml (required)";
const OPTIONAL = '      --config string       Path to pipeline.yaml (default: searches upward)';

describe('the dialect', () => {
  it.each([
    [
      'design',
      help('      --project string   Project', '      --issue string     Issue number', HELP, INTENT),
      { name: 'design', addByProject: true, config: 'none', dependsOn: false, intent: true },
    ],
    [
      'A',
      help(HELP, INTENT),
      { name: 'A', addByProject: false, config: 'none', dependsOn: false, intent: true },
    ],
    [
      'B',
      help(REQUIRED, DEPENDS, HELP, INTENT),
      { name: 'B', config: 'required', dependsOn: true, intent: true },
    ],
    [
      'between A and B: dependencies alone',
      help(DEPENDS, HELP, INTENT),
      { name: 'A', config: 'none', dependsOn: true },
    ],
    [
      'between A and B: the configuration may be given',
      help(OPTIONAL, DEPENDS, HELP),
      { config: 'optional', intent: false },
    ],
    [
      'not told by a flag that is only mentioned',
      help(HELP, '      --intent string   see also --depends-on and --config (required)'),
      { name: 'A', config: 'none', dependsOn: false },
    ],
    [
      'not told by a longer flag',
      help('      --issue-label string   x', '      --project string   y', HELP),
      { name: 'A', addByProject: false },
    ],
    [
      'of no help at all',
      '',
      { name: 'A', addByProject: false, config: 'none', dependsOn: false, intent: false },
    ],
  ])('%s', (_, text, expected) => {
    expect(parseDialect(text, false)).toMatchObject({ ...expected, postgres: false });
    expect(parseDialect(text, true).postgres).toBe(true);
  });
});

describe('the queue', () => {
  it.each(['null', '[]'])('is empty for %s', (text) => expect(parseQueue(text)).toEqual([]));

  it('of A has neither project nor configuration; its times are UTC', () => {
    const text = JSON.stringify([
      {
        ID: 1,
        Issue: 42,
        Status: 'pending',
        Position: 3,
        FeatureIntent: 'a\n"b"',
        AddedAt: '2026-11-22 15:12:15',
        StartedAt: '',
        FinishedAt: '',
      },
    ]);
    expect(parseQueue(text)).toEqual([
      {
        issue: 42,
        status: 'pending',
        position: 3,
        intent: 'a\n"b"',
        addedAt: '2026-11-22T15:12:15Z',
        project: null,
        namespace: '',
        configPath: '',
        dependsOn: [],
      },
    ]);
  });

  it('of B has both, and dependencies that may be null', () => {
    const rows = [
      {
        Issue: 1,
        Status: 'pending',
        Namespace: 'acme/demo',
        ConfigPath: '/r/demo/pipeline.yaml',
        DependsOn: null,
      },
      { Issue: 2, Status: 'pending', DependsOn: [42, 41] },
    ];
    expect(parseQueue(JSON.stringify(rows))).toMatchObject([
      { namespace: 'acme/demo', configPath: '/r/demo/pipeline.yaml', dependsOn: [] },
      { dependsOn: [42, 41] },
    ]);
  });

  it('of the design has a project; of PostgreSQL its own way to write times', () => {
    const rows = [{ Issue: 1, Status: 'pending', Project: 'demo', AddedAt: '2026-11-22T15:12:15.123+01:00' }];
    expect(parseQueue(JSON.stringify(rows))).toMatchObject([
      { project: 'demo', addedAt: '2026-11-22T15:12:15.123+01:00' },
    ]);
  });

  it.each(['', 'Queue is empty', '[{"Issue":1}', '{}', '"x"', '[7]', '[{"Issue":"1","Status":"pending"}]'])(
    'throws for %j, which is not a queue',
    (text) => expect(() => parseQueue(text)).toThrow(ContractError),
  );
});

describe('the pipelines and the actions', () => {
  it('are read as the program writes them', () => {
    const text = JSON.stringify([
      {
        issue: 43,
        title: 'T',
        status: 'in_progress',
        stage: 'build',
        attempt: 1,
        session: '43-build-1',
        session_state: 'idle',
        branch: 'feature/issue-43',
      },
      { issue: 44, title: 'U', status: 'rate_limited', stage: 'qa', attempt: 2, branch: '' },
    ]);
    expect(parsePipelines(text)).toEqual([
      {
        issue: 43,
        title: 'T',
        status: 'in_progress',
        stage: 'build',
        attempt: 1,
        session: '43-build-1',
        sessionState: 'idle',
        branch: 'feature/issue-43',
      },
      {
        issue: 44,
        title: 'U',
        status: 'rate_limited',
        stage: 'qa',
        attempt: 2,
        session: '',
        sessionState: '',
        branch: '',
      },
    ]);
    expect(parsePipelines('null')).toEqual([]);
  });

  it('of a check-in are those in the document; none where there is none', () => {
    expect(parseActions('{"actions":[{"issue":1,"action":"advanced"}]}')).toEqual([
      { issue: 1, action: 'advanced' },
    ]);
    expect(parseActions('{"actions": []}')).toEqual([]);
    const message =
      "queue: failed to create pipeline: create worktree: Preparing worktree (checking out 'feature/issue-1')\nfatal: '/w/issue-1' already exists\n";
    expect(parseActions(JSON.stringify({ actions: [{ issue: 1, action: 'fail', message }] }))).toEqual([
      {
        issue: 1,
        action: 'fail',
        message: "queue: failed to create pipeline: create worktree: fatal: '/w/issue-1' already exists",
      },
    ]);
    expect(parseActions('{"actions": null}')).toEqual([]);
    for (const text of ['No active pipelines.', 'null', '{"actions":[3]}']) {
      expect(() => parseActions(text)).toThrow(ContractError);
    }
  });
});

describe('the message of a failed call', () => {
  const usage = 'Usage:\n  factory queue add <issue>... [flags]\n\nFlags:\n  -h, --help   help for add\n';
  const several =
    'ping database: failed to connect to `user=u database=db`:\n\t127.0.0.1:5432 (localhost): connection refused';
  it.each([
    [
      'is what stands between Error: and the usage',
      `Error: no such thing\n${usage}\nno such thing\n`,
      'no such thing',
    ],
    [
      'may span lines, and is one sentence',
      `Error: ${several}\n${usage}\n${several}\n`,
      several.replace('\n\t', ' '),
    ],
    ['may come without a usage', 'Error: plain\n', 'plain'],
    ['may be repeated without a usage', `Error: ${several}\n\n${several}\n`, several.replace('\n\t', ' ')],
    [
      'follows what was said before it',
      `issue #45: deriving feature intent...\nError: gh failed\n${usage}`,
      'gh failed',
    ],
    [
      'of a command nobody knows',
      'Error: unknown command "x" for "factory"\nRun \'factory --help\' for usage.\nunknown command "x" for "factory"\n',
      'unknown command "x" for "factory"',
    ],
    [
      'is all there is, when it is not of that form',
      'bash: factory: command not found\n',
      'bash: factory: command not found',
    ],
    ['may be nothing', '', ''],
  ])('%s', (_, stderr, message) => {
    expect(parseError(stderr)).toBe(message);
  });
});

describe('the project of an issue', () => {
  const row = (fields: Partial<QueueRow>) => ({ project: null, configPath: '', ...fields }) as QueueRow;
  const record = (project: string) => ({ issue: 7, project, at: '', by: '' });
  const known: Ownership = { dispatches: [], projects: ['demo', 'shop'], reposDir: '/r' };

  it.each<[string, QueueRow | undefined, Partial<Ownership>, string | null]>([
    [
      'is the program’s own column first',
      row({ project: 'own', configPath: '/r/shop/p.yaml' }),
      { dispatches: [record('demo')] },
      'own',
    ],
    [
      'then what was recorded at dispatch',
      row({ configPath: '/r/shop/p.yaml' }),
      { dispatches: [record('demo')] },
      'demo',
    ],
    [
      'the last record counts',
      row({}),
      { dispatches: [record('demo'), { ...record('x'), issue: 8 }, record('shop')] },
      'shop',
    ],
    ['then the path of its configuration', row({ configPath: '/r/shop/ci/pipeline.yaml' }), {}, 'shop'],
    ['a path elsewhere says nothing', row({ configPath: '/repos/shop/pipeline.yaml' }), {}, null],
    ['then the only project there is', row({}), { projects: ['demo'] }, 'demo'],
    ['a pipeline without a row', undefined, { dispatches: [record('shop')] }, 'shop'],
    ['else nobody knows', row({}), {}, null],
    ['nor without any project', row({}), { projects: [] }, null],
  ])('%s', (_, given, ownership, project) => {
    expect(projectOf(7, given, { ...known, ...ownership })).toBe(project);
  });
});

describe('the name of a clone', () => {
  it.each([
    ['deathcookies', 'deathcookies'],
    ['lucasnoah/deathcookies', 'deathcookies'],
    ['https://github.com/acme/x.git', 'x'],
    ['https://github.com/acme/x/', 'x'],
    ['git@github.com:acme/z.git', 'z'],
    ['git@host:z.git', 'z'],
    ['ssh://git@host:2222/acme/z', 'z'],
    ['gitlab.example/g/sub/proj', 'proj'],
    ['/srv/git/demo.git/', 'demo'],
    ['file:///srv/git/a.b', 'a.b'],
    ['', ''],
  ])('of %s is %s', (repo, name) => {
    expect(projectName(repo)).toBe(name);
  });
});
