/** A pod that takes its time to stop, and a drained worker. */
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { until } from './cluster.ts';
import { killContainer } from './faults.ts';
import { WORKING } from './install.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import {
  assertSound,
  atWork,
  deletePod,
  finished,
  holdAgents,
  inPod,
  inWorker,
  LIST_SESSIONS,
  letAgentsGoOn,
  podsOf,
  readyPod,
  restarted,
  rowsOf,
} from './worker.ts';

describe('a pod that stops slowly', () => {
  const { worker, operator } = useSite('fwc-slow', {
    ...WORKING,
    shutdown: { waitForStage: '90s' },
    terminationGracePeriodSeconds: 160,
  });

  it('ends its stage first; its successor waits for the volume’s lock, and there are never two loops', async () => {
    await holdAgents(worker);
    expect(await operator.dispatch(worker, 1)).toExitWith(0);
    await atWork(worker, 1);
    const old = await readyPod(worker);
    await deletePod(worker, old);
    const fresh = await until('its successor runs', 60, async () => {
      const pods = await podsOf(worker);
      return pods.find(({ metadata, status }) => metadata.name !== old && status.phase === 'Running')
        ?.metadata.name;
    });
    // The old one is at its stage still; the new one has neither tmux nor loop.
    expect(await inPod(worker, old, LIST_SESSIONS)).toContain('1-implement');
    expect(await inPod(worker, fresh, `${LIST_SESSIONS} 2>&1 || true`)).not.toContain('orchestrator');
    expect(await inPod(worker, fresh, 'worker-health ready || true')).toMatch(/^fail: /);
    const list = await operator.list();
    saw('pod stops slowly, its successor waits: list', list);
    expect(list.stdout).toMatch(/worker-1 +factory-worker-1 +(starting|draining)/);
    saw('pod stops slowly, its successor waits: status', await operator.status(worker));
    await letAgentsGoOn(worker, old);
    await until('the old pod is gone', 100, async () => (await podsOf(worker)).length === 1);
    await readyPod(worker);
    await finished(worker, 1);
    // Each stage was begun once: nothing ran beside something else, nothing was done again.
    const log = await inWorker(
      worker,
      'git -C /root/.factory/repos/demo log --branches --remotes --format=%s',
    );
    expect(log.split('\n').filter((line) => line.includes('issue #1: implement'))).toHaveLength(1);
    await assertSound(worker);
  });
});

describe('a drained worker', () => {
  const { worker, operator } = useSite('fwc-drained', WORKING);

  it('takes dispatches, begins nothing, stays drained over a restart, and goes on when it is undrained', async () => {
    const drain = {
      schema: 1,
      by: 'ann',
      host: hostname(),
      since: new Date().toISOString(),
      reason: 'new disks',
      release: null,
    };
    await inPod(worker, await readyPod(worker), 'cat >"$WORKER_STATE_DIR/drain"', JSON.stringify(drain));
    const dispatch = await operator.dispatch(worker, 1);
    saw('drained worker: dispatch', dispatch);
    expect(dispatch).toExitWith(0);
    await restarted(worker, await killContainer(worker));
    await until('it is back', 60, async () => (await operator.row(worker)).status === 'drained');
    saw('drained worker: list', await operator.list());
    const status = await operator.status(worker);
    saw('drained worker: status', status);
    expect(status.stdout).toContain('drained by ann');
    expect(status.stdout).toContain('new disks');
    expect(await rowsOf(worker)).toMatchObject([{ Issue: 1, Status: 'pending' }]);
    await inWorker(worker, 'rm "$WORKER_STATE_DIR/drain"');
    await finished(worker, 1);
    await assertSound(worker);
  });
});
