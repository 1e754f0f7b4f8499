/** The look at a worker before a release, whose pod is just going. */
import { describe, expect, it } from 'vitest';
import { lookAt, type ReleaseContext, see } from '../../scripts/lib/release/preflight.ts';
import { TransportError } from '../../scripts/lib/transport/transport.ts';
import { fakeExec } from '../support/fake-exec.ts';
import { WORKER } from '../support/samples.ts';

const container = { name: 'worker', image: 'registry.example.com/worker:1' };
const workload = {
  kind: 'Deployment',
  metadata: { name: WORKER.pod },
  spec: { replicas: 1, template: { spec: { containers: [container] } } },
};
const pod = (state: object) => ({
  metadata: { name: WORKER.pod, uid: 'old' },
  spec: { containers: [container] },
  status: { phase: 'Running', containerStatuses: [{ name: 'worker', state }] },
});

/** @param ends after how many attempts to enter it the list of pods has the container as ended */
function around(ends: number, error: Error) {
  let entered = 0;
  const exec = fakeExec((argv) => {
    const state = entered < ends ? { running: {} } : { terminated: { exitCode: 0 } };
    const items = argv.some((word) => word.startsWith('deployments,')) ? [workload] : [pod(state)];
    return { stdout: JSON.stringify({ items }) };
  });
  const context = { env: {}, signal: new AbortController().signal, exec, now: () => new Date() };
  const enter = async () => {
    entered += 1;
    throw error;
  };
  const surroundings = { context, cluster: { ...context, timeoutMs: 1000 }, timeoutMs: 1000, enter };
  return { surroundings: surroundings as unknown as ReleaseContext, entered: () => entered };
}

it.each([
  ['since the list of pods', 'not-running'],
  ['while it answered', 'broken'],
] as const)('looks again when the container has ended %s', async (_, kind) => {
  const { surroundings, entered } = around(1, new TransportError(kind, 'container not found'));
  expect(await lookAt(WORKER, surroundings)).toMatchObject({
    pod: { metadata: { uid: 'old' } },
    facts: null,
  });
  expect(entered()).toBe(1);
});

it('does not look for ever into a worker whose answers are cut', async () => {
  const { surroundings, entered } = around(99, new TransportError('broken', 'cut'));
  await expect(lookAt(WORKER, surroundings)).rejects.toThrow('cut');
  expect(entered()).toBe(3);
});

it('does not look again when something else is wrong', async () => {
  const { surroundings, entered } = around(9, new TransportError('forbidden', 'no'));
  await expect(lookAt(WORKER, surroundings)).rejects.toThrow('no');
  expect(entered()).toBe(1);
});

describe('the volume of the worker', () => {
  const claimed = { name: 'state', persistentVolumeClaim: { claimName: 'data' } };
  const spec = { containers: [container], volumes: [claimed] };
  const withClaim = { ...workload, spec: { replicas: 1, template: { spec } } };
  const affinity = {
    required: {
      nodeSelectorTerms: [
        { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['node-a'] }] },
      ],
    },
  };
  const volume = (nodeAffinity?: object) => ({ metadata: { name: 'pv-1' }, spec: { nodeAffinity } });
  const node = (name: string, unschedulable?: boolean) => ({
    metadata: { name, labels: { 'kubernetes.io/hostname': name } },
    spec: { unschedulable },
  });

  /** What a release sees of it, and what it has asked for. */
  async function seen(object: object | null, nodes: readonly object[] = []) {
    const asked: string[] = [];
    const exec = fakeExec((argv) => {
      const kind = argv[argv.indexOf('get') + 1] ?? '';
      asked.push(kind);
      if (kind.startsWith('deployments,')) return { stdout: JSON.stringify({ items: [withClaim] }) };
      if (kind === 'persistentvolumeclaim')
        return { stdout: JSON.stringify({ metadata: {}, spec: { volumeName: 'pv-1' } }) };
      if (kind === 'persistentvolume') {
        const stderr = 'Error from server (Forbidden): persistentvolumes "pv-1" is forbidden';
        return object === null ? { code: 1, stderr } : { stdout: JSON.stringify(object) };
      }
      return { stdout: JSON.stringify({ items: kind === 'nodes' ? nodes : [] }) };
    });
    const context = { env: {}, signal: new AbortController().signal, exec, now: () => new Date() };
    const cluster = { ...context, timeoutMs: 1000 };
    const target = await lookAt(WORKER, { context, cluster, timeoutMs: 1000 } as unknown as ReleaseContext);
    return { volume: (await see(target, null)).volume, asked: asked.slice(2) };
  }
  const claim = 'persistentvolumeclaim';

  it.each<[string, object | null, readonly object[], unknown, readonly string[]]>([
    ['that every node can mount', volume(), [], null, [claim, 'persistentvolume']],
    ['that may not be read', null, [], null, [claim, 'persistentvolume']],
    [
      'on a node that takes pods',
      volume(affinity),
      [node('node-a'), node('node-b', true)],
      null,
      [claim, 'persistentvolume', 'nodes'],
    ],
    [
      'on a cordoned node',
      volume(affinity),
      [node('node-a', true), node('node-b')],
      {
        name: 'pv-1',
        local: true,
        stuck: 'can only be mounted on node-a (cordoned)',
        hints: [
          'lift it: kubectl --context do-nyc1-factory -n factory uncordon node-a',
          'nodes: kubectl --context do-nyc1-factory -n factory get nodes',
        ],
      },
      [claim, 'persistentvolume', 'nodes'],
    ],
  ])('%s', async (_, object, nodes, expected, asked) => {
    expect(await seen(object, nodes)).toEqual({ volume: expected, asked });
  });
});
