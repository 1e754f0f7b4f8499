/** Pods that a webhook has changed, as a service mesh does it: labels and containers of its own. */
import { describe, expect, it } from 'vitest';
import { until } from './cluster.ts';
import { explained } from './explain.ts';
import { HELD, install, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { saw } from './seen.ts';
import { useNamespace, useSite } from './site.ts';
import { label, nativeSidecar, sidecar, useWebhook, WAITS } from './webhook.ts';
import { podsOf, queueOf } from './worker.ts';

describe.each([
  ['a sidecar before the worker', 'fwc-sidecar', sidecar(WAITS)],
  ['a native sidecar', 'fwc-native', nativeSidecar(WAITS)],
])('%s', (what, namespace, container) => {
  useWebhook(namespace, () => [label, container]);
  const { worker, operator } = useSite(namespace);

  it('the commands are in the worker’s own container', async () => {
    const [pod] = await podsOf(worker);
    expect(JSON.stringify(pod)).toMatch(/"mesh":"injected".*"name":"mesh"/);
    const list = await operator.list();
    saw(`${what}: list`, list);
    expect(list.stdout).toMatch(new RegExp(`worker-1 +factory-worker-1 +${HELD}`));
    expect(await operator.dispatch(worker, 7)).toExitWith(0);
    expect(await queueOf(worker)).toContain(7);
    const inside = await operator.type('exec', worker.name, '--', 'printenv', 'WORKER_STATE_DIR');
    expect(inside).toExitWith(0);
    expect((await operator.type('logs', worker.name, 'boot')).stdout).toContain('phase tmux ok');
  });

  it('stop and start wait for the whole pod', async () => {
    const stopped = await operator.type('stop', worker.name, '--yes');
    saw(`${what}: stop`, stopped);
    expect(stopped).toExitWith(0);
    expect(await podsOf(worker)).toEqual([]);
    expect(await operator.type('start', worker.name)).toExitWith(0);
    expect(await queueOf(worker)).toContain(7);
  });
});

describe('a sidecar that does not stay up', () => {
  useWebhook('fwc-mesh-down', () => [label, sidecar('echo no mesh here; exit 1')]);
  useNamespace('fwc-mesh-down');

  it('why names it, and the worker can be entered', async () => {
    const worker = workerIn('fwc-mesh-down', 'worker-1');
    await install(worker, {}, { wait: false });
    const operator = Operator.of([worker]);
    expect(await explained(worker, 'other-container', { seconds: 180 })).toMatch(
      /CrashLoopBackOff.*--container=mesh/s,
    );
    await until('it takes work', 60, async () => (await operator.dispatch(worker, 8)).code === 0);
  });
});
