/** What `doctor` says of a worker's claim. */
import { expect, it } from 'vitest';
import { checkClaim } from '../../scripts/lib/health/release.ts';
import { clusterOf } from '../../scripts/lib/transport/kubectl.ts';
import { fakeExec } from '../support/fake-exec.ts';
import { commandLine, WORKER } from '../support/samples.ts';

const DENIED = 'Error from server (Forbidden): storageclasses is forbidden';

/** @param binding the class's volumeBindingMode; null: it may not be read */
async function check(phase: string, binding: string | null, replicas: number) {
  const claim = {
    metadata: { name: 'data' },
    spec: { storageClassName: 'disk', accessModes: ['ReadWriteOnce'] },
    status: { phase, capacity: { storage: '1Gi' } },
  };
  const storageClass = { metadata: { name: 'disk' }, volumeBindingMode: binding };
  const exec = fakeExec((argv) => {
    if (argv.includes('persistentvolumeclaim')) return { stdout: JSON.stringify(claim) };
    return binding === null ? { code: 1, stderr: DENIED } : { stdout: JSON.stringify(storageClass) };
  });
  const around = { exec, env: {}, signal: AbortSignal.timeout(5_000), now: () => new Date() };
  return checkClaim(clusterOf(around, 1_000), WORKER, { claim: 'data', replicas }, commandLine);
}

it('a claim that was deleted', async () => {
  const exec = fakeExec(() => ({ code: 1, stderr: 'Error from server (NotFound): not found' }));
  const around = { exec, env: {}, signal: AbortSignal.timeout(5_000), now: () => new Date() };
  const claim = { claim: 'factory-worker-1-data', replicas: 1 };
  expect(await checkClaim(clusterOf(around, 1_000), WORKER, claim, commandLine)).toMatchObject({
    state: 'fail',
    reason: 'there is no claim factory-worker-1-data',
    fix: ['create the claim factory-worker-1-data anew, empty: factory-worker provision worker-1'],
  });
});

const WAITS = 'WaitForFirstConsumer';
const describeIt = 'kubectl --context do-nyc1-factory -n factory describe persistentvolumeclaim data';

it.each<[string, [string, string | null, number], string, string, readonly string[]]>([
  ['bound', ['Bound', WAITS, 1], 'ok', 'data, class disk, ReadWriteOnce, 1Gi', []],
  [
    'of a worker that has not been started yet',
    ['Pending', WAITS, 0],
    'ok',
    'data, class disk, ReadWriteOnce: its volume is chosen when the worker starts (WaitForFirstConsumer)',
    [],
  ],
  [
    'of a pod that no node takes',
    ['Pending', WAITS, 1],
    'fail',
    'data, class disk, ReadWriteOnce is Pending: its volume is chosen with the node of its pod (WaitForFirstConsumer)',
    ['factory-worker why worker-1', describeIt],
  ],
  [
    'that gets no volume',
    ['Pending', 'Immediate', 0],
    'fail',
    'data, class disk, ReadWriteOnce is Pending',
    [describeIt],
  ],
  [
    'of a class that may not be read',
    ['Pending', null, 0],
    'fail',
    'data, class disk, ReadWriteOnce is Pending',
    [describeIt],
  ],
  ['lost', ['Lost', WAITS, 0], 'fail', 'data, class disk, ReadWriteOnce is Lost', [describeIt]],
])('a claim %s', async (_, given, state, reason, fix) => {
  expect(await check(...given)).toMatchObject({ state, reason, fix });
});
