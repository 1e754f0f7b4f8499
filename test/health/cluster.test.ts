import { describe, expect, it } from 'vitest';
import { lookAtCluster } from '../../scripts/lib/health/cluster.ts';
import { type Answer, fakeExec } from '../support/fake-exec.ts';
import { WORKER as worker } from '../support/samples.ts';
import { NOW, pod } from '../transport/cluster.ts';

/** @param objects answer to the listing; `node` to the question for the pod's node */
async function look(objects: readonly object[], listing: Answer = {}, node: Answer = {}) {
  const exec = fakeExec((argv) =>
    argv.includes('node') || argv.includes('persistentvolume')
      ? node
      : { stdout: JSON.stringify({ items: objects }), ...listing },
  );
  const cluster = { exec, env: {}, timeoutMs: 1000, signal: new AbortController().signal, now: () => NOW };
  return { exec, facts: await lookAtCluster(cluster, worker) };
}

const own = {
  kind: 'Pod',
  ...pod(),
  spec: { nodeName: 'node-a', volumes: [{ persistentVolumeClaim: { claimName: 'data' } }, {}] },
};
const foreign = { kind: 'Pod', ...pod({ of: 'factory-worker-10' }) };
const claim = (name: string) => ({ kind: 'PersistentVolumeClaim', metadata: { name } });
const event = (name: string, message: string, fields: object = {}) => ({
  kind: 'Event',
  metadata: {},
  type: 'Warning',
  message,
  involvedObject: { name },
  ...fields,
});

describe('what Kubernetes says of a worker', () => {
  it('is its own: pods, the claims they mount, warnings about either in their order', async () => {
    const { facts, exec } = await look([
      foreign,
      own,
      claim('data'),
      claim('other'),
      event('data', 'later', { lastTimestamp: '2026-03-02T11:00:02Z' }),
      event(pod().metadata.name ?? '', 'earlier', { eventTime: '2026-03-02T11:00:01Z' }),
      event('data', 'normal', { type: 'Normal' }),
      event('other', 'of another'),
    ]);
    expect(facts.pods.map(({ metadata }) => metadata.name)).toEqual([pod().metadata.name]);
    expect(facts.claims.map(({ metadata }) => metadata.name)).toEqual(['data']);
    expect(facts.warnings.map(({ message }) => message)).toEqual(['earlier', 'later']);
    expect(facts.unreadable).toEqual([]);
    expect(exec.calls.map((argv) => argv.slice(1, 3))).toEqual([
      ['--context=do-nyc1-factory', '--namespace=factory'],
      ['--context=do-nyc1-factory', '--namespace=factory'],
    ]);
  });

  it('all nodes, where their taints keep the pod away', async () => {
    const waits = (message: string) => ({
      kind: 'Pod',
      ...pod({
        status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', message }] },
      }),
    });
    const nodes = async (message: string) => {
      const { facts, exec } = await look([waits(message)]);
      return [facts.nodes, exec.calls.filter((argv) => argv.includes('nodes')).length];
    };
    expect(await nodes('1 node(s) had untolerated taint(s)')).toEqual([[waits(expect.any(String))], 1]);
    expect(await nodes('1 Insufficient cpu')).toEqual([[], 0]);
  });

  it('its volumes and all nodes, where a volume keeps the pod away', async () => {
    const message = "1 node(s) didn't match PersistentVolume's node affinity";
    const waits = {
      kind: 'Pod',
      ...pod({
        status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', message }] },
      }),
      spec: { volumes: [{ persistentVolumeClaim: { claimName: 'data' } }] },
    };
    const bound = { ...claim('data'), spec: { volumeName: 'pv-1' } };
    const volume = { metadata: { name: 'pv-1' }, spec: {} };
    const { facts, exec } = await look([waits, bound], {}, { stdout: JSON.stringify(volume) });
    expect([facts.volumes, facts.nodes.length]).toEqual([[volume], 2]);
    expect(exec.calls.map((argv) => argv.slice(4, 7).join(' '))).toEqual([
      'get pods,persistentvolumeclaims,events --output=json',
      'get persistentvolume pv-1',
      'get nodes --output=json',
    ]);
    const denied = await look([waits, bound], {}, { code: 1, stderr: 'persistentvolumes is forbidden' });
    expect([denied.facts.volumes, denied.facts.unreadable]).toEqual([[], ['persistentvolumes is forbidden']]);
  });

  it('a node that is not there any more', async () => {
    expect((await look([own])).facts.node).toBe('gone');
    const node = { stdout: '{"metadata":{"name":"node-a"}}' };
    expect((await look([own], {}, node)).facts.node).toEqual({ metadata: { name: 'node-a' } });
  });

  it('what may not be read is named, the rest is read', async () => {
    const refused = {
      code: 1,
      stderr: 'Error from server (Forbidden): events is forbidden: User "x" cannot list\n',
    };
    const { facts } = await look([own], refused, { code: 1, stderr: 'nodes is forbidden' });
    expect(facts.pod?.metadata.name).toBe(pod().metadata.name);
    expect([facts.node, facts.unreadable]).toEqual([
      null,
      ['events is forbidden: User "x" cannot list', 'nodes is forbidden'],
    ]);
  });

  it('a cluster that does not answer is no crash', async () => {
    const { facts } = await look([], { code: 1, stdout: '', stderr: 'connection refused' });
    expect(facts).toMatchObject({ pod: null, pods: [], unreadable: ['connection refused'] });
  });
});
