/** The look at a worker before a release, whose pod is just going. */
import { expect, it } from 'vitest';
import { lookAt, type ReleaseContext } from '../../scripts/lib/release/preflight.ts';
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
