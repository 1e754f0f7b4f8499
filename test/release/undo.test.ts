/** What is undone after a failure or repaired after an interruption, against a cluster and a worker that answer from a table. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { CliError } from '../../scripts/lib/cli/errors.ts';
import { type Build, SCHEMA } from '../../scripts/lib/contract.ts';
import { type Change, HelmError } from '../../scripts/lib/helm/helm.ts';
import type { Job } from '../../scripts/lib/release/job.ts';
import { type Facts, parseFacts } from '../../scripts/lib/release/plan.ts';
import type { ReleaseContext, Target } from '../../scripts/lib/release/preflight.ts';
import { newRecord, type ReleaseRecord, readRecords, saveRecord } from '../../scripts/lib/release/record.ts';
import { runRelease, undo } from '../../scripts/lib/release/run.ts';
import { STEPS } from '../../scripts/lib/release/steps.ts';
import { type RemoteCall, TransportError } from '../../scripts/lib/transport/transport.ts';
import { fakeExec } from '../support/fake-exec.ts';
import { commandLine, WORKER } from '../support/samples.ts';
import { boot, frame, heartbeat } from '../worker/samples.ts';

const scratch = mkdtempSync(join(tmpdir(), 'undo-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const env = { XDG_STATE_HOME: scratch, PATH: process.env['PATH'], KUBECTL: '/nonexistent/kubectl' };

const OLD = `registry.example.com/worker@sha256:${'1'.repeat(64)}`;
const NEW = `registry.example.com/worker@sha256:${'2'.repeat(64)}`;
const BY_HAND = `registry.example.com/worker@sha256:${'3'.repeat(64)}`;
const FOREIGN = {
  schema: SCHEMA,
  by: 'ann',
  host: 'laptop',
  since: '2026-03-02T11:00:00Z',
  reason: 'R',
  release: null,
};

interface Given {
  readonly replicas?: number;
  /** The image the workload names now. */
  readonly image?: string;
  readonly kind?: ReleaseRecord['kind'];
  readonly record?: Partial<ReleaseRecord>;
  /** Parts of its other answers. */
  readonly answers?: Readonly<Record<string, string>>;
  /** As it was before the release. */
  readonly before?: Facts;
  /** What the worker answers to being resumed in the name of a release; without, it cannot be entered. */
  readonly resumed?: (release: string) => string;
  /** Wait for the running stage. */
  readonly drain?: boolean;
  /** A worker of the chart: the image its revision names, and for how many pods. */
  readonly revision?: string;
  readonly revisionReplicas?: number;
  /** Whether its pod is Ready; it is by default. */
  readonly ready?: boolean;
  /** What Helm says of its release, one answer after the other. */
  readonly statuses?: readonly string[];
  /** How its upgrades fail, one after the other. */
  readonly upgradeFailures?: readonly Error[];
}

function jobOf({
  replicas = 1,
  image = OLD,
  kind = 'rollout',
  record,
  resumed,
  drain = true,
  revision,
  revisionReplicas = 1,
  ready = true,
  statuses = [],
  upgradeFailures = [],
  answers = {},
  before,
}: Given) {
  const helmSaid = { statuses: [...statuses], upgradeFailures: [...upgradeFailures] };
  const said: string[] = [];
  const calls: RemoteCall[] = [];
  const rolledBack: number[] = [];
  /** What its upgrades set. */
  const set: Change['set'][] = [];
  const container = { name: 'worker', image };
  const pod = {
    metadata: { name: WORKER.pod, uid: 'new' },
    spec: { containers: [container] },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [{ name: 'worker', state: { running: {} } }],
    },
  };
  const isBack = () => rolledBack.length + set.length > 0;
  const exec = fakeExec((argv) => {
    if (argv[0] === 'helm') return helmSays(argv);
    if (argv.some((word) => word.startsWith('deployments,'))) {
      const workload = {
        kind: 'Deployment',
        metadata: {
          name: WORKER.pod,
          ...(statuses.length === 0 ? {} : { annotations: { 'meta.helm.sh/release-name': 'worker-1' } }),
        },
        // Helm writes what it went back to.
        spec: {
          replicas,
          template: {
            spec: {
              containers: [isBack() ? { ...container, image: revision ?? image } : container],
            },
          },
        },
      };
      return { stdout: JSON.stringify({ items: [workload] }) };
    }
    return { stdout: JSON.stringify({ items: replicas === 0 ? [] : [pod] }) };
  });
  const signal = new AbortController().signal;
  const around = {
    context: { env, signal, commandLine, exec, now: () => new Date() },
    cluster: { exec, env, timeoutMs: 1000, signal, now: () => new Date() },
    timeoutMs: 1000,
    enter: async () => {
      if (resumed === undefined) throw new CliError('cannot be entered');
      return {
        run: async (call: RemoteCall) => {
          calls.push(call);
          const part = (text: string) => ({ rc: 0, text });
          const parts = new Map([
            ['resumed', part(resumed(call.args[2] ?? ''))],
            ['drain', part(JSON.stringify(FOREIGN))],
            ...Object.entries(answers).map(([name, text]) => [name, part(text)] as const),
          ]);
          return { rc: 0, parts };
        },
      };
    },
  } as unknown as ReleaseContext;
  const helmed = {
    helm: {
      manifest: async () =>
        `kind: Deployment\nmetadata: {name: ${WORKER.pod}}\nspec: {replicas: ${revisionReplicas}, template: {spec: {containers: [{name: worker, image: '${revision}'}]}}}`,
      rollback: async (_: unknown, to: number) => void rolledBack.push(to),
      status: async () => ({
        revision: 4,
        status: helmSaid.statuses.shift() ?? 'deployed',
        updated: new Date().toISOString(),
      }),
      async upgrade(_: unknown, change: Change) {
        set.push(change.set);
        const failure = helmSaid.upgradeFailures.shift();
        if (failure !== undefined) throw failure;
      },
      command: (_: unknown, args: readonly string[]) => ['helm', ...args],
    },
    release: { name: 'worker-1' },
  };
  const target = {
    worker: WORKER,
    workload: { kind: 'Deployment', name: WORKER.pod, container: 'worker', image: OLD, replicas },
    helmed: revision === undefined ? null : helmed,
    pod: null,
    facts: before ?? null,
  } as unknown as Target;
  const previous = { image: OLD, revision: revision === undefined ? null : 3, podUid: null };
  const made = newRecord(WORKER, { kind, image: NEW, previous }, new Date(0));
  const options = { prepullMs: 1, drainMs: 1, readyMs: 1, allowMigration: false };
  const job: Job = {
    target,
    request: {
      kind,
      image: kind === 'restart' ? OLD : NEW,
      revision: null,
      replicas: null,
      prepull: false,
      drain,
      chartUpgrade: false,
      importRows: false,
      undo: null,
    },
    options: { ...options, say: (text) => void said.push(text) },
    around,
    record: { ...made, ...record },
  };
  const entered = () => exec.calls.filter((argv) => argv.includes('exec')).map((argv) => argv.join(' '));
  const upgrades = () => exec.calls.filter((argv) => argv.includes('upgrade')).map((argv) => argv.join(' '));
  return { job, said, calls, rolledBack, set, upgrades, entered };
}

/** A Helm whose release has one revision, which is deployed. */
function helmSays(argv: readonly string[]) {
  if (argv.includes('version')) return { stdout: 'v4.0.0' };
  const info = { status: 'deployed', last_deployed: new Date().toISOString() };
  if (argv.includes('status')) return { stdout: JSON.stringify({ version: 4, info }) };
  return {
    stdout: JSON.stringify([{ revision: 4, status: 'deployed', updated: '', chart: '', description: '' }]),
  };
}

const FAILED = new CliError('it was refused');

describe('a worker that is stopped', () => {
  it('keeps what it has when the roll is refused: nothing was changed', async () => {
    const { job, said } = jobOf({ replicas: 0 });
    const { record, error } = await undo(job, 'roll', FAILED);
    expect([record.state, said]).toEqual(['failed', []]);
    expect(error?.message).toContain('Nothing was rolled');
  });

  it('is rolled back without waiting for a pod, and is not entered', async () => {
    const { job, calls, rolledBack } = jobOf({
      replicas: 0,
      image: NEW,
      revision: OLD,
      revisionReplicas: 0,
      resumed: () => 'none',
    });
    const { record, error } = await undo(job, 'roll', FAILED);
    expect([record.state, rolledBack, calls]).toEqual(['rolled-back', [3], []]);
    expect(error?.message).toMatch(/^rolled back to .*, and worker-1 is stopped\. The cause/);
  });

  it('by hand, which its revision does not know: it gets the image back, and is not started', async () => {
    const { job, rolledBack, set } = jobOf({ replicas: 0, image: NEW, revision: OLD });
    const { record, error } = await undo(job, 'roll', FAILED);
    expect([record.state, rolledBack]).toEqual(['rolled-back', []]);
    expect(set).toEqual([
      { 'image.repository': 'registry.example.com/worker', 'image.digest': OLD.split('@')[1], replicas: 0 },
    ]);
    expect(error?.message).toMatch(/^rolled back to .*, and worker-1 is stopped\. The cause/);
  });
});

describe('a node that does not answer', () => {
  it.each(['backup', 'verify', 'resume'] as const)(
    'at %s says nothing of the release, which goes on later',
    async (step) => {
      const { job, rolledBack } = jobOf({ image: NEW, revision: OLD, record: { done: ['drain'] } });
      const silent = async () => {
        throw new TransportError('node-unreachable', 'its node does not answer');
      };
      const around = { ...job.around, enter: silent };
      const build = { ...job.record, build: {} as Build };
      const outcome = await runRelease(job.target, job.request, [step], build, job.options, around);
      expect([outcome.record.state, outcome.record.step, rolledBack]).toEqual(['running', step, []]);
      expect(outcome.error).toMatchObject({
        message: `the release stopped at the step "${step}", and worker-1 is drained: its node does not answer`,
        hints: expect.arrayContaining(['the same command again continues from there']),
      });
    },
  );
});

describe('a restart that failed', () => {
  const drained = { done: ['drain', 'backup', 'roll'] } as const;
  it.each<[string, Partial<Given>, RegExp]>([
    [
      'lifts its drain',
      { record: drained, resumed: () => 'lifted' },
      /stays as it is\. Its drain was lifted\.$/,
    ],
    [
      'says what to type when it cannot be entered',
      { record: drained },
      /It is still drained; once it can be entered: factory-worker resume worker-1$/,
    ],
    ['says nothing of a drain that it did not make (--now)', { resumed: () => 'none' }, /stays as it is\.$/],
    [
      'names the drain of somebody else',
      { record: drained, resumed: () => 'held' },
      /It stays drained, as ann@laptop left it; take up work again: factory-worker resume worker-1$/,
    ],
  ])('%s', async (_, given, said) => {
    const { job } = jobOf({ kind: 'restart', ...given });
    const { record, error } = await undo(job, 'health', FAILED);
    expect([record.state, error?.message]).toEqual(['failed', expect.stringMatching(said)]);
  });
});

describe('a release that replaced one which had replaced another', () => {
  it('lifts the drain of whichever made it', async () => {
    const { job } = jobOf({});
    saveRecord(env, { ...job.record, id: 'a', state: 'abandoned' });
    saveRecord(env, { ...job.record, id: 'b', state: 'abandoned', replaces: 'a' });
    expect(readRecords(env).map(({ id }) => id)).toEqual(expect.arrayContaining(['a', 'b']));
    const given = jobOf({
      record: { replaces: 'b' },
      resumed: (id) => (id === 'a' ? 'lifted' : 'held'),
    });
    await STEPS.resume.run(given.job);
    expect(given.calls.map(({ args }) => args[2])).toEqual([given.job.record.id, 'b', 'a']);
    expect(given.said).toEqual([]);
  });

  it('does not take a drain of somebody else for lifted', async () => {
    const { job, said } = jobOf({ resumed: () => 'held' });
    await STEPS.resume.run(job);
    expect(said).toEqual([
      'stays drained, as ann@laptop left it; take up work again: factory-worker resume worker-1',
    ]);
  });
});

describe('a factory with PostgreSQL that migrates, which no pre-pull foresees', () => {
  const answers = (schema: number) => ({
    boot: JSON.stringify(boot),
    heartbeat: JSON.stringify(heartbeat),
    locks: 'boot=held\ncheck-in=free',
    dialect: 'key=1\npostgres=1\nFlags:\n  --config string\n',
    state: `database=postgres\nschema=${schema}\nrows=1\nnewest=1\nintegrity=ok`,
  });
  it.each([
    ['is found out afterwards, for a rollback', 2, 'rollout', true],
    ['is none when the version is the same', 1, 'rollout', false],
    ['is none of a restart', 2, 'restart', false],
  ] as const)('%s', async (_, schema, kind, migration) => {
    const { job, said } = jobOf({
      kind,
      record: { done: ['prepull'] },
      resumed: () => 'none',
      answers: answers(schema),
      before: parseFacts(frame(answers(1))),
    });
    await STEPS.health.run(job);
    expect(job.record.migration).toBe(migration);
    expect(said).toEqual(
      migration
        ? [
            "the state was migrated: its factory has schema version 2, the worker's database has 1; a rollback restores the backup",
          ]
        : [],
    );
  });
});

describe('a release to a factory with PostgreSQL, while rows are open', () => {
  const queue = JSON.stringify([
    {
      ID: 1,
      Issue: 1,
      Status: 'pending',
      Position: 1,
      ConfigPath: '/root/.factory/repos/demo/pipeline.yaml',
    },
  ]);
  const common = {
    boot: JSON.stringify(boot),
    heartbeat: JSON.stringify(heartbeat),
    locks: 'boot=held\ncheck-in=free',
  };
  const help = 'Flags:\n  --config string\n';
  const SQLITE = {
    ...common,
    queue,
    clones: 'demo\thttps://github.com/acme/demo',
    'repos-dir': '/root/.factory/repos',
    dialect: `key=1\npostgres=0\n${help}`,
    state: 'database=sqlite\nschema=8\nrows=1\nnewest=1\nintegrity=ok',
  };
  const POSTGRES = {
    ...common,
    queue: '[]',
    dialect: `key=2\npostgres=1\n${help}`,
    state: 'database=postgres\nschema=1\nrows=0\nnewest=0\nintegrity=ok',
  };
  const given = (more: Partial<Given> = {}): Given => ({
    image: NEW,
    resumed: () => 'lifted',
    before: parseFacts(frame(SQLITE)),
    answers: POSTGRES,
    ...more,
  });

  it.each<[string, Partial<Given>, boolean, readonly string[]]>([
    [
      'without the flag',
      {},
      false,
      ['or have them imported: the same command with --import --allow-state-migration'],
    ],
    [
      'without the flag, with the other one',
      {},
      true,
      ['or have them imported: the same command with --import'],
    ],
    [
      'which is a rollback, that has no such flag',
      { kind: 'rollback' },
      true,
      [expect.stringMatching(/: factory-worker build-push-rollout rollout worker-1 --image \S+ --import$/)],
    ],
    [
      'whose rows cannot be read',
      { before: parseFacts(frame({ ...SQLITE, queue: 'no JSON' })), record: { imports: 'it' } },
      true,
      [],
    ],
    [
      'which come from PostgreSQL',
      {
        before: parseFacts(frame({ ...POSTGRES, queue })),
        answers: { ...SQLITE, queue: '[]' },
        record: { imports: 'it' },
      },
      true,
      [],
    ],
  ])('is refused %s', async (_, more, allowMigration, hints) => {
    const { job } = jobOf(given(more));
    const error = await STEPS.health
      .run({ ...job, options: { ...job.options, allowMigration } })
      .catch((e) => e);
    expect(error.message).toMatch(/cannot go on with the queue of worker-1: .*the queue is not carried over/);
    expect(error.hints.slice(2)).toEqual(hints);
  });

  it('with the flag is a migration, which has to be accepted as well', async () => {
    const { job, said } = jobOf(given({ record: { imports: 'it' } }));
    await expect(STEPS.health.run(job)).rejects.toThrow(/migrates the state of worker-1/);
    await STEPS.health.run({ ...job, options: { ...job.options, allowMigration: true } });
    expect(said).toEqual(
      expect.arrayContaining([expect.stringMatching(/carried over: \S+#1; they are imported$/)]),
    );
  });

  const imports = { imports: 'it', done: ['drain', 'backup', 'roll'] } as const;
  const row = (issue: number, fate: string) => JSON.stringify({ issue, project: 'demo', fate });
  const importIn = (more: Partial<Given>) => {
    const made = jobOf(given({ record: imports, ...more }));
    const { job } = made;
    return {
      ...made,
      outcome: runRelease(job.target, job.request, ['import'], job.record, job.options, job.around),
    };
  };

  it('says what becomes of each row, and records it', async () => {
    const answers = {
      imported: ['add', 'goes-on', 'waits'].map((fate, at) => row(at + 1, fate)).join('\n'),
      left: '0',
    };
    const { outcome, said, calls } = importIn({ answers });
    expect((await outcome).record).toMatchObject({
      state: 'done',
      imported: { added: 1, goesOn: ['demo#2'], waits: ['demo#3'] },
    });
    expect(said[0]).toBe('1 row imported');
    expect(calls.map(({ script, args }) => [script, ...args])).toEqual([
      ['release-import', 'it', 'add', '60'],
    ]);
  });

  it('says how far it is, and does not go on for ever', async () => {
    const answers = { imported: [row(1, 'add'), row(2, 'add')].join('\n'), left: '1' };
    const { outcome, said } = importIn({ answers });
    expect((await outcome).error?.message).toContain('makes no progress: 1 are left');
    expect(said[0]).toBe('1 row imported, 1 to go');
  });

  it('does nothing where the new factory has SQLite as well', async () => {
    const { outcome, said } = importIn({ answers: { unneeded: '' } });
    expect((await outcome).record).toMatchObject({ state: 'done', imported: null });
    expect(said).toEqual(['both factories keep their queue in SQLite: nothing is imported']);
  });

  it.each(['timeout', 'not-running'] as const)('goes on later after an interruption: %s', async (kind) => {
    const { job, rolledBack } = jobOf(given({ record: imports, revision: OLD }));
    const enter = async () => {
      throw new TransportError(kind, 'it was cut');
    };
    const around = { ...job.around, enter };
    const { record, error } = await runRelease(
      job.target,
      job.request,
      ['import'],
      job.record,
      job.options,
      around,
    );
    expect([record.state, rolledBack]).toEqual(['running', []]);
    // Without its rows it is not to go on with its work.
    expect(error?.hints).toEqual(['the same command again continues from there']);
  });

  it.each(['drain', 'backup'] as const)(
    'of a release before this one keeps its drain when this one fails before its roll: %s',
    async (step) => {
      const { job, calls } = jobOf(given({ record: { imports: 'it', replaces: 'it' } }));
      const enter = async () => {
        throw new CliError('it was refused');
      };
      const around = { ...job.around, enter };
      const { record, error } = await runRelease(
        job.target,
        job.request,
        [step],
        job.record,
        job.options,
        around,
      );
      expect([record.state, calls]).toEqual(['running', []]);
      expect(error?.hints[0]).toBe('the same command again continues from there');
      expect(error?.hints.join()).not.toContain('resume');
    },
  );

  it('goes on later when only its drain could not be lifted', async () => {
    const record = { ...imports, done: [...imports.done, 'import'] } as const;
    const { job, rolledBack } = jobOf(given({ record, revision: OLD, resumed: () => 'no word' }));
    const { record: after } = await runRelease(
      job.target,
      job.request,
      ['resume'],
      job.record,
      job.options,
      job.around,
    );
    expect([after.state, rolledBack]).toEqual(['running', []]);
  });

  it.each<[string, Readonly<Record<string, string>>, RegExp | null]>([
    ['takes the rows out again', { withdrawn: '', others: '' }, null],
    [
      'names what others have added',
      { withdrawn: '', others: 'demo#9\n' },
      /meanwhile stays there: demo#9\.$/,
    ],
    [
      'says when they stay',
      {},
      /could not be taken out of PostgreSQL \(no answer\); the next release with --import replaces them\.$/,
    ],
    ['has nothing to take out of the worker that is back', { unneeded: '' }, null],
  ])('that fails after the import %s, and leaves SQLite as it is', async (_, answers, said) => {
    const imported = { added: 1, goesOn: [], waits: [] };
    // The pod of the revision is there at once.
    const previous = { image: OLD, revision: 3, podUid: 'new' };
    const done = [...imports.done, 'import'] as const;
    const record = { ...imports, imported, migration: true, previous, done };
    const { job, calls } = jobOf(given({ image: OLD, revision: OLD, record, answers }));
    const { record: after, error } = await undo(job, 'wait', FAILED);
    expect(after.state).toBe('rolled-back');
    if (said === null) expect(error?.message).not.toContain('PostgreSQL');
    else expect(error?.message).toMatch(said);
    expect(calls.map(({ script }) => script)).toEqual(['release-import', 'resume']);
  });
});

describe('a pod that is replaced', () => {
  it.each<[string, boolean, string, number]>([
    ['is told not to wait for its stage, without a drain', false, 'new', 1],
    ['is told nothing after a drain', true, 'new', 0],
    ['is told, not its successor', false, 'the one before', 0],
  ])('%s', async (_, drain, podUid, times) => {
    const { job, entered } = jobOf({ drain, image: NEW });
    job.record = { ...job.record, previous: { ...job.record.previous, podUid } };
    // The table has one pod only: whether another one comes is not what is looked at here.
    await STEPS.wait.run(job).catch((error: unknown) => expect(error).toBeInstanceOf(CliError));
    expect(entered()).toHaveLength(times);
    expect(entered().every((line) => line.includes(WORKER.pod))).toBe(true);
  });
});

describe('a worker whose image somebody had set by hand', () => {
  it('is rolled back to the image of the revision, and that one is waited for', async () => {
    // The pod of the revision is there at once; one of the image set by hand would be waited for in vain.
    const { job, said } = jobOf({ image: OLD, revision: OLD, resumed: () => 'lifted' });
    const before = { ...job.record.previous, image: BY_HAND, podUid: 'new' };
    job.record = { ...job.record, previous: before };
    const { error } = await undo(job, 'wait', FAILED);
    expect(said[1]).toContain('rolling back to registry.example.com/worker@sha256:1111');
    expect(error?.message).toMatch(/^rolled back to .*sha256:1111.*takes work again/);
  });
});

describe('a helm that outlives the command that started it', () => {
  const inProgress = new HelmError('pending', 'another operation is in progress', []);
  const resumed = () => 'none';

  it('is waited for, and the pod that it brings: the worker is looked at again', async () => {
    const given = { image: NEW, revision: NEW, statuses: ['pending-upgrade', 'deployed'], resumed };
    const { job, said, rolledBack } = jobOf(given);
    await STEPS.repair.run(job);
    expect(said[0]).toMatch(/^Helm is at pending-upgrade since .*; waiting/);
    expect(rolledBack).toEqual([]);
    expect(job.target.pod?.metadata.uid).toBe('new');
    // Nothing would replace that pod: the image is the one to roll to.
    expect(job.record.previous.podUid).toBe(null);
  });

  it('and whose pod does not come up is told of: nothing goes on with a pod that is not there', async () => {
    const given = { image: NEW, revision: NEW, statuses: ['deployed'], ready: false, resumed };
    await expect(STEPS.repair.run(jobOf(given).job)).rejects.toThrow(/not Ready within/);
  });

  it('has brought another image: that is the one to go back to', async () => {
    const { job } = jobOf({ image: BY_HAND, revision: BY_HAND, statuses: ['deployed'], resumed });
    const chartUpgrade = { ...job, request: { ...job.request, chartUpgrade: true } };
    await STEPS.repair.run(chartUpgrade);
    expect(chartUpgrade.record.previous).toEqual({ image: BY_HAND, revision: 4, podUid: 'new' });
  });

  it('has brought image and chart: what to go back to is still what ran before', async () => {
    const { job } = jobOf({ image: NEW, revision: OLD, statuses: ['deployed'], resumed });
    const chartUpgrade = { ...job, request: { ...job.request, chartUpgrade: true } };
    await STEPS.repair.run(chartUpgrade);
    expect(chartUpgrade.record.previous).toEqual({ image: OLD, revision: 3, podUid: null });
  });

  it('begins its work only when this release rolls: it is waited for, and the roll is repeated', async () => {
    const given = {
      image: NEW,
      revision: NEW,
      statuses: ['deployed'],
      upgradeFailures: [inProgress],
      resumed,
    };
    const { job, upgrades } = jobOf(given);
    await STEPS.roll.run(job);
    // By the Helm of the second look, which is asked for its version like any other.
    expect(upgrades()).toEqual([expect.stringContaining(`image.digest=${NEW.split('@')[1]}`)]);
    expect(job.record.previous.podUid).toBe(null);
  });

  it.each([
    ['replaced', 'old', 'drained'],
    ['the same', 'new', 'failed'],
  ])('takes the pod away from the drain: the next one is drained; when it is %s', async (_, uid, end) => {
    const answers = { drained: 'new' };
    const { job, calls } = jobOf({ image: NEW, revision: NEW, statuses: ['deployed'], resumed, answers });
    job.target = { ...job.target, pod: { metadata: { name: WORKER.pod, uid } } };
    const broke = new TransportError('timeout', 'the connection broke');
    const enter = vi.fn(job.around.enter).mockRejectedValueOnce(broke);
    const draining = STEPS.drain.run(Object.assign(job, { around: { ...job.around, enter } }));
    if (end === 'failed') {
      await expect(draining).rejects.toBe(broke);
      expect(calls).toEqual([]);
    } else {
      await draining;
      expect(calls.map(({ script }) => script)).toContain('drain');
      expect(job.target.pod?.metadata.uid).toBe('new');
    }
  });

  it('and one that refuses for another reason is told of', async () => {
    const refused = new HelmError('conflict', 'conflict with "kubectl"', []);
    const { job } = jobOf({ revision: OLD, upgradeFailures: [refused] });
    await expect(STEPS.roll.run(job)).rejects.toBe(refused);
  });
});
