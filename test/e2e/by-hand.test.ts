/** What an operator did with kubectl behind Helm 4's back: nothing that was stopped starts, and a conflict is told before a drain. */
import { expect, it } from 'vitest';
import { pinnedHelm } from '../charts/pinned-helm.ts';
import { getObject, kubectl, until } from './cluster.ts';
import { install, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { saw } from './seen.ts';
import { useNamespace } from './site.ts';
import { podsOf, readyPod } from './worker.ts';

const NAMESPACE = 'fwc-by-hand';
useNamespace(NAMESPACE);

it('a worker that was scaled to 0 stays stopped; an image that was set by hand is told before anything is drained', async () => {
  const worker = workerIn(NAMESPACE, 'worker-1');
  const helm4 = pinnedHelm('helm4') ?? 'helm';
  await install(worker, {}, { program: helm4 });
  await readyPod(worker);
  const operator = Operator.of([worker], { env: { HELM: helm4 } });
  const deployment = `deployment/${worker.pod}`;
  const inNamespace = (...args: string[]) => kubectl('-n', NAMESPACE, ...args);
  const replicas = async () =>
    (await getObject<{ spec: { replicas: number } }>(NAMESPACE, 'deployment', worker.pod)).spec.replicas;

  await inNamespace('scale', deployment, '--replicas=0');
  await until('its pod is gone', 90, async () => (await podsOf(worker)).length === 0);
  const resized = await operator.type('resize', worker.name, '--memory', '1200Mi', '--yes');
  saw('scaled to 0 by hand: resize', resized);
  expect(resized).toExitWith(0);
  expect(await replicas()).toBe(0);
  expect(await operator.type('start', worker.name)).toExitWith(0);
  await readyPod(worker);

  await inNamespace('set', 'image', deployment, 'worker=localhost/factory-worker-e2e:by-hand');
  const stop = await operator.type('stop', worker.name);
  saw('image set by hand: stop', stop);
  expect(stop).toExitWith(1);
  expect(stop.stderr).toMatch(/changed by hand.*image \(set by kubectl-set\)[\s\S]*--force-conflicts/);
  expect(await replicas()).toBe(1);
});
