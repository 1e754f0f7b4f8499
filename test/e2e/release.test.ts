/** Releases on the real cluster, with the real registry, Helm 3 and Helm 4: nothing is lost, and what fails is undone. */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { pinnedHelm } from '../charts/pinned-helm.ts';
import {
  digestValues,
  type ImageName,
  killAt,
  lastRecord,
  NOWHERE,
  releaseImages,
  releaser,
} from '../release/operator.ts';
import { apply, CONTEXT, getObject, KUBECONFIG, kubectl, until } from './cluster.ts';
import { CHART, HELM, helm, install, valuesOf, workerIn } from './install.ts';
import { saw } from './seen.ts';
import { useNamespace } from './site.ts';
import {
  assertSound,
  inWorker,
  isDrained,
  type PodObject,
  podsOf,
  queueOf,
  readyPod,
  setStandins,
  type TestWorker,
} from './worker.ts';

// Of this run alone: a machine has one cluster, which several may test on.
const NAMESPACE = `rel-e2e-${process.pid}`;
const run = promisify(execFile);
// Two releases and what they wait for, on a machine that does other things as well.
vi.setConfig({ testTimeout: 600_000 });

let images: Readonly<Record<ImageName, string>>;
const w1 = workerIn(NAMESPACE, 'one');
const w2 = workerIn(NAMESPACE, 'two');
const operator = releaser([w1, w2]);

useNamespace(NAMESPACE);
beforeAll(async () => {
  images = releaseImages();
  await Promise.all([w1, w2].map((worker) => install(worker, digestValues(images.one))));
});

/** `build-push-rollout rollout` of an image, as its words. */
const rollout = (image: string, ...args: string[]) =>
  ['build-push-rollout', 'rollout', ...args, '--image', image, '--yes'] as const;

/** What Kubernetes itself says of the worker's pod. */
async function podOf(worker: TestWorker): Promise<{ uid: string; image: string }> {
  const pod = await getObject<PodObject>(worker.namespace, 'pod', await readyPod(worker));
  return { uid: pod.metadata.uid, image: pod.spec.containers[0]?.image ?? '' };
}

/** The good image that the worker does not run. */
const otherImage = async (worker: TestWorker) =>
  (await podOf(worker)).image === images.one ? images.two : images.one;

/** The worker has come to rest in a good state: this image, no drain, its queue and database whole. */
async function assertServes(worker: TestWorker, image: string): Promise<void> {
  expect(await podOf(worker)).toMatchObject({ image });
  expect(await isDrained(worker)).toBe(false);
  await assertSound(worker);
}

async function dispatch(worker: TestWorker, issue: number): Promise<void> {
  expect(await operator.dispatch(worker, issue)).toExitWith(0);
}

const pipelineOf = async (
  worker: TestWorker,
  issue: number,
): Promise<
  { status: string; stage: string; stage_history?: { stage: string; attempt: number }[] } | undefined
> => {
  const text = await inWorker(worker, 'cd /root/.factory/repos/demo && factory status --format json');
  return (JSON.parse(text) as { issue: number; status: string; stage: string }[] | null)?.find(
    (row) => row.issue === issue,
  );
};

describe('a release over two workers', () => {
  it('waits for the stage that runs, loses nothing, and the issue is completed afterwards', async () => {
    await setStandins(w1, 'STANDIN_CLAUDE_WORK_SECONDS=12');
    await dispatch(w1, 23);
    await dispatch(w1, 24);
    await until('stage implement', 60, async () => (await pipelineOf(w1, 23))?.status === 'in_progress');
    const { code, stdout, stderr } = await operator.type(...rollout(images.two, '--all'));
    saw('a release over two workers, one at work', stdout + stderr);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/one: waits for demo#23 at stage implement/)]);
    // The stage was not interrupted: it is in the history with its first attempt, and no repair was needed.
    expect((await pipelineOf(w1, 23))?.stage_history).toContainEqual(
      expect.objectContaining({ stage: 'implement', attempt: 1 }),
    );
    expect(await inWorker(w1, 'cat /root/.factory/worker/repairs.jsonl 2>/dev/null || true')).toBe('');
    expect(await queueOf(w1)).toEqual([23, 24]);
    await assertServes(w1, images.two);
    await assertServes(w2, images.two);
    expect(lastRecord('one')).toMatchObject({
      state: 'done',
      image: images.two,
      previous: { image: images.one },
      migration: false,
    });
    await until('#23 and #24 completed', 120, async () =>
      (await Promise.all([23, 24].map((issue) => pipelineOf(w1, issue)))).every(
        (row) => row?.status === 'completed',
      ),
    );
    const { copy, bytes } = lastRecord('one')?.backup ?? {};
    expect(bytes).toBeGreaterThan(0);
    const { stdout: listing } = await run('tar', ['tzf', copy ?? '']);
    expect(listing).toContain('factory.db');
    expect(listing).toContain('pipelines/23/pipeline.json');
  });

  it('is done in seconds, and touches nothing, where the image runs already', async () => {
    const before = await Promise.all([podOf(w1), podOf(w2)]);
    const { code, stdout, seconds } = await operator.type(...rollout(images.two, '--all'));
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^one: runs .* already; nothing to do\ntwo: runs .* already/),
    ]);
    expect(seconds).toBeLessThan(10);
    expect(await Promise.all([podOf(w1), podOf(w2)])).toEqual(before);
  });

  it('leaves the second alone when the first fails', async () => {
    const before = await podOf(w2);
    const { code, stdout, stderr } = await operator.type(...rollout(images.broken, '--all'));
    saw('an image whose entrypoint fails', stdout + stderr);
    expect([code, stdout]).toEqual([1, expect.stringContaining('two: not touched')]);
    expect(stderr).toMatch(
      /error: one: rolled back to .*The cause: .*the entrypoint of this image fails on purpose/,
    );
    expect(await podOf(w2)).toEqual(before);
    await assertServes(w1, images.two);
    expect(lastRecord('one')).toMatchObject({ state: 'rolled-back' });
    await dispatch(w1, 30);
    await until('#30 is taken up', 60, async () => (await pipelineOf(w1, 30)) !== undefined);
    await until('#30 is completed', 60, async () => (await pipelineOf(w1, 30))?.status === 'completed');
  });
});

describe('an image that does not work', () => {
  it.each([
    [
      'its self-check fails',
      () => images.sick,
      /new image does not work on the node of two: it is sick on purpose/,
    ],
    ['it cannot be pulled', () => NOWHERE, /cannot be pulled: .*not found/],
  ])('%s: found before the worker is touched', async (what, image, said) => {
    const before = await podOf(w2);
    const { code, stderr } = await operator.type(...rollout(image(), 'two'));
    saw(`a release: ${what}`, stderr);
    expect([code, stderr]).toEqual([1, expect.stringMatching(said)]);
    expect(stderr).toContain('Nothing was rolled');
    expect(await podOf(w2)).toEqual(before);
    const left = await kubectl(
      '-n',
      NAMESPACE,
      'get',
      'pods',
      '-l',
      'factory-worker/prepull',
      '--field-selector=status.phase!=Failed,status.phase!=Succeeded',
      '-o',
      'name',
    );
    expect(left.split('\n').filter(Boolean).length).toBeLessThanOrEqual(1);
    await assertServes(w2, images.two);
  });

  it('that cannot be pulled is rolled back when nobody looked first', async () => {
    const { code, stderr } = await operator.type(...rollout(NOWHERE, 'two', '--no-prepull'));
    saw('a release without pre-pull: it cannot be pulled', stderr);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/rolled back to .*cannot pull its image: .*not found/),
    ]);
    await assertServes(w2, images.two);
  });
});

describe('a stage that takes longer than the drain may', () => {
  it('ends with 124, with nothing rolled and the own drain lifted', async () => {
    const before = await podOf(w2);
    await setStandins(w2, 'STANDIN_CLAUDE_WORK_SECONDS=25');
    await dispatch(w2, 40);
    await until('#40 at work', 60, async () => (await pipelineOf(w2, 40))?.status === 'in_progress');
    const { code, stderr } = await operator.type(
      ...rollout(images.one, 'two', '--drain-timeout', '3s', '--no-prepull'),
    );
    saw('a drain that takes too long', stderr);
    expect([code, stderr]).toEqual([
      124,
      expect.stringMatching(
        /not drained within 3s: it waits for demo#40 .*Nothing was rolled.*Its drain was lifted/s,
      ),
    ]);
    expect(await podOf(w2)).toEqual(before);
    expect(await isDrained(w2)).toBe(false);
    await until('#40 completed', 120, async () => (await pipelineOf(w2, 40))?.status === 'completed');
  });
});

describe('an interruption', () => {
  const steps = ['prepull', 'drain', 'backup', 'roll', 'wait', 'verify', 'health', 'resume'] as const;
  it.each(steps)('at %s: the same command again goes on, and is done', async (step) => {
    const image = await otherImage(w2);
    const args = rollout(image, 'two');
    await killAt(operator.start(...args), 'two', step);
    const row = await until('the worker answers', 60, async () => {
      const found = await operator.row(w2);
      return ['drained', 'draining', 'running'].includes(found.status) && found;
    });
    // While the old pod stops nobody can look into it: then it is the pod that is told of.
    if (row.status.startsWith('drain') && row.sessions !== null)
      expect(JSON.stringify(row.problems)).toContain('resume');
    const again = await operator.type(...args);
    saw(`killed at ${step}, and again`, again);
    expect(again).toExitWith(0);
    await assertServes(w2, image);
    expect(lastRecord('two')?.state).toMatch(/^done$/);
  });

  it('by Ctrl-C says how the worker was left, and what to type', async () => {
    const image = await otherImage(w2);
    await setStandins(w2, 'STANDIN_CLAUDE_WORK_SECONDS=15');
    await dispatch(w2, 41);
    await until('#41 at work', 60, async () => (await pipelineOf(w2, 41))?.status === 'in_progress');
    const begun = operator.start(...rollout(image, 'two'));
    await until('it waits', 60, () => begun.output().includes('waits for demo#41'));
    begun.child.kill('SIGINT');
    const { code, stderr } = await begun.answer;
    saw('a release that was interrupted while it waited', stderr);
    expect([code, stderr]).toEqual([
      130,
      expect.stringMatching(
        /interrupted at the step "drain"; two is drained\. The same command again goes on from there, or .*resume.* two/,
      ),
    ]);
    expect(await isDrained(w2)).toBe(true);
    const resumed = await operator.type('resume', 'two');
    expect(resumed, resumed.stderr).toMatchObject({ code: 0, stdout: 'two takes work again\n' });
    expect(await isDrained(w2)).toBe(false);
    const again = await operator.type(...rollout(image, 'two'));
    expect(again).toExitWith(0);
    await assertServes(w2, image);
    await until('#41 completed', 120, async () => (await pipelineOf(w2, 41))?.status === 'completed');
  });
});

describe('a Helm that was killed in the middle', () => {
  it('leaves pending-upgrade, which the next release mends', async () => {
    const image = await otherImage(w2);
    // As an operator does it by hand: an image that never comes up, --wait, and the laptop is closed.
    const child = spawn(
      HELM,
      [
        'upgrade',
        'two',
        CHART,
        '--namespace',
        NAMESPACE,
        '--reset-then-reuse-values',
        '--wait',
        '--set',
        `image.digest=${NOWHERE.split('@')[1]}`,
        `--kubeconfig=${KUBECONFIG}`,
        `--kube-context=${CONTEXT}`,
      ],
      { stdio: 'ignore' },
    );
    const status = async () =>
      (
        JSON.parse(await helm('status', 'two', '--namespace', NAMESPACE, '--output=json')) as {
          info: { status: string };
        }
      ).info.status;
    await until('pending-upgrade', 60, async () => (await status()) === 'pending-upgrade');
    await until('its pod cannot be pulled', 60, async () => (await podsOf(w2)).length > 0);
    child.kill('SIGKILL');
    expect(await status()).toBe('pending-upgrade');
    const { code, stdout, stderr } = await operator.type(...rollout(image, 'two'));
    saw('a release after a Helm that was killed', stdout + stderr);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/a Helm was cut short; going back to revision \d+/),
    ]);
    expect(await status()).toBe('deployed');
    await assertServes(w2, image);
  });
});

describe('Helm 4', () => {
  it('releases what Helm 3 installed, and what it installed itself', async () => {
    const helm4 = pinnedHelm('helm4') ?? 'helm';
    const image = await otherImage(w2);
    const first = await releaser([w2], helm4).type(...rollout(image, 'two'));
    expect(first).toExitWith(0);
    await assertServes(w2, image);
    const w4 = workerIn(NAMESPACE, 'four');
    await install(w4, digestValues(images.one), { program: helm4 });
    const other = releaser([w4], helm4);
    expect(await other.type(...rollout(images.two, 'four'))).toExitWith(0);
    await assertServes(w4, images.two);
    const back = await other.type('rollback', 'four', '--yes');
    expect(back).toExitWith(0);
    await assertServes(w4, images.one);
    await helm('uninstall', 'four', '--namespace', NAMESPACE);
  });
});

describe('a worker that Helm knows nothing of', () => {
  it('gets its image by kubectl, and is rolled back by kubectl', async () => {
    const bare = workerIn(NAMESPACE, 'bare');
    const values = valuesOf(digestValues(images.one));
    const place = `--namespace=${NAMESPACE}`;
    const manifest = await helm('template', 'bare', CHART, place, '--no-hooks', ...values);
    await apply(
      ...parseAllDocuments(manifest)
        .map((document) => document.toJS() as object | null)
        .filter((object) => object !== null),
    );
    await readyPod(bare);
    const other = releaser([bare]);
    const good = await other.type(...rollout(images.two, 'bare'));
    expect(good).toExitWith(0);
    await assertServes(bare, images.two);
    const bad = await other.type(...rollout(images.broken, 'bare'));
    expect([bad.code, bad.stderr]).toEqual([1, expect.stringContaining('rolled back to')]);
    await assertServes(bare, images.two);
    const restarted = await podOf(bare);
    const again = await other.type('build-push-rollout', 'rollout', 'bare', '--restart', '--yes');
    expect(again).toExitWith(0);
    expect((await podOf(bare)).uid).not.toBe(restarted.uid);
    await assertServes(bare, images.two);
    const back = await other.type('rollback', 'bare', '--yes');
    expect(back).toExitWith(0);
    await assertServes(bare, images.one);
  });
});

describe('another factory', () => {
  const schema = async () =>
    (
      await inWorker(w1, 'sqlite3 /root/.factory/factory.db "SELECT max(version) FROM schema_version"')
    ).trim();

  it('is refused without --allow-state-migration, before the worker is touched', async () => {
    const before = await podOf(w1);
    const { code, stderr } = await operator.type(...rollout(images.newer, 'one'));
    saw('an image that migrates the state', stderr);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /migrates the state of one: its factory has schema version 8, the worker's database has 3.*--allow-state-migration/s,
      ),
    ]);
    expect(await podOf(w1)).toEqual(before);
  });

  it('migrates with it; a rollback restores the backup', async () => {
    const { image } = await podOf(w1);
    const rows = await queueOf(w1);
    expect(await operator.type(...rollout(images.newer, 'one', '--allow-state-migration'))).toExitWith(0);
    expect(await schema()).toBe('8');
    const back = await operator.type('rollback', 'one', '--yes');
    saw('a rollback over a migration', back.stdout + back.stderr);
    expect([back.code, back.stderr]).toEqual([
      0,
      expect.stringContaining('the state of before the migration is back'),
    ]);
    expect(await schema()).toBe('3');
    expect(await queueOf(w1)).toEqual(rows);
    await assertServes(w1, image);
  });

  it('stays when issues were added since', async () => {
    expect(await operator.type(...rollout(images.newer, 'one', '--allow-state-migration'))).toExitWith(0);
    await dispatch(w1, 50);
    const before = await podOf(w1);
    const { code, stderr } = await operator.type('rollback', 'one', '--yes');
    saw('a rollback over a migration, with issues added since', stderr);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/cannot go back over the migration of .* what came since would be lost/),
    ]);
    expect(await podOf(w1)).toEqual(before);
    expect(await queueOf(w1)).toContain(50);
  });
});

describe('drain, resume, backup', () => {
  it('a drain of somebody else is lifted by force only', async () => {
    const drained = await operator.type('drain', 'two', '--wait', '--reason', 'node upgrade');
    saw('drain --wait', drained.stdout + drained.stderr);
    expect(drained, drained.stderr).toMatchObject({ code: 0, stdout: 'two is drained, and nothing runs\n' });
    expect(await operator.row(w2)).toMatchObject({ status: 'drained' });
    await inWorker(w2, `sed -i 's/"host":"[^"]*"/"host":"elsewhere"/' /root/.factory/worker/drain`);
    const refused = await operator.type('resume', 'two');
    saw('resume of another’s drain', refused.stderr);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/is drained by .*@elsewhere .*: node upgrade\n.*--force/),
    ]);
    // A release takes its turn, and leaves the drain as it is.
    const image = await otherImage(w2);
    const released = await operator.type(...rollout(image, 'two'));
    expect([released.code, released.stderr]).toEqual([0, expect.stringContaining('stays drained, as')]);
    expect(await isDrained(w2)).toBe(true);
    expect(await operator.type('resume', 'two', '--force')).toExitWith(0);
    await assertServes(w2, image);
  });

  it('a backup is the database as SQLite copies it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'e2e-backup-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const target = join(folder, 'one.tar.gz');
    const { code, stdout, stderr } = await operator.type('backup', 'one', target);
    saw('backup', stdout + stderr);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/rows, integrity ok\n$/)]);
    expect(existsSync(`${target}.part`)).toBe(false);
    await run('tar', ['--extract', `--file=${target}`, `--directory=${folder}`]);
    const ask = async (sql: string) =>
      (await run('sqlite3', [join(folder, 'factory.db'), sql])).stdout.trim();
    expect(await ask('PRAGMA integrity_check')).toBe('ok');
    const issues = (await ask('SELECT issue FROM issue_queue ORDER BY issue')).split('\n');
    expect(issues.map(Number)).toEqual(await queueOf(w1));
    expect(await operator.type('backup', 'one', target)).toExitWith(1);
  });
});

describe('without a person', () => {
  it('a rollout without --yes refuses, and --dry-run changes nothing', async () => {
    const before = await podOf(w1);
    const unsaid = ['build-push-rollout', 'rollout', 'one', '--image', images.one] as const;
    const refused = await operator.type(...unsaid);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('give --yes')]);
    const dry = await operator.type(...unsaid, '--dry-run');
    saw('a rollout with --dry-run', dry.stdout);
    expect(dry, dry.stderr).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/ upgrade one .*--reset-then-reuse-values/),
    });
    expect(await podOf(w1)).toEqual(before);
    const ledger = await operator.type('releases', '-o', 'json');
    expect(JSON.parse(ledger.stdout)).toContainEqual(expect.objectContaining({ state: 'rolled-back' }));
  });
});
