import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planRecovery, type RecoveryInput } from '../../../image/supervisor/loop/recovery.ts';
import type { ClaudeFailure, Repair, TakenRow } from '../../../scripts/lib/contract.ts';
import type { Dialect } from '../../../scripts/lib/factory.ts';
import { A, B, DESIGN, pipeline, row } from './factory-samples.ts';

const NOW = Date.parse('2026-11-22T15:00:00Z');

function plan(dialect: Dialect, overrides: Partial<RecoveryInput> = {}) {
  return planRecovery({
    dialect,
    pipelines: [pipeline(42)],
    rows: [row(42, { status: 'active' })],
    sessions: [],
    repairs: [],
    failures: [],
    now: NOW,
    taken: [],
    inTheWay: new Map(),
    lastCheckIn: null,
    placeOf: () => ({ project: 'demo', directory: '/w/repos/demo' }),
    dispatchedAt: () => '2026-11-22T11:00:00Z',
    ...overrides,
  });
}

function session(name: string, quietSeconds: number, attached = 0) {
  return { name, createdAt: 0, windowActivity: NOW / 1000 - quietSeconds, attached, bareShell: false };
}

function repair(overrides: Partial<Repair> = {}): Repair {
  return {
    at: '2026-11-22T14:00:00Z',
    issue: 42,
    stage: 'build',
    attempt: 1,
    session: '42-build-1',
    action: 'advance',
    cure: '',
    ...overrides,
  };
}

const NOTHING = { actions: [], waiting: [], givenUp: [] };

describe.each([A, DESIGN])('recovery in dialect $name', (dialect) => {
  it.each([
    ['the session is gone', {}, 'advance'],
    ['the stage has no session', { pipelines: [pipeline(42, { session: '' })] }, 'advance'],
    [
      'only a session whose name begins like it is alive',
      { sessions: [session('42-build-1-fix-3', 500)] },
      'advance',
    ],
    ['the session is alive and quiet', { sessions: [session('42-build-1', 60)] }, 'kill-and-advance'],
    [
      'the session is alive under the name that tmux made of it',
      { pipelines: [pipeline(42, { session: '42-v1.2-1' })], sessions: [session('42-v1_2-1', 60)] },
      'kill-and-advance',
    ],
  ] as const)('%s: %s → %s', (_case, overrides, action) => {
    const { actions, waiting } = plan(dialect, overrides);
    expect(actions.map((found) => [found.issue, found.action])).toEqual([[42, action]]);
    expect(waiting).toEqual([]);
  });

  it('leaves a session alone that still prints', () => {
    const { actions, waiting } = plan(dialect, { sessions: [session('42-build-1', 59)] });
    expect(actions).toEqual([]);
    expect(waiting).toEqual([
      '#42 was interrupted, but 42-build-1 is still at work: it is taken over after 60 quiet seconds',
    ]);
  });

  it('leaves a session alone while a client is attached, however quiet', () => {
    const { actions, waiting } = plan(dialect, { sessions: [session('42-build-1', 5_000, 1)] });
    expect(actions).toEqual([]);
    expect(waiting).toEqual(['#42 waits until no one is attached to 42-build-1']);
  });

  it.each(['completed', 'failed', 'blocked'] as const)('a pipeline that is %s needs nothing', (status) => {
    expect(plan(dialect, { pipelines: [pipeline(42, { status })] })).toEqual(NOTHING);
  });

  it.each(['', 'idle', 'exited'])('a pending one whose session is "%s" needs nothing', (sessionState) => {
    const session = sessionState === '' ? '' : '42-build-1';
    expect(
      plan(dialect, { pipelines: [pipeline(42, { status: 'pending', session, sessionState })] }),
    ).toEqual(NOTHING);
  });

  it('a stage that could not be run again, and whose session is gone, is marked as exited', () => {
    const failed = pipeline(42, { status: 'pending', session: '42-build-1', sessionState: 'started' });
    const { actions } = plan(dialect, { pipelines: [failed] });
    expect(actions.map(({ action }) => action)).toEqual(['mark-exited']);
  });

  it('gives up after two repairs, once, with the cure', () => {
    const cure =
      'cd /w/repos/demo && factory pipeline advance 42   (or, to let the queue go on without it: cd /w/repos/demo && factory pipeline fail 42)';
    const twice = [repair(), repair({ action: 'kill-and-advance' })];
    const first = plan(dialect, { repairs: twice });
    expect(first.actions).toEqual([
      { issue: 42, stage: 'build', attempt: 1, session: '42-build-1', action: 'give-up', cure },
    ]);
    const later = plan(dialect, { repairs: [...twice, repair({ action: 'give-up', cure })] });
    expect(later.actions).toEqual([]);
    expect(later.givenUp).toEqual([
      `#42 was interrupted in stage build again after 2 repairs; type: ${cure}`,
    ]);
  });

  it('the cure names the session to kill where there is one', () => {
    const { actions } = plan(dialect, {
      repairs: [repair(), repair()],
      sessions: [session('42-build-1', 99)],
    });
    expect(actions[0]?.cure).toMatch(/^tmux kill-session -t '=42-build-1'; cd /);
  });

  it.each([
    ['another stage', { stage: 'qa' }],
    ['another attempt', { attempt: 2 }],
    ['another issue', { issue: 43 }],
    ['an earlier life of the same number', { at: '2026-11-21T00:00:00Z' }],
  ])('repairs of %s do not count', (_case, other) => {
    const { actions } = plan(dialect, { repairs: [repair(other), repair(other)] });
    expect(actions.map(({ action }) => action)).toEqual(['advance']);
  });
});

describe('a row that was taken from the queue and not begun', () => {
  const active = row(42, { status: 'active' });
  const taken: TakenRow = {
    issue: 42,
    intent: 'it’s new',
    configPath: '/w/repos/demo/pipeline.yaml',
    dependsOn: [41],
    removed: false,
  };
  const lost = { pipelines: [], rows: [active, row(43)], taken: [taken] };
  const back = { issue: 42, stage: '', attempt: 0, session: '', action: 'requeue', cure: '' };
  const past = (overrides: Partial<Repair> = {}) =>
    repair({ stage: '', attempt: 0, session: '', action: 'requeue', ...overrides });

  it.each([A, B, DESIGN])('is put back in dialect $name', (dialect) => {
    expect(plan(dialect, lost)).toEqual({ ...NOTHING, actions: [back] });
  });

  it.each<[string, Partial<RecoveryInput>]>([
    ['no check-in was to take it', { taken: [] }],
    ['it is at work', { pipelines: [pipeline(42, { status: 'pending' })] }],
    ['it was given up', { pipelines: [pipeline(42, { status: 'failed' })] }],
    ['it waits', { rows: [row(42)] }],
    ['it has failed', { rows: [row(42, { status: 'failed' })] }],
    ['it was removed', { rows: [] }],
    ['its number is there twice, for two projects', { rows: [active, row(42)] }],
  ])('but not when %s', (_case, overrides) => {
    expect(plan(A, { ...lost, ...overrides })).toEqual(NOTHING);
  });

  it.each([
    ['cleanup --issue 42 (on the laptop)', ''],
    ['kill 7', 'kill 7'],
  ])('is left alone while something is in its way, and the cure is said: %s', (said, cure) => {
    const says = 'the worktree /w/repos/demo/worktrees/issue-42 is locked';
    expect(
      plan(A, { ...lost, inTheWay: new Map([[42, { says, cure }]]), repairs: [past(), past()] }),
    ).toEqual({
      ...NOTHING,
      givenUp: [`#42 cannot begin: ${says}; type: ${said}`],
    });
  });

  it('is put back also when it is not the last that was taken, and something is in the way of that one', () => {
    const later = { ...taken, issue: 43 };
    const rows = [active, row(43, { status: 'active' })];
    const inTheWay = new Map([[43, { says: 'the worktree is locked', cure: '' }]]);
    expect(plan(A, { ...lost, rows, taken: [taken, later], inTheWay })).toEqual({
      ...NOTHING,
      actions: [back],
      givenUp: ['#43 cannot begin: the worktree is locked; type: cleanup --issue 43 (on the laptop)'],
    });
  });

  it('is waited for while a program still works on it', () => {
    const inTheWay = { says: 'a program still works in /w', cure: 'kill 7', passes: true };
    expect(plan(A, { ...lost, inTheWay: new Map([[42, inTheWay]]) })).toEqual({
      ...NOTHING,
      waiting: ['#42 cannot begin: a program still works in /w; type: kill 7'],
    });
  });

  it('is added by the next supervisor when the one before ended between removing and adding', () => {
    const removed = { ...taken, removed: true };
    expect(plan(A, { ...lost, rows: [], taken: [removed] }).actions).toEqual([back]);
    expect(plan(A, { ...lost, taken: [removed] }).actions).toEqual([back]);
  });

  it.each([
    [
      A,
      "factory queue remove 42; factory queue add 42 --config /w/repos/demo/pipeline.yaml --intent 'it’s new'",
    ],
    [B, "--intent 'it’s new' --depends-on 41"],
    [DESIGN, 'factory queue add --project demo --issue 42 --config'],
  ])('is given up after two repairs, once, with the cure: %s', (dialect, cure) => {
    const twice = [past(), past()];
    const { actions, givenUp } = plan(dialect, { ...lost, repairs: twice });
    expect(actions).toEqual([{ ...back, action: 'give-up', cure: expect.stringContaining(cure) }]);
    expect(givenUp).toEqual([
      expect.stringMatching(/^#42 was taken from the queue and not begun, again after 2 repairs; type: cd /),
    ]);
    const later = plan(dialect, { ...lost, repairs: [...twice, past({ action: 'give-up' })] });
    expect(later).toEqual({ ...NOTHING, givenUp });
  });

  it.each([
    ['of a stage', repair()],
    ['before it was dispatched again', past({ at: '2026-11-22T10:00:00Z' })],
  ])('repairs %s do not count', (_case, other) => {
    expect(plan(A, { ...lost, repairs: [other, other] }).actions).toEqual([back]);
  });
});

describe.each([A, B, DESIGN])('a session that the pipeline does not know of, dialect $name', (dialect) => {
  const unknown = (status: 'in_progress' | 'pending' | 'blocked') => [pipeline(42, { status, session: '' })];

  it.each(['in_progress', 'pending'] as const)('is ended when it is quiet, %s', (status) => {
    const seen = { pipelines: unknown(status), sessions: [session('42-build-1', 60)] };
    const end = {
      issue: 42,
      stage: 'build',
      attempt: 1,
      session: '42-build-1',
      action: 'end-session',
      cure: '',
    };
    expect(plan(dialect, seen)).toEqual({ ...NOTHING, actions: [end] });
    const twice = [repair({ action: 'end-session' }), repair({ action: 'end-session' })];
    expect(plan(dialect, { ...seen, repairs: twice }).actions[0]?.cure).toMatch(
      /^tmux kill-session -t '=42-build-1' {3}\(or, /,
    );
  });

  it('is left alone while it prints, and while a client is attached', () => {
    const pipelines = unknown('pending');
    expect(plan(dialect, { pipelines, sessions: [session('42-build-1', 59)] })).toEqual({
      ...NOTHING,
      waiting: [
        '#42 cannot start stage build: the session 42-build-1 is there already; it is ended after 60 quiet seconds',
      ],
    });
    expect(plan(dialect, { pipelines, sessions: [session('42-build-1', 99, 1)] }).waiting).toHaveLength(1);
  });

  it('is left alone when the pipeline waits for a person, or the attempt is another one', () => {
    const other = { pipelines: unknown('pending'), sessions: [session('42-build-2', 99)] };
    expect(plan(dialect, other)).toEqual(NOTHING);
    expect(plan(dialect, { pipelines: unknown('blocked'), sessions: [session('42-build-1', 99)] })).toEqual(
      NOTHING,
    );
  });
});

describe('recovery in dialect B', () => {
  it.each(['started', 'active', 'factory_send', 'steer', 'human_input'])(
    'a dead session believed to be %s is marked as exited',
    (sessionState) => {
      const { actions } = plan(B, { pipelines: [pipeline(42, { sessionState })] });
      expect(actions.map(({ action }) => action)).toEqual(['mark-exited']);
    },
  );

  it.each(['idle', 'exited', ''])(
    'a dead session in state "%s" is the next check-in’s business',
    (sessionState) => {
      expect(plan(B, { pipelines: [pipeline(42, { sessionState })] })).toEqual(NOTHING);
    },
  );

  it.each(['active', 'steer'])(
    'a session whose agent has ended (%s) is taken up when it is quiet',
    (sessionState) => {
      const at = (quietSeconds: number) =>
        plan(B, {
          pipelines: [pipeline(42, { sessionState })],
          sessions: [{ ...session('42-build-1', quietSeconds), bareShell: true }],
        });
      expect(at(59).waiting).toHaveLength(1);
      expect(at(60).actions).toMatchObject([{ action: 'mark-exited' }]);
    },
  );

  it.each(['active', 'steer', 'human_input', 'idle'])(
    'a living session in state "%s" is left to the program, quiet or not',
    (sessionState) => {
      const living = {
        pipelines: [pipeline(42, { sessionState })],
        sessions: [session('42-build-1', 5_000)],
      };
      expect(plan(B, living)).toEqual(NOTHING);
    },
  );

  describe.each(['started', 'factory_send'])(
    'a living session whose agent heard nothing (%s)',
    (sessionState) => {
      const at = (quietSeconds: number, attached = 0) =>
        plan(B, {
          pipelines: [pipeline(42, { sessionState })],
          sessions: [session('42-build-1', quietSeconds, attached)],
        });

      it('is marked as exited after 60 quiet seconds: its prompt will not be sent', () => {
        expect(at(60).actions).toMatchObject([{ issue: 42, action: 'mark-exited', session: '42-build-1' }]);
      });

      it('is waited for until then, and while a client is attached', () => {
        expect(at(59)).toEqual({
          ...NOTHING,
          waiting: [
            '#42 was interrupted, but 42-build-1 is still at work: it is taken over after 60 quiet seconds',
          ],
        });
        expect(at(500, 1)).toEqual({
          ...NOTHING,
          waiting: ['#42 waits until no one is attached to 42-build-1'],
        });
      });
    },
  );

  it('a stage without a session is run again by the program', () => {
    expect(plan(B, { pipelines: [pipeline(42, { session: '' })] })).toEqual(NOTHING);
  });

  it('gives up with its own verb', () => {
    const { actions } = plan(B, {
      repairs: [repair({ action: 'mark-exited' }), repair({ action: 'mark-exited' })],
    });
    expect(actions[0]?.cure).toMatch(
      /^cd \/w\/repos\/demo && factory event log --session 42-build-1 --issue 42 --stage build --event exited {3}\(or/,
    );
  });
});

it('whatever a stage is called, its cure is one word of bash', () => {
  const stages = fc.oneof(
    fc.string({ minLength: 1 }),
    fc.string({ minLength: 1, unit: fc.constantFrom("'", '\\', '$', '=', ' ', '\n', 'a') }),
  );
  fc.assert(
    fc.property(stages, (stage) => {
      const { actions } = plan(B, {
        pipelines: [pipeline(42, { stage })],
        repairs: [repair({ stage }), repair({ stage })],
      });
      const word = /--stage (.*) --event exited/s.exec(actions[0]?.cure ?? '')?.[1] ?? '';
      // Plain, or single quotes around everything and '\'' for each one inside.
      expect(word).toMatch(/^([\w@%+:,./-][\w@%+=:,./-]*|'([^']|'\\'')*')$/s);
      const plain = word.startsWith("'") ? word.slice(1, -1).replaceAll("'\\''", "'") : word;
      expect(plain).toBe(stage);
    }),
  );
});

describe('a row that is behind its completed pipeline', () => {
  const active = row(42, { status: 'active' });
  const taken: TakenRow = { issue: 42, intent: '', configPath: '', dependsOn: [], removed: false };
  const behind = {
    pipelines: [pipeline(42, { status: 'completed' })],
    rows: [active, row(43)],
    taken: [taken],
  };
  const removal = { issue: 42, stage: '', attempt: 0, session: '', action: 'remove-row', cure: '' };

  it.each([A, B, DESIGN])('is removed in dialect $name', (dialect) => {
    expect(plan(dialect, behind)).toEqual({ ...NOTHING, actions: [removal] });
  });

  it.each<[string, Partial<RecoveryInput>]>([
    ['no check-in took it', { taken: [] }],
    ['only another row was taken', { taken: [{ ...taken, issue: 43 }] }],
    ['it says so', { rows: [row(42, { status: 'completed' })] }],
    ['it waits again', { rows: [row(42)] }],
    ['its number is in the queue twice, for two projects', { rows: [active, row(42)] }],
    [
      'its number has two pipelines, of two projects',
      { pipelines: [pipeline(42, { status: 'completed' }), pipeline(42, { status: 'completed' })] },
    ],
  ])('but not when %s', (_case, overrides) => {
    expect(plan(A, { ...behind, ...overrides })).toEqual(NOTHING);
  });

  it('is left after two repairs, with the cure', () => {
    const past = repair({ stage: '', attempt: 0, session: '', action: 'remove-row' });
    expect(plan(A, { ...behind, repairs: [past, past] })).toEqual({
      ...NOTHING,
      givenUp: [
        expect.stringMatching(
          /^#42 is completed, and its row was left active, again after 2 repairs; type: cd \S+ && factory queue remove 42$/,
        ),
      ],
    });
  });
});

describe.each([A, B, DESIGN])(
  'a stage that was blocked because claude’s account did not work, dialect $name',
  (dialect) => {
    const failure = (overrides: Partial<ClaudeFailure> = {}): ClaudeFailure => ({
      schema: 1,
      at: '2026-11-22T14:00:00Z',
      session: '42-build-1',
      issue: 42,
      stage: 'build',
      error: 'authentication_failed',
      text: '401',
      ...overrides,
    });
    const blocked = (overrides: Partial<RecoveryInput> = {}) =>
      plan(dialect, {
        pipelines: [pipeline(42, { status: 'blocked' })],
        failures: [failure()],
        ...overrides,
      });
    const RETRY = { issue: 42, stage: 'build', attempt: 1, session: '42-build-1', action: 'retry', cure: '' };

    it('is run again', () => {
      expect(blocked({ sessions: [session('42-build-1', 500)] })).toEqual({ ...NOTHING, actions: [RETRY] });
    });

    it('also where the program has forgotten its session, or tmux calls it otherwise', () => {
      expect(blocked({ pipelines: [pipeline(42, { status: 'blocked', session: '' })] }).actions).toHaveLength(
        1,
      );
      const dotted = pipeline(42, { status: 'blocked', stage: 'v1.2', session: '42-v1.2-1' });
      expect(
        blocked({ pipelines: [dotted], failures: [failure({ session: '42-v1_2-1' })] }).actions,
      ).toHaveLength(1);
    });

    it('is run again as the same attempt when its check-in was ended in time', () => {
      const past = Array.from({ length: 5 }, () =>
        repair({ action: 'run-again', at: '2026-11-22T13:00:00Z' }),
      );
      const interrupted = { pipelines: [pipeline(42, { sessionState: 'exited' })], repairs: past };
      expect(blocked({ ...interrupted, sessions: [session('42-build-1', 500)] })).toEqual({
        ...NOTHING,
        actions: [{ ...RETRY, action: 'run-again' }],
      });
    });

    it('however often: the account is to blame, and each time was another one', () => {
      const past = Array.from({ length: 5 }, () => repair({ action: 'retry', at: '2026-11-22T13:00:00Z' }));
      expect(blocked({ repairs: past }).actions).toEqual([RETRY]);
    });

    it('leaves the tries of an interrupted stage as they are', () => {
      const repairs = [repair({ action: 'retry' }), repair({ action: 'run-again' })];
      const interrupted = plan(dialect, { repairs });
      expect(interrupted.actions).toMatchObject([{ action: dialect === B ? 'mark-exited' : 'advance' }]);
    });

    it('waits while a person has it work, until that is quiet', () => {
      const at = (quietSeconds: number) => blocked({ sessions: [session('42-build-1', quietSeconds)] });
      expect(at(59)).toEqual({
        ...NOTHING,
        waiting: ['#42 waits: someone has resumed 42-build-1'],
      });
      expect(at(60).actions).toEqual([RETRY]);
      // It printed its error, and nothing since.
      const young = failure({ at: '2026-11-22T14:59:50Z' });
      expect(blocked({ failures: [young], sessions: [session('42-build-1', 5)] }).actions).toEqual([RETRY]);
    });

    it('waits until no client is attached', () => {
      expect(blocked({ sessions: [session('42-build-1', 500, 1)] })).toEqual({
        ...NOTHING,
        waiting: ['#42 waits until no one is attached to 42-build-1'],
      });
    });

    it.each([
      [
        'after this failure it was run again',
        { repairs: [repair({ action: 'retry', at: '2026-11-22T14:00:00Z' })] },
      ],
      [
        'the failure was one of the turn',
        { failures: [failure({ error: 'invalid_request', text: 'too long' })] },
      ],
      ['the failure was in another attempt', { failures: [failure({ session: '42-build-2' })] }],
      [
        'the failure was in an earlier life of the issue',
        { failures: [failure({ at: '2026-11-22T11:00:00Z' })] },
      ],
      ['claude did not fail', { failures: [] }],
    ] as const)('is left to a person when %s', (_case, overrides) => {
      expect(blocked(overrides)).toEqual(NOTHING);
    });
  },
);

describe.each([A, B, DESIGN])(
  'a check-in that gave up after tmux had died under it, dialect $name',
  (dialect) => {
    const lastCheckIn = {
      startedAt: '2026-11-22T14:58:00Z',
      finishedAt: '2026-11-22T14:59:00Z',
      actions: [{ issue: 42, action: 'escalate', message: 'session "42-build-1" does not exist' }],
    };
    const since = (at: string) => [{ ...session('boot', 0), createdAt: Date.parse(at) / 1000 }];
    const gaveUp = {
      pipelines: [pipeline(42, { status: 'blocked' })],
      sessions: since('2026-11-22T14:59:05Z'),
      lastCheckIn,
    };
    const past = (attempt: number) => repair({ action: 'unblock', attempt });

    it('is set going again', () => {
      const unblock = {
        issue: 42,
        stage: 'build',
        attempt: 1,
        session: '42-build-1',
        action: 'unblock',
        cure: '',
      };
      expect(plan(dialect, gaveUp)).toEqual({ ...NOTHING, actions: [unblock] });
      // `pipeline retry` has counted an attempt.
      expect(plan(dialect, { ...gaveUp, repairs: [past(1), repair(), repair()] }).actions).toEqual([unblock]);
    });

    it('waits for tmux first', () => {
      const waiting = ['#42 waits until tmux is there again'];
      expect(plan(dialect, { ...gaveUp, sessions: [] })).toEqual({ ...NOTHING, waiting });
    });

    it.each<[string, Partial<RecoveryInput>]>([
      ['it was not tmux', { sessions: since('2026-11-22T14:00:00Z') }],
      ['tmux was started anew later, as with the whole worker', { sessions: since('2026-11-22T14:59:30Z') }],
      [
        'the check-in gave up another one',
        { lastCheckIn: { ...lastCheckIn, actions: [{ issue: 43, action: 'escalate' }] } },
      ],
      [
        'the stage itself says that it needs a person',
        { lastCheckIn: { ...lastCheckIn, actions: [{ issue: 42, action: 'escalated' }] } },
      ],
      ['there was no check-in', { lastCheckIn: null }],
      ['that was done twice', { repairs: [past(1), past(2)] }],
    ])('but is left to a person when %s', (_case, overrides) => {
      expect(plan(dialect, { ...gaveUp, ...overrides })).toEqual(NOTHING);
    });
  },
);

describe('a check-in that gave up while its database was gone', () => {
  const C: Dialect = { ...B, postgres: true };
  const gaveUpWith = (message: string, overrides: Partial<RecoveryInput> = {}) => ({
    pipelines: [pipeline(42, { status: 'blocked' })],
    sessions: [session('boot', 5_000)],
    lastCheckIn: {
      startedAt: '2026-11-22T14:58:00Z',
      finishedAt: '2026-11-22T14:59:00Z',
      actions: [{ issue: 42, action: 'escalate', message }],
    },
    ...overrides,
  });
  const REFUSED =
    'log session event: failed to connect to `user=factory database=factory`: connection refused';
  const past = (attempt: number) => repair({ action: 'unblock', attempt });

  it.each([
    REFUSED,
    'ping database: failed to connect',
    'FATAL: terminating connection due to administrator command (SQLSTATE 57P01)',
    'FATAL: the database system is starting up',
    'update pipeline: conn closed',
  ])('is set going again: %s', (message) => {
    const unblock = {
      issue: 42,
      stage: 'build',
      attempt: 1,
      session: '42-build-1',
      action: 'unblock',
      cure: '',
    };
    expect(plan(C, gaveUpWith(message))).toEqual({ ...NOTHING, actions: [unblock] });
    expect(plan(C, gaveUpWith(message, { repairs: [past(1)] })).actions).toEqual([unblock]);
  });

  it('waits for an agent that is still at work', () => {
    const { actions, waiting } = plan(C, gaveUpWith(REFUSED, { sessions: [session('42-build-1', 5)] }));
    expect([actions, waiting]).toEqual([
      [],
      ['#42 was interrupted, but 42-build-1 is still at work: it is taken over after 60 quiet seconds'],
    ]);
  });

  it.each<[string, Dialect, Partial<RecoveryInput>]>([
    ['that was done twice', C, gaveUpWith(REFUSED, { repairs: [past(1), past(2)] })],
    ['the message names none', C, gaveUpWith('stage build: the database tests of the project fail')],
    ['the program has a file for a database', B, gaveUpWith(REFUSED)],
    [
      'another issue was given up',
      C,
      gaveUpWith(REFUSED, { pipelines: [pipeline(43, { status: 'blocked' })] }),
    ],
  ])('but is left to a person when %s', (_case, dialect, overrides) => {
    expect(plan(dialect, overrides)).toEqual(NOTHING);
  });
});
