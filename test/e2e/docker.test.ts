/** The real image, privileged, with its Docker, in a pod of the real chart. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { getObject, killContainer, SCRATCH, until } from './cluster.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import {
  assertSound,
  finished,
  inPod,
  inWorker,
  listOne,
  type PodObject,
  readyPod,
  WITH_DOCKER,
  WORKING,
} from './worker.ts';

const site = useSite('fwc-docker', {
  ...WORKING,
  ...WITH_DOCKER,
  resources: { requests: { cpu: '50m', memory: '256Mi' }, limits: { memory: '1Gi' } },
});

/** An image with nothing but busybox, in the worker's own Docker. */
async function loadBox(): Promise<void> {
  mkdirSync(SCRATCH, { recursive: true });
  const work = mkdtempSync(join(SCRATCH, 'box-'));
  try {
    mkdirSync(join(work, 'bin'));
    copyFileSync('/bin/busybox', join(work, 'bin/busybox'));
    chmodSync(join(work, 'bin/busybox'), 0o755);
    const script =
      'for p in $("$1/bin/busybox" --list); do [ "$p" = busybox ] || ln -s busybox "$1/bin/$p"; done; tar -c -C "$1" .';
    const tar = execFileSync('sh', ['-c', script, 'sh', work], { maxBuffer: 64 * 1024 * 1024 });
    await inPod(site.worker, await readyPod(site.worker), 'docker import - box', tar);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const vital = () =>
  inWorker(
    site.worker,
    'pgrep -o -x dockerd; tmux display-message -p "#{pid}"; pgrep -o --full "[s]upervisor.js"',
  );

beforeAll(async () => {
  await readyPod(site.worker);
  await loadBox();
});

it('comes up with Docker, and worker-health, list and an issue agree', async () => {
  for (const verb of ['startup', 'ready', 'live'])
    expect(await inWorker(site.worker, `worker-health ${verb}`)).toBe('ok\n');
  const list = await site.list();
  saw('worker with Docker: list', list);
  expect(list.stdout).toMatch(/worker-1 +factory-worker-1 +running/);
  expect(await inWorker(site.worker, 'docker info --format "{{.Driver}}"')).toBe('overlay2\n');
  expect((await site.dispatch(1)).code).toBe(0);
  await finished(site.worker, 1);
  await assertSound(site.worker);
});

it('a compose stack comes up inside the pod, below the pod’s own cgroup, and answers over HTTP', async () => {
  const compose = {
    services: {
      backend: {
        image: 'box',
        command: ['sh', '-c', 'mkdir /w; echo 42 >/w/answer; httpd -f -h /w -p 9000'],
      },
      web: {
        image: 'box',
        command: [
          'sh',
          '-c',
          'mkdir /w; until wget -qO /w/index.html http://backend:9000/answer; do sleep 1; done; httpd -f -h /w -p 8080',
        ],
        ports: ['8080:8080'],
        depends_on: ['backend'],
      },
    },
  };
  const pod = await readyPod(site.worker);
  await inPod(
    site.worker,
    pod,
    'mkdir -p /root/.factory/stack; cat >/root/.factory/stack/compose.yaml',
    JSON.stringify(compose),
  );
  await inWorker(site.worker, 'cd /root/.factory/stack && docker compose --progress quiet up --detach');
  const answer = await until('the stack answers', 60, () =>
    inWorker(site.worker, 'curl --silent --fail --max-time 5 http://localhost:8080/'),
  );
  expect(answer).toBe('42\n');
  const cgroup = await inWorker(
    site.worker,
    'cat "/proc/$(docker inspect --format "{{.State.Pid}}" stack-web-1)/cgroup"',
  );
  expect(cgroup).toMatch(/docker\/[0-9a-f]{64}/);
  const status = await site.status();
  saw('worker with Docker and a compose stack: status', status);
});

describe('faults', () => {
  it('dockerd killed: degraded with the reason, then back; tmux, sessions and containers untouched', async () => {
    const { worker } = site;
    const pod = await readyPod(worker);
    const tmux = await inWorker(worker, 'tmux display-message -p "#{pid}"');
    const container = await inWorker(worker, 'docker inspect --format "{{.State.Pid}}" stack-web-1');
    await inPod(worker, pod, 'pkill -KILL -x dockerd');
    const seen = await listOne(worker, site.file);
    saw('dockerd killed: list at once', JSON.stringify(seen, null, 1));
    await until('Docker is back', 60, async () =>
      (await inPod(worker, pod, 'docker version --format "{{.Server.Version}}"')).startsWith('26'),
    );
    await until('it runs again', 60, async () => (await listOne(worker, site.file)).status === 'running');
    expect(await readyPod(worker)).toBe(pod);
    expect(await inWorker(worker, 'tmux display-message -p "#{pid}"')).toBe(tmux);
    expect(await inWorker(worker, 'docker inspect --format "{{.State.Pid}}" stack-web-1')).toBe(container);
    await assertSound(worker);
  });

  it.each([
    ['a container', 'docker run --rm --network none box dd if=/dev/zero of=/dev/null bs=2000M count=1'],
    ['a pane', 'dd if=/dev/zero of=/dev/null bs=2000M count=1'],
  ])('a hog in %s is killed, and only the hog', async (_where, hog) => {
    const before = await vital();
    await inWorker(site.worker, 'rm -f /tmp/hog; tmux kill-session -t =hog 2>/dev/null; true');
    await inPod(
      site.worker,
      await readyPod(site.worker),
      'cat >/tmp/hog.sh',
      `${hog}\necho "ended $?" >/tmp/hog\n`,
    );
    await inWorker(site.worker, 'tmux new-session -d -s hog "bash /tmp/hog.sh; exec sleep 600"');
    expect(await until('its end', 90, () => inWorker(site.worker, 'cat /tmp/hog'))).toBe('ended 137\n');
    expect(await vital()).toBe(before);
    expect(await inWorker(site.worker, 'worker-health ready')).toBe('ok\n');
    expect((await listOne(site.worker, site.file)).sessions).toContain('hog');
  });

  it('container killed with containers in it: Docker and the stack come up again, the issue at work finishes', async () => {
    const { worker } = site;
    const pod = await readyPod(worker);
    expect((await site.dispatch(2)).code).toBe(0);
    await until('the agent works', 60, async () =>
      (await inWorker(worker, 'tmux list-sessions -F "#{session_name}"')).includes('2-implement'),
    );
    killContainer((await getObject<PodObject>(site.namespace, 'pod', pod)).metadata.uid);
    await until('the container is back', 60, async () => {
      const { status } = await getObject<PodObject>(site.namespace, 'pod', pod);
      return (status.containerStatuses?.[0]?.restartCount ?? 0) > 0;
    });
    await readyPod(worker);
    expect(await inWorker(worker, 'docker info --format "{{.Driver}}"')).toBe('overlay2\n');
    await finished(worker, 2);
    await assertSound(worker);
  });
});
