import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apply, getObject, killContainer, kubectl, smallDisk, until } from './cluster.ts';
import { saw } from './seen.ts';
import { Site } from './site.ts';
import {
  assertSound,
  finished,
  HELD,
  inPod,
  inWorker,
  listOne,
  makeNamespace,
  type PodObject,
  podsOf,
  queueOf,
  readyPod,
  removeNamespace,
  WORKING,
} from './worker.ts';

function site(name: string, values: Parameters<Site['open']>[0] = {}): Site {
  const made = new Site(`fwc-${name}`);
  beforeAll(() => made.open(values));
  afterAll(() => removeNamespace(made.namespace));
  return made;
}

const sessions = 'tmux list-sessions -F "#{session_name}"';

describe('an eviction for disk', () => {
  const evicted = site('evicted', {
    resources: {
      requests: { cpu: '50m', memory: '128Mi', 'ephemeral-storage': '50Mi' },
      limits: { memory: '1Gi', 'ephemeral-storage': '120Mi' },
    },
  });

  it('leaves a pod that is over; the commands use its successor, and say nothing of the old one', async () => {
    const { worker } = evicted;
    expect((await evicted.dispatch(1)).code).toBe(0);
    const old = await readyPod(worker);
    await inPod(worker, old, 'head --bytes 200M /dev/zero >/srv/hog');
    const over = await until('the pod is evicted', 150, async () => {
      const pod = await getObject<PodObject>(evicted.namespace, 'pod', old);
      return ['Succeeded', 'Failed'].includes(pod.status.phase) ? pod : undefined;
    });
    saw('eviction for disk: what is left of the pod', JSON.stringify(over.status, null, 1));
    const fresh = await until(
      'a successor is there',
      60,
      async () => (await podsOf(worker)).find(({ metadata }) => metadata.name !== old)?.metadata.name,
    );
    await kubectl('-n', evicted.namespace, 'wait', '--for=condition=Ready', `pod/${fresh}`, '--timeout=60s');
    const list = await evicted.list();
    saw('eviction for disk: list', list);
    expect(await listOne(worker, evicted.file)).toMatchObject({
      status: HELD,
      queue: [{ issue: 1, status: 'pending' }],
    });
    await kubectl('-n', evicted.namespace, 'delete', 'pod', old);
    await assertSound(worker);
  });
});

describe('a full volume', () => {
  const full = new Site('fwc-full');
  beforeAll(async () => {
    await makeNamespace(full.namespace);
    const capacity = { storage: '64Mi' };
    const claimRef = { namespace: full.namespace, name: 'small' };
    await apply(
      {
        apiVersion: 'v1',
        kind: 'PersistentVolume',
        metadata: { name: full.namespace },
        spec: {
          capacity,
          accessModes: ['ReadWriteOnce'],
          persistentVolumeReclaimPolicy: 'Retain',
          storageClassName: '',
          claimRef,
          hostPath: { path: smallDisk(full.namespace, 64) },
        },
      },
      {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: claimRef,
        spec: {
          accessModes: ['ReadWriteOnce'],
          storageClassName: '',
          volumeName: full.namespace,
          resources: { requests: capacity },
        },
      },
    );
    await full.install({ ...WORKING, persistence: { existingClaim: 'small' } });
  });
  afterAll(async () => {
    await removeNamespace(full.namespace);
    await kubectl('delete', 'persistentvolume', full.namespace, '--ignore-not-found');
  });

  it('is told, loses nothing, and works again once there is room', async () => {
    const { worker } = full;
    expect((await full.dispatch(1)).code).toBe(0);
    await finished(worker, 1);
    await inWorker(worker, 'head --bytes 100M /dev/zero >/root/.factory/hog 2>/dev/null; true');
    const dispatch = await full.dispatch(2);
    saw('full volume: dispatch', dispatch);
    expect(dispatch.code).toBe(1);
    expect(dispatch.stderr).toContain('nothing was queued');
    saw('full volume: list', await full.list());
    const status = await full.status();
    saw('full volume: status', status);
    expect(status.stdout + status.stderr).toContain('100% full');
    await inWorker(worker, 'rm /root/.factory/hog');
    const again = await full.dispatch(2);
    saw('full volume, room again: dispatch', again);
    expect(again.code).toBe(0);
    await finished(worker, 2);
    expect(await queueOf(worker)).toEqual([1, 2]);
    await assertSound(worker);
  });
});

describe('want of memory', () => {
  const hungry = site('hungry', {
    resources: { requests: { cpu: '50m' }, limits: { memory: '300Mi' } },
  });

  it('a hog in a pane is killed and nothing else; an end of the container after it reads OOMKilled, and loses nothing', async () => {
    const { worker } = hungry;
    expect((await hungry.dispatch(1)).code).toBe(0);
    const pod = await readyPod(worker);
    const vital = 'tmux display-message -p "#{pid}"; pgrep --full "[s]upervisor.js"';
    const before = await inWorker(worker, vital);
    await inWorker(
      worker,
      'tmux new-session -d -s hog "head --bytes 2G /dev/zero | tail --bytes 1G; echo ended; exec sleep 600"',
    );
    await until('the hog has ended', 60, async () =>
      (await inWorker(worker, 'tmux capture-pane -p -t =hog:')).includes('ended'),
    );
    expect(await inWorker(worker, vital)).toBe(before);
    expect(await inWorker(worker, sessions)).toContain('orchestrator');

    killContainer((await getObject<PodObject>(hungry.namespace, 'pod', pod)).metadata.uid);
    const container = await until('the container is back', 60, async () => {
      const found = (await getObject<PodObject>(hungry.namespace, 'pod', pod)).status.containerStatuses?.[0];
      return found && found.restartCount > 0 ? found : undefined;
    });
    expect(container.lastState.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
    await readyPod(worker);
    const list = await hungry.list();
    saw('container OOM-killed: list', list);
    const status = await hungry.status();
    saw('container OOM-killed: status', status);
    expect(await queueOf(worker)).toEqual([1]);
    await assertSound(worker);
  });
});
