/** What a worker may take is at its end: its disk, its volume, its memory. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectl, until } from './cluster.ts';
import { explained } from './explain.ts';
import { claimFolder, killContainer, smallDisk } from './faults.ts';
import { HELD, install, WORKING, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { saw } from './seen.ts';
import { useNamespace, useSite } from './site.ts';
import {
  assertSound,
  finished,
  getPod,
  inPod,
  inWorker,
  LIST_SESSIONS,
  podsOf,
  queueOf,
  readyPod,
  restarted,
} from './worker.ts';

describe('an eviction for disk', () => {
  const { worker, operator } = useSite('fwc-evicted', {
    resources: {
      requests: { cpu: '50m', memory: '128Mi', 'ephemeral-storage': '50Mi' },
      limits: { memory: '1Gi', 'ephemeral-storage': '120Mi' },
    },
  });

  it('leaves a pod that is over; the commands use its successor, and say nothing of the old one', async () => {
    expect(await operator.dispatch(worker, 1)).toExitWith(0);
    const old = await readyPod(worker);
    await inPod(worker, old, 'head --bytes 200M /dev/zero >/srv/hog');
    const over = await until('the pod is evicted', 150, async () => {
      const pod = await getPod(worker, old);
      return ['Succeeded', 'Failed'].includes(pod.status.phase) ? pod : undefined;
    });
    saw('eviction for disk: what is left of the pod', JSON.stringify(over.status, null, 1));
    const fresh = await until(
      'a successor is there',
      60,
      async () => (await podsOf(worker)).find(({ metadata }) => metadata.name !== old)?.metadata.name,
    );
    await kubectl('-n', worker.namespace, 'wait', '--for=condition=Ready', `pod/${fresh}`, '--timeout=60s');
    const list = await operator.list();
    saw('eviction for disk: list', list);
    expect(await operator.row(worker)).toMatchObject({
      status: HELD,
      queue: [{ issue: 1, status: 'pending' }],
    });
    expect(await explained(worker, 'evicted-disk')).toMatch(/ephemeral[\s\S]*docker\.storage of the chart/);
    await kubectl('-n', worker.namespace, 'delete', 'pod', old);
    await assertSound(worker);
  });
});

describe('a full volume', () => {
  const NAME = 'fwc-full';
  const worker = workerIn(NAME, 'worker-1');
  const operator = Operator.of([worker]);
  // After the namespace, whose claim holds it: hooks that end run in the opposite order.
  afterAll(() => kubectl('delete', 'persistentvolume', NAME, '--ignore-not-found'));
  useNamespace(NAME);
  beforeAll(async () => {
    await claimFolder(NAME, NAME, smallDisk(NAME, 64));
    await install(worker, { ...WORKING, persistence: { existingClaim: NAME } });
  });

  it('is told, loses nothing, and works again once there is room', async () => {
    expect(await operator.dispatch(worker, 1)).toExitWith(0);
    await finished(worker, 1);
    await inWorker(worker, 'head --bytes 100M /dev/zero >/root/.factory/hog 2>/dev/null; true');
    const dispatch = await operator.dispatch(worker, 2);
    saw('full volume: dispatch', dispatch);
    expect(dispatch).toExitWith(1);
    expect(dispatch.stderr).toContain('nothing was queued');
    saw('full volume: list', await operator.list());
    const status = await operator.status(worker);
    saw('full volume: status', status);
    expect(status.stdout + status.stderr).toContain('100% full');
    await inWorker(worker, 'rm /root/.factory/hog');
    const again = await operator.dispatch(worker, 2);
    saw('full volume, room again: dispatch', again);
    expect(again).toExitWith(0);
    await finished(worker, 2);
    expect(await queueOf(worker)).toEqual([1, 2]);
    await assertSound(worker);
  });
});

describe('want of memory', () => {
  const { worker, operator } = useSite('fwc-hungry', {
    resources: { requests: { cpu: '50m' }, limits: { memory: '300Mi' } },
  });

  it('a hog in a pane is killed and nothing else; an end of the container after it reads OOMKilled, and loses nothing', async () => {
    expect(await operator.dispatch(worker, 1)).toExitWith(0);
    const vital = 'tmux display-message -p "#{pid}"; pgrep -o --full "[s]upervisor.js"';
    const before = await inWorker(worker, vital);
    await inWorker(
      worker,
      // A login shell, as factory starts its agents in: what it starts has from the first moment the score of what may be killed.
      `tmux new-session -d -s hog "bash --login -c 'head --bytes 2G /dev/zero | tail --bytes 1G'; echo ended; exec sleep 600"`,
    );
    await until('the hog has ended', 60, async () =>
      (await inWorker(worker, 'tmux capture-pane -p -t =hog:')).includes('ended'),
    );
    expect(await inWorker(worker, vital)).toBe(before);
    expect(await inWorker(worker, LIST_SESSIONS)).toContain('orchestrator');
    expect(await explained(worker, 'oom-process')).toMatch(/cgroup of the pod: .* limit 300MiB/);

    const container = await restarted(worker, await killContainer(worker));
    expect(container.lastState.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
    await readyPod(worker);
    const list = await operator.list();
    saw('container OOM-killed: list', list);
    const status = await operator.status(worker);
    saw('container OOM-killed: status', status);
    expect(await explained(worker, 'oom-killed')).toMatch(/OOMKilled, exit code 137[\s\S]*boot --previous/);
    expect(await queueOf(worker)).toEqual([1]);
    await assertSound(worker);
  });
});
