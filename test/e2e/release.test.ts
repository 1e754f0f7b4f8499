/** Releases on the real cluster, with the real registry: nothing is lost, and what fails is undone. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { lastRecord, NOWHERE } from '../release/operator.ts';
import { kubectl, until } from './cluster.ts';
import { assertServes, otherImage, podOf, rollout, useReleases } from './releasing.ts';
import { saw } from './seen.ts';
import {
  atWork,
  finished,
  holdAgents,
  inWorker,
  isDrained,
  letAgentsGoOn,
  pipelineOf,
  queueOf,
} from './worker.ts';

const run = promisify(execFile);
// Two releases and what they wait for, on a machine that does other things as well.
vi.setConfig({ testTimeout: 600_000 });

const site = useReleases('fwc-release');
const { w1, w2, operator } = site;

describe('a release over two workers', () => {
  it('waits for the stage that runs, loses nothing, and the issue is completed afterwards', async () => {
    await holdAgents(w1);
    expect(await operator.dispatch(w1, 23)).toExitWith(0);
    expect(await operator.dispatch(w1, 24)).toExitWith(0);
    await until('stage implement', 60, async () => (await pipelineOf(w1, 23))?.status === 'in_progress');
    const begun = operator.start(...rollout(site.images.two, '--all'));
    const waits = /one: waits for demo#23 at stage implement/;
    await until('the release waits', 300, () => waits.test(begun.output()));
    await letAgentsGoOn(w1);
    const answer = await begun.answer;
    saw('a release over two workers, one at work', answer);
    expect(answer).toExitWith(0);
    // The stage was not interrupted: it is in the history with its first attempt, and no repair was needed.
    expect((await pipelineOf(w1, 23))?.stage_history).toContainEqual(
      expect.objectContaining({ stage: 'implement', attempt: 1 }),
    );
    expect(await inWorker(w1, 'cat /root/.factory/worker/repairs.jsonl 2>/dev/null || true')).toBe('');
    expect(await queueOf(w1)).toEqual([23, 24]);
    await assertServes(w1, site.images.two);
    await assertServes(w2, site.images.two);
    expect(lastRecord('one')).toMatchObject({
      state: 'done',
      image: site.images.two,
      previous: { image: site.images.one },
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

  it('touches nothing where the image runs already', async () => {
    const before = await Promise.all([podOf(w1), podOf(w2)]);
    const { code, stdout } = await operator.type(...rollout(site.images.two, '--all'));
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^one: runs .* already; nothing to do\ntwo: runs .* already/),
    ]);
    expect(await Promise.all([podOf(w1), podOf(w2)])).toEqual(before);
  });

  it('leaves the second alone when the first fails', async () => {
    const before = await podOf(w2);
    const { code, stdout, stderr } = await operator.type(...rollout(site.images.broken, '--all'));
    saw('an image whose entrypoint fails', stdout + stderr);
    expect([code, stdout]).toEqual([1, expect.stringContaining('two: not touched')]);
    expect(stderr).toMatch(
      /error: one: rolled back to .*The cause: .*the entrypoint of this image fails on purpose/,
    );
    expect(await podOf(w2)).toEqual(before);
    await assertServes(w1, site.images.two);
    expect(lastRecord('one')).toMatchObject({ state: 'rolled-back' });
    expect(await operator.dispatch(w1, 30)).toExitWith(0);
    await until('#30 is taken up', 60, async () => (await pipelineOf(w1, 30)) !== undefined);
    await until('#30 is completed', 60, async () => (await pipelineOf(w1, 30))?.status === 'completed');
  });
});

describe('an image that does not work', () => {
  it.each([
    [
      'its self-check fails',
      () => site.images.sick,
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
      site.namespace,
      'get',
      'pods',
      '-l',
      'factory-worker/prepull',
      '--field-selector=status.phase!=Failed,status.phase!=Succeeded',
      '-o',
      'name',
    );
    expect(left.split('\n').filter(Boolean).length).toBeLessThanOrEqual(1);
    await assertServes(w2, site.images.two);
  });

  it('that cannot be pulled is rolled back when nobody looked first', async () => {
    const { code, stderr } = await operator.type(...rollout(NOWHERE, 'two', '--no-prepull'));
    saw('a release without pre-pull: it cannot be pulled', stderr);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/rolled back to .*cannot pull its image: .*not found/),
    ]);
    await assertServes(w2, site.images.two);
  });
});

describe('a stage that takes longer than the drain may', () => {
  it('ends with 124, with nothing rolled and the own drain lifted', async () => {
    const before = await podOf(w2);
    await holdAgents(w2);
    expect(await operator.dispatch(w2, 40)).toExitWith(0);
    await until('#40 at work', 60, async () => (await pipelineOf(w2, 40))?.status === 'in_progress');
    const { code, stderr } = await operator.type(
      ...rollout(site.images.one, 'two', '--drain-timeout', '3s', '--no-prepull'),
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
    await letAgentsGoOn(w2);
    await until('#40 completed', 120, async () => (await pipelineOf(w2, 40))?.status === 'completed');
  });
});

describe('a release that does not wait', () => {
  it('interrupts the running stage, and the issue is completed afterwards', async () => {
    const image = await otherImage(site, w2);
    // Nothing ends its stage: a release that waited for it would never be done.
    await holdAgents(w2);
    expect(await operator.dispatch(w2, 42)).toExitWith(0);
    await atWork(w2, 42);
    const { code, stdout, stderr } = await operator.type(...rollout(image, 'two', '--now'));
    saw('a release with --now, at work', stdout + stderr);
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining('its stage is interrupted; it continues after the next start'),
    ]);
    await assertServes(w2, image);
    // The setting has gone with the container: the stage that is taken up again ends by itself.
    await finished(w2, 42);
  });
});

describe('without a person', () => {
  it('a rollout without --yes refuses, and --dry-run changes nothing', async () => {
    const before = await podOf(w1);
    const unsaid = ['build-push-rollout', 'rollout', 'one', '--image', site.images.one] as const;
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
