/** Releases of a worker whose pod has another container before its own: they look at and change the worker's alone. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { pinnedHelm } from '../charts/pinned-helm.ts';
import { kubectl } from './cluster.ts';
import { HELM } from './install.ts';
import { assertServes, podOf, rollout, useRelease } from './releasing.ts';
import { saw } from './seen.ts';
import { label, mesh, nativeSidecar, sidecar, useWebhook, WAITS } from './webhook.ts';
import { getPod, inWorker, MEMORY_LIMIT, ownOf, readyPod, type TestWorker } from './worker.ts';

// Releases and what they wait for, on a machine that does other things as well.
vi.setConfig({ testTimeout: 600_000 });

const HELM_4 = pinnedHelm('helm4') ?? 'helm';

/** As a person does it, who has not heard of webhooks. */
async function putBeside({ namespace, pod }: TestWorker): Promise<void> {
  const patch = JSON.stringify([{ ...sidecar(WAITS), path: '/spec/template/spec/containers/0' }]);
  await kubectl('-n', namespace, 'patch', 'deployment', pod, '--type=json', `--patch=${patch}`);
  await kubectl('-n', namespace, 'rollout', 'status', `deployment/${pod}`, '--timeout=180s');
}

describe.each([
  { what: 'a sidecar of a webhook', namespace: 'fwc-beside', patch: [label, sidecar(WAITS)], helm: HELM },
  {
    what: 'a native sidecar of a webhook',
    namespace: 'fwc-beside-native',
    patch: [label, nativeSidecar(WAITS)],
    helm: HELM,
  },
  // Who puts it there owns its fields, and Helm 4 minds who owns what.
  { what: 'a container by hand', namespace: 'fwc-beside-hand', patch: null, helm: HELM_4 },
])('$what', ({ what, namespace, patch, helm }) => {
  if (patch !== null) useWebhook(namespace, () => patch);
  const site = useRelease(namespace, helm);
  const { worker, operator } = site;
  if (patch === null) beforeAll(() => putBeside(worker));

  /** The other container is as it was put there. */
  async function expectBeside(): Promise<void> {
    const { spec } = await getPod(worker, await readyPod(worker));
    expect(JSON.stringify(spec)).toContain(`"name":"${mesh('').name}","image":"${mesh('').image}"`);
  }

  it('a release rolls the worker’s own, and the pre-pull ends with its check', async () => {
    const answer = await operator.type(...rollout(site.images.two, 'one'));
    saw(`${what}: a release`, answer);
    expect(answer).toExitWith(0);
    await assertServes(worker, site.images.two);
    await expectBeside();
  });

  it('one that fails says what the worker’s own said last, and is rolled back', async () => {
    const answer = await operator.type(...rollout(site.images.broken, 'one'));
    saw(`${what}: a release that fails`, answer);
    expect(answer).toExitWith(1);
    expect(answer.stderr).toMatch(/rolled back to .*the entrypoint of this image fails on purpose/s);
    await assertServes(worker, site.images.two);
    await expectBeside();
  });

  it('resize gives the worker’s own more, in the same pod', async () => {
    const before = await podOf(worker);
    const answer = await operator.type('resize', 'one', '--memory', '1200Mi', '--yes');
    saw(`${what}: resize`, answer);
    expect(answer).toExitWith(0);
    expect(await podOf(worker)).toEqual(before);
    const { spec } = await getPod(worker, await readyPod(worker));
    expect(ownOf(spec.containers)).toMatchObject({ resources: { limits: { memory: '1200Mi' } } });
    expect(await inWorker(worker, MEMORY_LIMIT)).toBe(`${1200 * 1024 ** 2}\n`);
    await expectBeside();
  });

  it('rollback goes back to the worker’s own image of before', async () => {
    const answer = await operator.type('rollback', 'one', '--yes');
    saw(`${what}: rollback`, answer);
    expect(answer).toExitWith(0);
    await assertServes(worker, site.images.one);
    await expectBeside();
  });
});
