/** A running worker gets more room, and keeps what it does. */
import { describe, expect, it } from 'vitest';
import { apply, getObject, kubectl, until } from './cluster.ts';
import { explained } from './explain.ts';
import { CHART, helm, WITH_DOCKER } from './install.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import { containerOf, deletePod, getPod, inWorker, limitOf, MEMORY_LIMIT, readyPod } from './worker.ts';

interface Deployment {
  readonly spec: {
    readonly paused?: boolean;
    readonly template: { readonly spec: { readonly containers: readonly { readonly resources: unknown }[] } };
  };
}

const DOCKERS_LIMIT = limitOf('/docker');
const MIB = 1024 ** 2;

describe('resize', () => {
  const { worker, operator } = useSite('fwc-resize', WITH_DOCKER);

  it('a worker at work: the same pod, its Docker too, the next pod as well', async () => {
    const pod = await readyPod(worker);
    const before = await containerOf(worker, pod);
    const plan = await operator.type('resize', worker.name, '--memory', '1536Mi', '--dry-run');
    expect(plan).toExitWith(0);
    saw('resize --dry-run', plan);
    expect(await inWorker(worker, MEMORY_LIMIT)).toBe(`${1024 * MIB}\n`);

    const resized = await operator.type('resize', worker.name, '--memory', '1536Mi', '--yes');
    saw('resize', resized);
    expect(resized).toExitWith(0);
    expect(await inWorker(worker, MEMORY_LIMIT)).toBe(`${1536 * MIB}\n`);
    await until(
      'the containers have more too',
      30,
      async () => (await inWorker(worker, DOCKERS_LIMIT)) === `${(1536 - 256) * MIB}\n`,
    );
    expect(await readyPod(worker)).toBe(pod);
    expect(await containerOf(worker, pod)).toMatchObject({ restartCount: before?.restartCount });

    // Nothing is left half done: an upgrade without a change restarts nothing, and the next pod is as large.
    const deployment = await getObject<Deployment>(worker.namespace, 'deployment', worker.pod);
    expect(deployment.spec.paused ?? false).toBe(false);
    await helm('upgrade', worker.name, CHART, '-n', worker.namespace, '--reset-then-reuse-values');
    expect(await operator.type('resize', worker.name, '--memory', '1536Mi', '--yes')).toExitWith(0);
    expect(await readyPod(worker)).toBe(pod);
    await deletePod(worker, pod, '--grace-period=1');
    const next = await readyPod(worker, pod);
    expect(await inWorker(worker, MEMORY_LIMIT)).toBe(`${1536 * MIB}\n`);

    // Said before anything is changed.
    const small = await operator.type('resize', worker.name, '--memory', '64Mi', '--yes');
    saw('resize below what it needs', small);
    expect(small).toExitWith(1);
    expect(await readyPod(worker)).toBe(next);
  });

  it('a resize that the node has no room for is told by why', async () => {
    const pod = await readyPod(worker);
    // Since Kubernetes 1.35 more than the node has is refused at once; what others have of it still makes the pod wait.
    await apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'neighbour', namespace: worker.namespace },
      spec: {
        containers: [
          { name: 'pause', image: 'localhost/pause:1', resources: { requests: { memory: '256Mi' } } },
        ],
      },
    });
    const { spec } = (await getPod(worker, pod)) as unknown as { spec: { nodeName: string } };
    const memory = await kubectl(
      'get',
      'node',
      spec.nodeName,
      '--output=jsonpath={.status.allocatable.memory}',
    );
    const all = { memory };
    const patch = JSON.stringify({
      spec: { containers: [{ name: 'worker', resources: { requests: all, limits: all } }] },
    });
    await kubectl('-n', worker.namespace, 'patch', 'pod', pod, '--subresource=resize', `--patch=${patch}`);
    expect(await explained(worker, 'resize-pending')).toMatch(
      /PodResizePending: .*[\s\S]*resize worker-1 --memory SIZE/,
    );
  });

  it('a node that announces that it leaves', async () => {
    const { spec } = (await getPod(worker, await readyPod(worker))) as unknown as {
      spec: { nodeName: string };
    };
    const set = (status: string) => {
      const condition = { type: 'MaintenancePlanned', status, reason: 'Planned', message: 'at midnight' };
      const patch = JSON.stringify({ status: { conditions: [condition] } });
      return kubectl('patch', 'node', spec.nodeName, '--subresource=status', `--patch=${patch}`);
    };
    await set('True');
    try {
      expect(await explained(worker, 'node-leaves')).toMatch(/at midnight[\s\S]*drain worker-1 --wait/);
    } finally {
      await set('False');
    }
  });
});
