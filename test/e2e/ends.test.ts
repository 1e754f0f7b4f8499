/** A pod that takes its time to stop, and a drained worker. */
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getObject, killContainer, kubectl, until } from './cluster.ts';
import { saw } from './seen.ts';
import { Site } from './site.ts';
import {
  assertSound,
  finished,
  inPod,
  inWorker,
  listOne,
  type PodObject,
  podsOf,
  readyPod,
  removeNamespace,
  rowsOf,
  standins,
  WORKING,
} from './worker.ts';

function site(name: string, values: Parameters<Site['open']>[0] = {}): Site {
  const made = new Site(`fwc-${name}`);
  beforeAll(() => made.open(values));
  afterAll(() => removeNamespace(made.namespace));
  return made;
}

const sessions = 'tmux list-sessions -F "#{session_name}"';

describe('a pod that stops slowly', () => {
  const slow = site('slow', {
    ...WORKING,
    ...standins({ STANDIN_CLAUDE_STAY: 'implement', STANDIN_CLAUDE_STAY_SECONDS: 25 }),
    shutdown: { waitForStage: '60s' },
    terminationGracePeriodSeconds: 130,
  });

  it('ends its stage first; its successor waits for the volume’s lock, and there are never two loops', async () => {
    const { worker } = slow;
    expect((await slow.dispatch(1)).code).toBe(0);
    await until('the agent works', 60, async () =>
      (await inWorker(worker, sessions)).includes('1-implement'),
    );
    const old = await readyPod(worker);
    await kubectl('-n', slow.namespace, 'delete', 'pod', old, '--wait=false');
    const fresh = await until('its successor runs', 60, async () => {
      const pods = await podsOf(worker);
      return pods.find(({ metadata, status }) => metadata.name !== old && status.phase === 'Running')
        ?.metadata.name;
    });
    // The old one is at its stage still; the new one has neither tmux nor loop.
    expect(await inPod(worker, old, sessions)).toContain('1-implement');
    expect(await inPod(worker, fresh, `${sessions} 2>&1 || true`)).not.toContain('orchestrator');
    expect(await inPod(worker, fresh, 'worker-health ready || true')).toMatch(/^fail: /);
    const list = await slow.list();
    saw('pod stops slowly, its successor waits: list', list);
    expect(list.stdout).toMatch(/worker-1 +factory-worker-1 +(starting|draining)/);
    saw('pod stops slowly, its successor waits: status', await slow.status());
    await until('the old pod is gone', 100, async () => (await podsOf(worker)).length === 1);
    await readyPod(worker);
    await finished(worker, 1);
    // Each stage was begun once: nothing ran beside something else, nothing was done again.
    const log = await inWorker(worker, 'git -C /root/.factory/repos/demo log --all --format=%s');
    expect(log.split('\n').filter((line) => line.includes('issue #1: implement'))).toHaveLength(1);
    await assertSound(worker);
  });
});

describe('a drained worker', () => {
  const drained = site('drained', WORKING);

  it('takes dispatches, begins nothing, stays drained over a restart, and goes on when it is undrained', async () => {
    const { worker } = drained;
    const drain = {
      schema: 1,
      by: 'ann',
      host: hostname(),
      since: new Date().toISOString(),
      reason: 'new disks',
      release: null,
    };
    await inPod(worker, await readyPod(worker), 'cat >"$WORKER_STATE_DIR/drain"', JSON.stringify(drain));
    const dispatch = await drained.dispatch(1);
    saw('drained worker: dispatch', dispatch);
    expect(dispatch.code).toBe(0);
    const pod = await readyPod(worker);
    killContainer((await getObject<PodObject>(drained.namespace, 'pod', pod)).metadata.uid);
    await until('it is back', 60, async () => (await listOne(worker, drained.file)).status === 'drained');
    saw('drained worker: list', await drained.list());
    const status = await drained.status();
    saw('drained worker: status', status);
    expect(status.stdout).toContain('drained by ann');
    expect(status.stdout).toContain('new disks');
    expect(await rowsOf(worker)).toMatchObject([{ Issue: 1, Status: 'pending' }]);
    await inWorker(worker, 'rm "$WORKER_STATE_DIR/drain"');
    await finished(worker, 1);
    await assertSound(worker);
  });
});
