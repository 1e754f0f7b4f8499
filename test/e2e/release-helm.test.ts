/** Releases by Helm 3, by Helm 4, after a Helm that was killed, and without any. */
import { spawn } from 'node:child_process';
import { describe, expect, it, vi } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { pinnedHelm } from '../charts/pinned-helm.ts';
import { digestValues, NOWHERE, releaser } from '../release/operator.ts';
import { apply, CONTEXT, KUBECONFIG, kubectl, until } from './cluster.ts';
import { CHART, HELM, helm, install, valuesOf, workerIn } from './install.ts';
import { assertServes, otherImage, podOf, rollout, useReleases } from './releasing.ts';
import { saw } from './seen.ts';
import { podsOf, readyPod } from './worker.ts';

// Two releases and what they wait for, on a machine that does other things as well.
vi.setConfig({ testTimeout: 600_000 });

const site = useReleases('fwc-release-helm');
const { w2, operator } = site;

describe('a Helm that was killed in the middle', () => {
  it('leaves pending-upgrade, which the next release repairs', async () => {
    const image = await otherImage(site, w2);
    // As an operator does it by hand: an image that never comes up, --wait, and the laptop is closed.
    const child = spawn(
      HELM,
      [
        'upgrade',
        'two',
        CHART,
        '--namespace',
        site.namespace,
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
        JSON.parse(await helm('status', 'two', '--namespace', site.namespace, '--output=json')) as {
          info: { status: string };
        }
      ).info.status;
    await until('pending-upgrade', 60, async () => (await status()) === 'pending-upgrade');
    await until('its pod cannot be pulled', 60, async () => (await podsOf(w2)).length > 0);
    child.kill('SIGKILL');
    expect(await status()).toBe('pending-upgrade');
    const scale = (replicas: number) =>
      kubectl('-n', site.namespace, 'scale', 'deployment', w2.pod, `--replicas=${replicas}`);
    await scale(0);
    await until('it is stopped', 60, async () => (await podsOf(w2)).length === 0);
    const refused = await operator.type(...rollout(image, 'two'));
    saw('a release of a worker scaled to 0, after a Helm that was killed', refused);
    expect(refused).toExitWith(1);
    expect(refused.stderr).toMatch(/two is stopped, .* going back to revision \d+, .* would start it/);
    expect(await podsOf(w2)).toEqual([]);
    await scale(1);
    await until('its pod is there again', 60, async () => (await podsOf(w2)).length > 0);
    const { code, stdout, stderr } = await operator.type(...rollout(image, 'two'));
    saw('a release after a Helm that was killed', stdout + stderr);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/an earlier run of Helm was interrupted; going back to revision \d+/),
    ]);
    expect(await status()).toBe('deployed');
    await assertServes(w2, image);
  });
});

describe('Helm 4', () => {
  it('releases what Helm 3 installed, and what it installed itself', async () => {
    const helm4 = pinnedHelm('helm4') ?? 'helm';
    const image = await otherImage(site, w2);
    const first = await releaser([w2], helm4).type(...rollout(image, 'two'));
    expect(first).toExitWith(0);
    await assertServes(w2, image);
    const w4 = workerIn(site.namespace, 'four');
    await install(w4, digestValues(site.images.one), { program: helm4 });
    const other = releaser([w4], helm4);
    expect(await other.type(...rollout(site.images.two, 'four'))).toExitWith(0);
    await assertServes(w4, site.images.two);
    const back = await other.type('rollback', 'four', '--yes');
    expect(back).toExitWith(0);
    await assertServes(w4, site.images.one);
    await helm('uninstall', 'four', '--namespace', site.namespace);
  });
});

describe('a worker that Helm knows nothing of', () => {
  it('gets its image by kubectl, and is rolled back by kubectl', async () => {
    const bare = workerIn(site.namespace, 'bare');
    const values = valuesOf(digestValues(site.images.one));
    const place = `--namespace=${site.namespace}`;
    const manifest = await helm('template', 'bare', CHART, place, '--no-hooks', ...values);
    await apply(
      ...parseAllDocuments(manifest)
        .map((document) => document.toJS() as object | null)
        .filter((object) => object !== null),
    );
    await readyPod(bare);
    const other = releaser([bare]);
    const good = await other.type(...rollout(site.images.two, 'bare'));
    expect(good).toExitWith(0);
    await assertServes(bare, site.images.two);
    const bad = await other.type(...rollout(site.images.broken, 'bare'));
    expect([bad.code, bad.stderr]).toEqual([1, expect.stringContaining('rolled back to')]);
    await assertServes(bare, site.images.two);
    const restarted = await podOf(bare);
    const again = await other.type('build-push-rollout', 'rollout', 'bare', '--restart', '--yes');
    expect(again).toExitWith(0);
    expect((await podOf(bare)).uid).not.toBe(restarted.uid);
    await assertServes(bare, site.images.two);
    const back = await other.type('rollback', 'bare', '--yes');
    expect(back).toExitWith(0);
    await assertServes(bare, site.images.one);
  });
});
