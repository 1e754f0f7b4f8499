import { describe, expect, it } from 'vitest';
import type { Backup } from '../../scripts/lib/backup/make.ts';
import { DRAINED_BY, type Drain, SCHEMA } from '../../scripts/lib/contract.ts';
import type { Plan } from '../../scripts/lib/plan.ts';
import {
  afterFailure,
  importOf,
  migrationOf,
  planRelease,
  type ReleaseRequest,
  type Seen,
  unreadableState,
} from '../../scripts/lib/release/plan.ts';
import { newRecord, type ReleaseRecord, type StepName } from '../../scripts/lib/release/record.ts';
import { commandLine } from '../support/samples.ts';

const OLD = `registry.example.com/worker@sha256:${'1'.repeat(64)}`;
const NEW = `registry.example.com/worker@sha256:${'2'.repeat(64)}`;
const OTHER = `registry.example.com/worker@sha256:${'3'.repeat(64)}`;

const WORKER = { runtime: 'kubernetes', name: 'w', pod: 'factory-w', namespace: 'n', context: 'c' } as const;
const RUNNING: Seen = {
  name: 'w',
  helm: { pending: false, lastDeployed: 3, replicasAgain: null },
  specImage: OLD,
  replicas: 1,
  pod: { uid: 'u', image: OLD, ready: true },
  drain: null,
  taken: [],
  takeBack: ['helm upgrade --force-conflicts'],
  manifestChanges: [],
  rows: { count: 5, newest: 7 },
  database: 'sqlite',
  open: [],
  volume: null,
};
const ON_CORDONED = {
  name: 'pv-1',
  local: true,
  stuck: 'can only be mounted on b (cordoned)',
  hints: ['lift it: kubectl uncordon b'],
};
const IN_CORDONED_ZONE = { ...ON_CORDONED, local: false };
const ROLLOUT: ReleaseRequest = {
  kind: 'rollout',
  image: NEW,
  revision: null,
  replicas: null,
  prepull: true,
  drain: true,
  chartUpgrade: false,
  importRows: false,
  undo: null,
};
const WITH_IMPORT = ['prepull', 'drain', 'backup', 'roll', 'wait', 'verify', 'health', 'import', 'resume'];
const ALL = ['prepull', 'drain', 'backup', 'roll', 'wait', 'verify', 'health', 'resume'];

const record = (given: Partial<ReleaseRecord> = {}): ReleaseRecord => ({
  ...newRecord(
    WORKER,
    { kind: 'rollout', image: NEW, previous: { image: OLD, revision: 3, podUid: 'u' } },
    new Date(0),
  ),
  id: 'earlier',
  ...given,
});
const drainBy = (release: string | null): Drain => ({
  schema: SCHEMA,
  by: 'ann',
  host: 'laptop',
  since: '2026-11-22T12:00:00Z',
  reason: '',
  release,
});
const BACKUP: Backup = {
  file: 'f',
  bytes: 1,
  sha256: '',
  database: 'sqlite',
  schema: 3,
  rows: 5,
  newest: 7,
  integrity: 'ok',
  copy: '/here',
};

const steps = (plan: Plan<StepName>) => (plan.kind === 'go' ? plan.steps : plan);

describe('the steps of a release', () => {
  it.each<[string, Partial<Seen>, Partial<ReleaseRequest>, readonly string[]]>([
    ['a running worker', {}, {}, ALL],
    ['without a pre-pull', {}, { prepull: false }, ALL.slice(1)],
    ['without waiting for the stage', {}, { drain: false }, ALL.filter((step) => step !== 'drain')],
    ['a restart pulls nothing', {}, { kind: 'restart', image: OLD }, ALL.slice(1)],
    ['a worker that was not installed by the chart', { helm: null }, {}, ALL],
    ['a worker that is stopped', { replicas: 0, pod: null }, {}, ['roll']],
    [
      'one whose stop by Helm was the last that ended, and a Helm that was killed',
      { replicas: 0, pod: null, helm: { pending: true, lastDeployed: 3, replicasAgain: 0 } },
      {},
      ['repair', 'roll'],
    ],
    [
      'a worker that is stopped, back to a revision in which it was so',
      { specImage: NEW, replicas: 0, pod: null },
      { kind: 'rollback', image: OLD, revision: 2, replicas: 0 },
      ['roll'],
    ],
    [
      'one that cannot be entered',
      { pod: null },
      {},
      ['prepull', 'roll', 'wait', 'verify', 'health', 'resume'],
    ],
    [
      'after a Helm that was killed',
      { helm: { pending: true, lastDeployed: 3, replicasAgain: null }, pod: null },
      {},
      ['repair', ...ALL],
    ],
    [
      'the image is named, but its pod is not Ready',
      { specImage: NEW, pod: { uid: 'u', image: NEW, ready: false } },
      {},
      ALL,
    ],
    ['drained by a person', { drain: drainBy(null) }, {}, ALL],
    [
      'one that was scaled by hand, and back: the release has that value too',
      { taken: [{ field: 'replicas', manager: 'kubectl' }] },
      {},
      ALL,
    ],
    [
      'stopped, with a volume on the disk of a node that takes no pods',
      { replicas: 0, pod: null, volume: ON_CORDONED },
      {},
      ['roll'],
    ],
    [
      'with a volume in a zone whose nodes take none: others may be made',
      { volume: IN_CORDONED_ZONE },
      {},
      ALL,
    ],
    ['the chart changes too, and may', { manifestChanges: ['~ x'] }, { chartUpgrade: true }, ALL],
    [
      'a rollback over a migration',
      { specImage: NEW },
      { kind: 'rollback', image: OLD, revision: 2, undo: record({ migration: true, backup: BACKUP }) },
      [...ALL.slice(0, 6), 'restore', 'health', 'resume'],
    ],
    [
      'a rollback to another kind of database, whose rows are another matter',
      { specImage: NEW, database: 'postgres', rows: { count: 3, newest: 9 } },
      { kind: 'rollback', image: OLD, revision: 2, undo: record({ migration: true, backup: BACKUP }) },
      [...ALL.slice(0, 6), 'restore', 'health', 'resume'],
    ],
    ['from SQLite, with its queue', { open: ['demo#1'] }, { importRows: true }, WITH_IMPORT],
    [
      'from SQLite with nothing open: what another import has left is cleared away',
      {},
      { importRows: true },
      WITH_IMPORT,
    ],
    ['with its queue, from PostgreSQL', { database: 'postgres' }, { importRows: true }, ALL],
    ['with its queue, of which there is none yet', { database: 'none' }, { importRows: true }, ALL],
    [
      'with its queue, after a Helm that was killed',
      { helm: { pending: true, lastDeployed: 3, replicasAgain: null }, pod: null, database: null },
      { importRows: true },
      ['repair', ...WITH_IMPORT],
    ],
  ])('%s', (_, seen, request, expected) => {
    expect(
      steps(planRelease({ ...RUNNING, ...seen }, { ...ROLLOUT, ...request }, null, commandLine)),
    ).toEqual(expected);
  });

  it.each<[string, Partial<Seen>, Partial<ReleaseRequest>]>([
    ['the image runs already', { specImage: NEW, pod: { uid: 'u', image: NEW, ready: true } }, {}],
    ['the image is set, and the worker stopped', { specImage: NEW, replicas: 0, pod: null }, {}],
  ])('nothing: %s', (_, seen, request) => {
    expect(planRelease({ ...RUNNING, ...seen }, { ...ROLLOUT, ...request }, null, commandLine).kind).toBe(
      'nothing',
    );
  });

  it.each<[string, Partial<Seen>, readonly string[]]>([
    ['goes through all steps', {}, ALL],
    [
      'and whose image runs already, only lifts the drain',
      { specImage: NEW, pod: { uid: 'u', image: NEW, ready: true } },
      ['resume'],
    ],
  ])('a worker that a failed release left drained %s', (_, seen, expected) => {
    const failed = record({ id: 'failed', state: 'failed', image: OTHER });
    const drained = { ...RUNNING, drain: drainBy('failed'), ...seen };
    expect(steps(planRelease(drained, ROLLOUT, null, commandLine, [failed]))).toEqual(expected);
  });

  it('is refused while the release that drained it runs in another terminal of this machine', () => {
    const running = record({ id: 'running', image: OTHER });
    const drained = { ...RUNNING, drain: drainBy('running') };
    expect(planRelease(drained, ROLLOUT, null, commandLine, [running]).kind).toBe('refuse');
  });

  it.each<[string, Partial<Seen>, Partial<ReleaseRequest>, RegExp]>([
    [
      'drained by another release',
      { drain: drainBy('theirs') },
      {},
      /by another release, started by ann@laptop/,
    ],
    [
      'more than the image would change',
      { manifestChanges: ['~ Deployment/x: - a'] },
      {},
      /more than a new image/,
    ],
    [
      'an image that was set by hand, which Helm 4 refuses to change',
      { taken: [{ field: 'image', manager: 'kubectl-set' }] },
      {},
      /changed by hand, and Helm would refuse to upgrade it: image \(set by kubectl-set\)/,
    ],
    [
      'three pods by hand',
      { replicas: 3, taken: [{ field: 'replicas', manager: 'kubectl' }] },
      {},
      /replicas \(set by kubectl\)/,
    ],
    [
      'never deployed',
      { helm: { pending: true, lastDeployed: null, replicasAgain: null } },
      {},
      /never deployed/,
    ],
    [
      'stopped by hand, and a Helm that was killed, whose repair would start it',
      { replicas: 0, pod: null, helm: { pending: true, lastDeployed: 3, replicasAgain: 1 } },
      {},
      /is stopped, and .* going back to revision 3, which comes first, would start it/,
    ],
    [
      'issues came after a migration',
      { rows: { count: 6, newest: 8 } },
      { kind: 'rollback', image: OLD, undo: record({ migration: true, backup: BACKUP }) },
      /cannot undo the migration/,
    ],
    [
      'a migration without a backup of before',
      {},
      { kind: 'rollback', image: OLD, undo: record({ migration: true, backup: null }) },
      /no backup of the previous state/,
    ],
    [
      'a worker that is stopped, and would be started',
      { replicas: 0, pod: null },
      { kind: 'rollback', image: OLD, revision: 2, replicas: 1 },
      /is stopped, and going back to revision 2 would start it/,
    ],
    [
      'a worker that is stopped, after a migration',
      { replicas: 0, pod: null, rows: { count: null, newest: null } },
      {
        kind: 'rollback',
        image: OLD,
        revision: 2,
        replicas: 0,
        undo: record({ migration: true, backup: BACKUP }),
      },
      /is stopped, and only a running worker can restore the state/,
    ],
    [
      'issues came and went after a migration',
      { rows: { count: 5, newest: 8 } },
      { kind: 'rollback', image: OLD, undo: record({ migration: true, backup: BACKUP }) },
      /cannot undo/,
    ],
    [
      'a worker that is stopped, with its queue',
      { replicas: 0, pod: null, database: null },
      { importRows: true },
      /^is stopped, and only a running worker can import its rows$/,
    ],
    [
      'a worker that cannot be entered, with its queue',
      { pod: null, database: null },
      { importRows: true },
      /^cannot be entered, so it can neither be drained nor backed up before its rows are imported$/,
    ],
    [
      'a volume on the disk of a node that takes no pods',
      { volume: ON_CORDONED },
      {},
      /^would find no node for its new pod: its volume pv-1 can only be mounted on b \(cordoned\)$/,
    ],
    [
      'the same, of a pod that waits for that node',
      { volume: ON_CORDONED, pod: null },
      { kind: 'restart', image: OLD },
      /^would find no node for its new pod/,
    ],
    [
      'issues came after a change of the database, and are open',
      { database: 'postgres', rows: { count: 1, newest: 1 }, open: ['demo#4', 'demo#5'] },
      { kind: 'rollback', image: OLD, undo: record({ migration: true, backup: BACKUP }) },
      /^cannot undo the migration of \S+: the previous factory keeps its queue in SQLite, this one in PostgreSQL, and open rows are not carried over: demo#4, demo#5$/,
    ],
  ])('refused: %s', (_, seen, request, why) => {
    expect(planRelease({ ...RUNNING, ...seen }, { ...ROLLOUT, ...request }, null, commandLine)).toMatchObject(
      {
        kind: 'refuse',
        why: expect.stringMatching(why),
      },
    );
  });
});

it('a release that goes on with a pod that is on its node already needs no other', () => {
  const rolled = record({ step: 'wait', done: ['prepull', 'drain', 'backup', 'roll'] });
  const seen = { ...RUNNING, drain: drainBy('earlier'), specImage: NEW, volume: ON_CORDONED };
  expect(steps(planRelease(seen, ROLLOUT, rolled, commandLine))).toEqual(ALL.slice(4));
});

it('a release says where its new pod waits for another node', () => {
  expect(planRelease({ ...RUNNING, volume: IN_CORDONED_ZONE }, ROLLOUT, null, commandLine)).toMatchObject({
    notes: ['its volume pv-1 can only be mounted on b (cordoned): the new pod waits for another node there'],
  });
});

describe('a drain of another command', () => {
  it.each([
    [DRAINED_BY.stop, 'it was being stopped; let it work again: factory-worker start w'],
    [
      DRAINED_BY.restore,
      'a restore was interrupted; run it again, or take up work as it is: factory-worker resume w --force',
    ],
  ])('is refused with its own way out: %s', (owner, hint) => {
    expect(planRelease({ ...RUNNING, drain: drainBy(owner) }, ROLLOUT, null, commandLine)).toMatchObject({
      kind: 'refuse',
      why: expect.not.stringContaining('another release'),
      hints: [hint],
    });
  });
});

describe('a second run', () => {
  const mine = { drain: drainBy('earlier') };
  it.each<[string, Partial<ReleaseRecord>, Partial<Seen>, readonly string[]]>([
    ['stopped in the pre-pull', { step: 'prepull' }, {}, ALL],
    ['stopped while it drained', { step: 'drain', done: ['prepull'] }, mine, ALL.slice(1)],
    [
      'stopped in the backup',
      { step: 'backup', done: ['prepull', 'drain'] },
      mine,
      ['drain', 'backup', ...ALL.slice(3)],
    ],
    [
      'stopped before the roll',
      { step: 'roll', done: ['prepull', 'drain', 'backup'] },
      mine,
      ['drain', 'roll', ...ALL.slice(4)],
    ],
    [
      'stopped between the roll and its record',
      { step: 'roll', done: ['prepull', 'drain', 'backup'] },
      { ...mine, specImage: NEW, pod: null },
      ['roll', ...ALL.slice(4)],
    ],
    [
      'stopped while it waited',
      { step: 'wait', done: ['prepull', 'drain', 'backup', 'roll'] },
      { specImage: NEW, pod: null },
      ALL.slice(4),
    ],
    [
      'stopped before it resumed',
      { step: 'resume', done: ['prepull', 'drain', 'backup', 'roll', 'wait', 'verify', 'health'] },
      { ...mine, specImage: NEW, pod: { uid: 'v', image: NEW, ready: true } },
      ALL.slice(4),
    ],
    [
      'somebody rolled back by hand meanwhile',
      { step: 'wait', done: ['prepull', 'drain', 'backup', 'roll'] },
      mine,
      ['drain', 'roll', ...ALL.slice(4)],
    ],
  ])('%s', (_, given, seen, expected) => {
    expect(steps(planRelease({ ...RUNNING, ...seen }, ROLLOUT, record(given), commandLine))).toEqual(
      expected,
    );
  });

  it('with another image begins anew, and takes the drain over', () => {
    const earlier = record({ step: 'wait', done: ['prepull', 'drain', 'backup', 'roll'] });
    expect(
      steps(
        planRelease(
          { ...RUNNING, ...mine, specImage: NEW, pod: null },
          { ...ROLLOUT, image: OTHER },
          earlier,
          commandLine,
        ),
      ),
    ).toEqual(['prepull', 'roll', 'wait', 'verify', 'health', 'resume']);
  });
});

describe('an import that was interrupted', () => {
  const there: Partial<Seen> = {
    drain: drainBy('earlier'),
    specImage: NEW,
    pod: { uid: 'v', image: NEW, ready: true },
    database: 'postgres',
    open: ['demo#1'],
  };
  const done: readonly StepName[] = ['prepull', 'drain', 'backup', 'roll', 'wait', 'verify', 'health'];
  const begun: Partial<ReleaseRecord> = { step: 'import', done, imports: 'earlier', backup: BACKUP };
  const REST = ['wait', 'verify', 'health', 'import', 'resume'];
  it.each<[string, Partial<ReleaseRecord>, Partial<Seen>, Partial<ReleaseRequest>, readonly string[]]>([
    ['goes on, though the flag is not typed again', begun, {}, {}, REST],
    ['goes on before its pod is Ready', begun, { pod: null, database: null }, { importRows: true }, REST],
    [
      'drains the worker again, which somebody took up',
      begun,
      { drain: null },
      {},
      ['wait', 'verify', 'health', 'drain', 'import', 'resume'],
    ],
    [
      'is over when it was done',
      { ...begun, done: [...done, 'import'] },
      {},
      { importRows: true },
      ALL.slice(4),
    ],
    ['begins in a second run at the latest', { ...begun, imports: null }, {}, { importRows: true }, REST],
    [
      'is none of a release that was for PostgreSQL already',
      { ...begun, imports: null, backup: null },
      {},
      {},
      ALL.slice(4),
    ],
  ])('%s', (_, given, seen, request, expected) => {
    const worker = { ...RUNNING, ...there, ...seen };
    expect(steps(planRelease(worker, { ...ROLLOUT, ...request }, record(given), commandLine))).toEqual(
      expected,
    );
  });

  it.each<[string, Partial<ReleaseRecord>, Partial<Seen>, string | null]>([
    ['is left to the next one', begun, {}, 'earlier'],
    ['is left to the one after the next', { ...begun, imports: 'the first' }, {}, 'the first'],
    ['is none when it was done', { ...begun, done: [...done, 'import'] }, {}, null],
    [
      'is left to the one after it, when the next was never rolled',
      { ...begun, imports: 'the first', done: [] },
      {},
      'the first',
    ],
    ['is none when nothing was rolled', { ...begun, done: done.slice(0, 3) }, { database: 'sqlite' }, null],
    ['is none of a worker that was rolled back by hand', begun, { database: 'sqlite' }, null],
  ])('%s, with another image', (_, given, seen, expected) => {
    const other = { ...ROLLOUT, image: OTHER };
    const worker = { ...RUNNING, ...there, ...seen };
    expect(importOf(worker, other, record(given))).toBe(expected);
    const plan = planRelease(worker, other, record(given), commandLine);
    expect(plan.kind === 'go' && plan.steps.includes('import')).toBe(expected !== null);
  });

  it.each<[string, Partial<Seen>, Partial<ReleaseRequest>, RegExp]>([
    [
      'a rollback',
      {},
      { kind: 'rollback', image: OLD },
      /lacks rows that the release of .* has not imported yet/,
    ],
    ['a restart', {}, { kind: 'restart' }, /lacks rows/],
    [
      'the same, of a worker that was stopped',
      { replicas: 0, pod: null },
      {},
      /is stopped, and only a running worker/,
    ],
  ])('refuses %s', (_, seen, request, why) => {
    const worker = { ...RUNNING, ...there, ...seen };
    expect(planRelease(worker, { ...ROLLOUT, ...request }, record(begun), commandLine)).toMatchObject({
      kind: 'refuse',
      why: expect.stringMatching(why),
    });
  });

  it('of a record from before there were any is none', () => {
    const { imports: _, imported: __, ...old } = record({ done });
    expect(importOf({ ...RUNNING, ...there }, ROLLOUT, old as ReleaseRecord)).toBeNull();
  });
});

describe('releases that were given up, one for the next', () => {
  const drained = { ...RUNNING, drain: drainBy('first') };
  const first = record({ id: 'first', image: OTHER, state: 'abandoned' });
  const second = record({ id: 'second', image: OTHER, state: 'abandoned', replaces: 'first' });
  const open = (replaces: string) => record({ replaces, step: 'prepull' });
  it.each<[string, ReleaseRecord, readonly ReleaseRecord[]]>([
    ['the one before', open('first'), [first]],
    ['the one before that', open('second'), [first, second]],
    ['one whose record is lost', open('first'), []],
  ])('leave their drain to the last: that of %s', (_, earlier, records) => {
    expect(steps(planRelease(drained, ROLLOUT, earlier, commandLine, records))).toEqual(ALL);
  });

  it.each<[string, ReleaseRecord, readonly ReleaseRecord[]]>([
    ['that replaced nothing', record(), [first]],
    ['that replaced another', open('third'), [first, record({ id: 'third' })]],
    ['in a circle', open('third'), [record({ id: 'third', replaces: 'third' })]],
  ])('leave it to none %s', (_, earlier, records) => {
    expect(planRelease(drained, ROLLOUT, earlier, commandLine, records).kind).toBe('refuse');
  });
});

describe('a state that the factory of an image does not read', () => {
  it('of a rollout: the backup is told of', () => {
    const [why, { hints }] = unreadableState('rollout', 'w', 'M', commandLine);
    expect(why).toBe('the new image migrates the state of w: M');
    expect(hints.join('\n')).toContain('a rollback restores it');
  });

  it('of a rollback without a record of the migration: nothing is promised, and the way to a backup is told', () => {
    const [why, { hints }] = unreadableState('rollback', 'w', 'M', commandLine);
    expect(why).toBe('the previous image cannot read the state of w: M');
    expect(hints.join('\n')).toMatch(
      /nothing would be restored[\s\S]*exec w -- ls[\s\S]*cp w:\S+ FILE\n.*--allow-state-migration.*restore FILE w/,
    );
  });
});

describe('a failure', () => {
  it.each([
    ['prepull', false, 'lift'],
    ['drain', false, 'lift'],
    ['backup', false, 'lift'],
    ['roll', false, 'lift'],
    ['roll', true, 'roll-back'],
    ['wait', true, 'roll-back'],
    ['verify', true, 'roll-back'],
    ['health', true, 'roll-back'],
    ['import', true, 'roll-back'],
  ] as const)('in %s (changed: %s): %s', (step, changed, expected) => {
    expect(afterFailure(step, changed)).toBe(expected);
  });
});

describe('a migration', () => {
  it.each([
    [{ schema: 3, dialect: 'A' }, { schema: 3, dialect: 'A' }, null],
    [
      { schema: 3, dialect: 'A' },
      { schema: 8, dialect: 'B' },
      /schema version 8, the worker's database has 3/,
    ],
    [{ schema: null, dialect: 'A' }, { schema: 8, dialect: 'B' }, /dialect B, the worker's speaks A/],
    [
      { schema: 3, dialect: 'A' },
      { schema: null, dialect: 'B with PostgreSQL' },
      /dialect B with PostgreSQL/,
    ],
    [{ schema: null, dialect: null }, { schema: 8, dialect: 'B' }, null],
  ])('%j -> %j', (old, next, said) => {
    const migration = migrationOf(old, next);
    if (said === null) expect(migration).toBeNull();
    else expect(migration).toMatch(said);
  });
});
