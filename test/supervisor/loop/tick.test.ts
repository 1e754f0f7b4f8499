import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clone } from '../../../image/supervisor/clones/clones.ts';
import { hasMoved, planTick } from '../../../image/supervisor/loop/tick.ts';
import type { Store, View } from '../../../image/supervisor/loop/view.ts';
import type { AccountHold } from '../../../scripts/lib/contract.ts';
import type { Pipeline, QueueRow } from '../../../scripts/lib/factory.ts';
import { A, B, DESIGN, pipeline, row, settings } from './factory-samples.ts';

const NOW = Date.parse('2026-11-22T15:00:00Z');

function clone(name: string, overrides: Partial<Clone> = {}): Clone {
  return { name, state: 'ready', message: '', directory: `/w/repos/${name}`, ...overrides };
}

function dispatch(issue: number, project: string) {
  return { issue, project, at: '', by: '' };
}

function view(overrides: Partial<View> & { rows?: QueueRow[]; pipelines?: Pipeline[] } = {}): View {
  const { rows = [], pipelines = [], ...rest } = overrides;
  return {
    settings: settings(),
    drained: null,
    checkInRunning: false,
    toolsMissing: null,
    obstacle: null,
    account: null,
    dialect: A,
    database: { kind: 'sqlite', state: 'ready' },
    clones: [clone('demo'), clone('other')],
    store: { rows, pipelines, sessions: [] },
    dispatches: [dispatch(22, 'other'), dispatch(23, 'demo')],
    repairs: [],
    failures: [],
    taken: [],
    inTheWay: new Map(),
    lostIntents: [],
    withoutText: [],
    lastCheckIn: null,
    openWork: [],
    reposDir: '/w/repos',
    now: NOW,
    ...rest,
  };
}

function checkIn(project: string, takes: boolean) {
  return {
    kind: 'check-in',
    place: { project, directory: `/w/repos/${project}` },
    issue: takes ? null : expect.any(Number),
    takes: takes ? expect.objectContaining({ status: 'pending' }) : null,
    warning: null,
  };
}

const LIMITED: AccountHold = {
  cause: 'limit',
  text: "You've hit your limit · resets 3pm (UTC)",
  since: '2026-11-22T14:00:00Z',
  until: '2026-11-22T15:00:00Z',
  probeAt: null,
  sessions: [],
};

const pending23 = { rows: [row(23)] };

describe('what keeps the loop from a check-in', () => {
  it.each([
    ['a check-in is running', { checkInRunning: true, drained: 'drained' }, { kind: 'adopt' }],
    ['it is drained', { drained: 'drained by me' }, { state: 'drained', reason: 'drained by me' }],
    [
      'it is switched off',
      { settings: settings({ enabled: false }) },
      {
        state: 'refused',
        reason: 'the orchestrator is switched off (orchestrator.enabled in settings.json)',
      },
    ],
    [
      'a tool is missing',
      { toolsMissing: 'a tmux pane does not find claude' },
      { state: 'refused', reason: 'a tmux pane does not find claude' },
    ],
    [
      'a volume is full',
      { obstacle: 'the docker volume is 91 % full and no work is taken' },
      { state: 'refused', reason: 'the docker volume is 91 % full and no work is taken' },
    ],
    [
      'claude’s account does not work',
      { account: LIMITED },
      {
        state: 'refused',
        reason: "limit until 15:00 UTC: claude's account has hit its limit, so no work is taken",
      },
    ],
    ['it is drained as well', { account: LIMITED, drained: 'drained by me' }, { state: 'drained' }],
    [
      'the program does not start',
      { dialect: null },
      {
        state: 'refused',
        reason:
          'factory does not start, so it cannot be asked for work; to see why: factory queue add --help',
      },
    ],
    [
      'the database has not come up yet',
      { database: { kind: 'postgres', state: 'starting' } },
      { state: 'refused', reason: 'the database is starting' },
    ],
    [
      'the database is gone',
      { database: { kind: 'postgres', state: 'down', says: 'PostgreSQL ended with exit code 137: see x' } },
      {
        state: 'refused',
        reason: 'the database cannot be used: PostgreSQL ended with exit code 137: see x',
      },
    ],
    [
      'a PostgreSQL build came into a worker with SQLite',
      { dialect: { ...B, postgres: true } },
      {
        state: 'refused',
        reason:
          'factory was replaced by a build that keeps its state in PostgreSQL: restart the worker, or put the other build back',
      },
    ],
    [
      'a SQLite build came into a worker with PostgreSQL',
      { database: { kind: 'url', state: 'ready' } },
      {
        state: 'refused',
        reason:
          'factory was replaced by a build that keeps its state in SQLite: restart the worker, or put the other build back',
      },
    ],
    [
      'there is no project',
      { clones: [] },
      { state: 'waiting', reason: 'no project yet: dispatch with --clone owner/name adds one' },
    ],
    [
      'no clone is ready',
      { clones: [clone('demo', { state: 'cloning', message: 'being cloned' })] },
      { state: 'waiting', reason: 'no project is ready: demo: being cloned' },
    ],
    [
      'the store cannot be read',
      { store: 'factory status: disk I/O error' },
      { state: 'refused', reason: 'factory status: disk I/O error' },
    ],
    ['the queue is empty', { rows: [] }, { state: 'waiting', reason: null }],
    [
      'everything is done',
      { rows: [row(23, { status: 'completed' })], pipelines: [pipeline(23, { status: 'completed' })] },
      { state: 'waiting', reason: null },
    ],
    [
      'every row waits for another',
      { dialect: B, rows: [row(22, { status: 'failed' }), row(23, { dependsOn: [22] })] },
      { state: 'waiting', reason: 'every issue in the queue waits for another one: #23 for #22' },
    ],
  ] as const)('%s', (_case, overrides, expected) => {
    const tick = planTick(view({ ...pending23, ...(overrides as Partial<View>) }));
    expect(tick).toMatchObject(expected);
  });

  describe('work beside the queue', () => {
    const triage = (repo: string) => ({ name: 'triage of #5', repo, directory: '' });
    const beside = { dialect: B, openWork: [triage('acme/demo')] };
    const check = (project: string, warning: string | null = null) => ({
      ...checkIn(project, true),
      takes: null,
      warning,
    });

    it('is given check-ins when nothing else is to be done', () => {
      expect(planTick(view(beside))).toEqual(check('demo'));
      const stuck = { rows: [row(22, { status: 'failed' }), row(23, { dependsOn: [22] })] };
      expect(planTick(view({ ...beside, ...stuck }))).toEqual(
        check('demo', 'every issue in the queue waits for another one: #23 for #22'),
      );
    });

    it('comes after a row and a pipeline, whose check-ins serve it as well', () => {
      expect(planTick(view({ ...beside, rows: [row(22)] }))).toEqual(checkIn('other', true));
      expect(planTick(view({ ...beside, pipelines: [pipeline(22, { status: 'blocked' })] }))).toEqual(
        checkIn('other', false),
      );
    });

    it('is served in turn', () => {
      const openWork = [
        triage('acme/demo'),
        { name: 'deploy of 1', repo: '', directory: '/w/repos/other/x' },
      ];
      const at = (seconds: number) => planTick(view({ ...beside, openWork, now: NOW + seconds * 1000 }));
      expect([at(0), at(30), at(60)]).toEqual([check('demo'), check('other'), check('demo')]);
    });

    it.each([
      ['of an unknown project', [clone('other')]],
      ['of a clone that is not ready', [clone('demo', { state: 'failed' }), clone('other')]],
    ])('%s waits', (_case, clones) => {
      expect(planTick(view({ ...beside, clones }))).toMatchObject({ kind: 'rest', reason: null });
    });
  });

  it('a PostgreSQL build with a database is no obstacle', () => {
    const dialect = { ...B, postgres: true };
    const database = { kind: 'postgres', state: 'ready' } as const;
    expect(planTick(view({ ...pending23, dialect, database }))).toEqual(checkIn('demo', true));
  });
});

describe('where the check-in is made', () => {
  it('in the clone of the live pipeline, whatever is in the queue', () => {
    const world = { rows: [row(22)], pipelines: [pipeline(23, { status: 'pending' })] };
    expect(planTick(view(world))).toEqual(checkIn('demo', false));
  });

  it('else in the clone of the first pending row, after bringing it up to date', () => {
    const rows = [row(23, { position: 9 }), row(22, { position: 10 }), row(1, { status: 'completed' })];
    expect(planTick(view({ rows }))).toEqual(checkIn('demo', true));
  });

  it('in the folder of the configuration, which may lie deeper', () => {
    const clones = [clone('demo', { directory: '/w/repos/demo/ci' })];
    expect(planTick(view({ ...pending23, clones }))).toMatchObject({
      place: { project: 'demo', directory: '/w/repos/demo/ci' },
    });
  });

  it('never in another project’s clone: A would start the issue there', () => {
    const clones = [clone('demo', { state: 'failed', message: 'no access' }), clone('other')];
    expect(planTick(view({ rows: [row(23), row(22, { position: 99 })], clones }))).toEqual({
      kind: 'rest',
      state: 'waiting',
      reason: '#23 waits for the clone of demo: no access',
    });
  });

  it('says what to do about a row whose project is not known', () => {
    expect(planTick(view({ rows: [row(5)] }))).toMatchObject({
      reason:
        'the project of #5 is not recorded: queue it again with dispatch (--requeue), naming the project',
    });
  });

  it('says what to do about a project without a clone', () => {
    expect(planTick(view({ ...pending23, dispatches: [dispatch(23, 'gone')] }))).toMatchObject({
      reason: '#23 belongs to gone, which has no clone here: dispatch with --clone owner/gone',
    });
  });

  it('B: the row that the program will take is the first whose dependencies are done or unknown', () => {
    const world = {
      dialect: B,
      dispatches: [dispatch(20, 'demo'), dispatch(21, 'demo'), dispatch(22, 'other')],
      rows: [
        row(20, { dependsOn: [19] }),
        row(21, { dependsOn: [777] }),
        row(22),
        row(19, { status: 'active' }),
      ],
    };
    expect(planTick(view(world))).toEqual(checkIn('demo', true));
    const done = {
      ...world,
      rows: world.rows.map((it) => (it.issue === 21 ? row(21, { dependsOn: [19] }) : it)),
    };
    expect(planTick(view(done))).toEqual(checkIn('other', true));
    const finished = [row(20, { dependsOn: [19] }), row(19, { status: 'completed' })];
    expect(planTick(view({ ...world, rows: finished }))).toEqual(checkIn('demo', true));
  });

  it('B: a dependency in another namespace does not hold', () => {
    const rows = [
      row(23, { dependsOn: [22], namespace: 'a/b' }),
      row(22, { status: 'failed', namespace: 'c/d' }),
    ];
    expect(planTick(view({ dialect: B, rows }))).toEqual(checkIn('demo', true));
  });

  it('an issue that lost its row does not hold up the others when its clone is missing', () => {
    const rows = [row(22, { status: 'active' }), row(23)];
    const taken = [{ issue: 22, intent: '', configPath: '', dependsOn: [], removed: false }];
    expect(planTick(view({ rows, taken }))).toMatchObject({ kind: 'repair', repair: { issue: 22 } });
    expect(planTick(view({ rows, taken, clones: [clone('demo')] }))).toEqual(checkIn('demo', true));
  });

  it('B looks at the lowest live number even when it is blocked, A at one that can move', () => {
    const pipelines = [pipeline(23, { status: 'pending' }), pipeline(22, { status: 'blocked' })];
    expect(planTick(view({ dialect: B, pipelines }))).toEqual(checkIn('other', false));
    expect(planTick(view({ dialect: A, pipelines }))).toEqual(checkIn('demo', false));
    expect(planTick(view({ dialect: A, pipelines: pipelines.slice(1) }))).toEqual(checkIn('other', false));
  });

  it('design: the program’s own column names the project', () => {
    const rows = [row(5, { project: 'other' })];
    expect(planTick(view({ dialect: DESIGN, rows, dispatches: [] }))).toEqual(checkIn('other', true));
  });
});

describe('interrupted stages', () => {
  it('are repaired before anything else, in the clone of their project', () => {
    expect(planTick(view({ rows: [row(22)], pipelines: [pipeline(23)] }))).toMatchObject({
      kind: 'repair',
      place: { project: 'demo', directory: '/w/repos/demo' },
      repair: { issue: 23, action: 'advance' },
    });
  });

  it('are not repaired without their clone', () => {
    const clones = [clone('demo', { state: 'cloning', message: 'being cloned' }), clone('other')];
    expect(planTick(view({ pipelines: [pipeline(23)], clones }))).toMatchObject({
      reason: '#23 waits for the clone of demo: being cloned',
    });
  });

  it('are waited for while their agent is at work', () => {
    const store: Store = {
      rows: [],
      pipelines: [pipeline(23)],
      sessions: [
        { name: '23-build-1', createdAt: 0, windowActivity: NOW / 1000, attached: 0, bareShell: false },
      ],
    };
    expect(planTick(view({ store }))).toMatchObject({ kind: 'rest', state: 'waiting' });
  });

  it('that were given up warn with every check-in', () => {
    const lost = {
      at: '2026-11-22T14:00:00Z',
      issue: 23,
      stage: 'build',
      attempt: 1,
      session: '',
      cure: 'x',
    };
    const repairs = (['advance', 'advance', 'give-up'] as const).map((action) => ({ ...lost, action }));
    const tick = planTick(view({ pipelines: [pipeline(23)], repairs }));
    expect(tick).toMatchObject({ kind: 'check-in', warning: expect.stringContaining('#23 was interrupted') });
  });
});

it('gives an issue its intent before anything that may run a stage of it', () => {
  const lost = { issue: 23, intent: 'Users get X.' };
  const without = view({
    rows: [row(23, { status: 'active' })],
    pipelines: [pipeline(23)],
    lostIntents: [lost],
  });
  expect(planTick({ ...without, withoutText: [23] })).toEqual({ kind: 'give-intent', lost });
});

it('fetches the text of an issue before anything that may run a stage of it', () => {
  const pipelines = [pipeline(23)];
  expect(planTick(view({ rows: [row(23, { status: 'active' })], pipelines }))).toMatchObject({
    kind: 'repair',
  });
  const without = view({ rows: [row(23, { status: 'active' })], pipelines, withoutText: [23] });
  const place = { project: 'demo', directory: '/w/repos/demo' };
  expect(planTick(without)).toEqual({ kind: 'fetch-text', issue: 23, place });
});

describe('whether to look again at once', () => {
  const before: Store = { rows: [row(23)], pipelines: [], sessions: [] };
  const after: Store = { rows: [row(23, { status: 'active' })], pipelines: [], sessions: [] };

  it.each(['queue_started', 'advanced', 'completed', 'retry', 'failed', 'fail', 'routed'])(
    'yes, after %s',
    (action) => expect(hasMoved([{ action }], before, after)).toBe(true),
  );
  it.each(['skip', 'steer', 'rate_limited', 'escalate', 'anything'])('no, after %s', (action) =>
    expect(hasMoved([{ action }], before, after)).toBe(false),
  );
  it('no, when nothing has changed: B answers "completed" for ever about a wedged issue', () =>
    expect(hasMoved([{ action: 'completed' }], before, { ...before })).toBe(false));
  it('no, after nothing', () => expect(hasMoved([], before, after)).toBe(false));
});

it('whatever rows, pipelines and projects there are, a check-in is only made in a ready clone of the issue’s project', () => {
  const name = fc.constantFrom('demo', 'other', 'third', '__proto__', 'a b');
  const issue = fc.integer({ min: 1, max: 6 });
  fc.assert(
    fc.property(
      fc.array(fc.record({ issue, status: fc.constantFrom('pending', 'active', 'completed', 'failed') })),
      fc.array(
        fc.record({ issue, status: fc.constantFrom('pending', 'in_progress', 'completed', 'blocked') }),
      ),
      fc.array(fc.record({ issue, project: name })),
      fc.uniqueArray(fc.record({ name, state: fc.constantFrom('ready', 'cloning', 'failed') }), {
        selector: (it) => it.name,
      }),
      fc.constantFrom(A, B, DESIGN),
      (rows, pipelines, dispatched, clones, dialect) => {
        const world = view({
          dialect,
          rows: rows.map((it) => row(it.issue, { status: it.status as QueueRow['status'] })),
          pipelines: pipelines.map((it) => pipeline(it.issue, { status: it.status as Pipeline['status'] })),
          dispatches: dispatched.map((it) => dispatch(it.issue, it.project)),
          clones: clones.map((it) => clone(it.name, { state: it.state as Clone['state'] })),
        });
        const tick = planTick(world);
        if (!('place' in tick)) return;
        expect(world.clones.find((it) => it.name === tick.place.project)?.state).toBe('ready');
        const projects = world.dispatches.filter((it) => it.project === tick.place.project);
        if (world.clones.length > 1) expect(projects).not.toEqual([]);
      },
    ),
  );
});
