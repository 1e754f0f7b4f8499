/** Which pods of a worker are still waited for when it is stopped. */
import { expect, it } from 'vitest';
import { livePods } from '../../scripts/lib/lifecycle/pod-wait.ts';
import { fakeExec } from '../support/fake-exec.ts';
import { WORKER } from '../support/samples.ts';

const deletionTimestamp = '2026-11-23T12:00:00Z';

it.each([
  ['runs', {}, 'Running', true],
  ['is being stopped', { deletionTimestamp }, 'Running', true],
  // The kubelet writes the phase first and takes the pod away seconds later, once its volumes are unmounted.
  ['has ended while being deleted', { deletionTimestamp }, 'Succeeded', true],
  ['has ended badly while being deleted', { deletionTimestamp }, 'Failed', true],
  ['was evicted, and stays for days', {}, 'Failed', false],
  ['has ended by itself', {}, 'Succeeded', false],
])('a pod that %s', async (_, metadata, phase, waitedFor) => {
  const items = [{ metadata: { name: WORKER.pod, ...metadata }, status: { phase } }];
  const exec = fakeExec(() => ({ stdout: JSON.stringify({ items }) }));
  const { signal } = new AbortController();
  const pods = await livePods({ exec, env: {}, timeoutMs: 1000, signal, now: () => new Date() }, WORKER);
  expect(pods).toHaveLength(waitedFor ? 1 : 0);
});
