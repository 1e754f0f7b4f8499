/** A worker that a release has left drained, since it could not be entered when the release failed. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildPushRollout } from '../../scripts/build-push-rollout.ts';
import { SCHEMA } from '../../scripts/lib/contract.ts';
import { newRecord, readRecords, saveRecord } from '../../scripts/lib/release/record.ts';
import { type FakeKubectl, fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { run } from '../support/run-command.ts';
import { WORKER } from '../support/samples.ts';
import { pod, podList } from '../transport/cluster.ts';

const IMAGE = `registry.example.com/factory-worker@sha256:${'1'.repeat(64)}`;

let worker: HandWorker;
let kubectl: FakeKubectl;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  worker = await handWorker({ up: true });
  const containers = [{ name: 'worker', image: IMAGE }];
  const deployment = {
    kind: 'Deployment',
    metadata: { name: 'factory-worker-1' },
    spec: { replicas: 1, template: { spec: { containers } } },
  };
  kubectl = fakeKubectl([
    { match: ['deployments,statefulsets'], stdout: JSON.stringify({ items: [deployment] }) },
    { match: ['get', 'pods'], stdout: podList({ ...pod(), spec: { containers } }) },
    ...worker.cluster(),
  ]);
  env = { ...worker.laptop, KUBECTL: kubectl.path, XDG_STATE_HOME: join(worker.dir, 'records') };
});
afterAll(async () => {
  kubectl.remove();
  await worker.remove();
});

const drainFile = () => join(worker.state, 'drain');
const drainedBy = (release: string) => {
  const by = { by: 'ann', host: 'elsewhere', since: '2026-03-02T11:00:00Z', reason: 'release' };
  return writeFile(drainFile(), JSON.stringify({ schema: SCHEMA, ...by, release }));
};
const rollout = () => run(buildPushRollout, ['rollout', 'worker-1', '--image', IMAGE, '--yes'], { env });

it('is left to the next release, which lifts the drain', async () => {
  const previous = { image: IMAGE, revision: null, podUid: 'old' };
  const failed = newRecord(WORKER, { kind: 'rollout', image: IMAGE, previous }, new Date(0));
  saveRecord(env, { ...failed, state: 'failed' });
  await drainedBy(failed.id);
  const { code, stdout, stderr } = await rollout();
  expect([code, stderr]).toEqual([0, expect.stringContaining('worker-1: runs ')]);
  expect(stdout).toMatch(/^worker-1: runs registry\.example\.com\/factory-worker@sha256:1111/);
  expect(existsSync(drainFile())).toBe(false);
  expect(readRecords(env).at(-1)).toMatchObject({ state: 'done', replaces: failed.id });
  expect((await rollout()).stdout).toMatch(/nothing to do\n$/);
});

it('by a release of another machine is refused, and stays drained', async () => {
  await drainedBy('theirs');
  const { code, stderr } = await rollout();
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /drained by another release, started by ann@elsewhere[\s\S]*resume worker-1 --force/,
  );
  expect(existsSync(drainFile())).toBe(true);
});
