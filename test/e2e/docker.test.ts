/** The real image, privileged, with its Docker, in a pod of the real chart. */
import { beforeAll, describe, expect, it } from 'vitest';
import { loadBox } from './box.ts';
import { until } from './cluster.ts';
import { useCrew } from './crew.ts';
import { explained } from './explain.ts';
import { killContainer } from './faults.ts';
import { WITH_DOCKER, WORKING } from './install.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import { assertSound, atWork, finished, inPod, inWorker, readyPod, restarted } from './worker.ts';

const { worker, operator } = useSite('fwc-docker', { ...WORKING, ...WITH_DOCKER });

const vital = () =>
  inWorker(
    worker,
    'pgrep -o -x dockerd; tmux display-message -p "#{pid}"; pgrep -o --full "[s]upervisor.js"',
  );

beforeAll(() => loadBox(worker));

it('comes up with Docker, and worker-health, list and an issue agree', async () => {
  for (const verb of ['startup', 'ready', 'live'])
    expect(await inWorker(worker, `worker-health ${verb}`)).toBe('ok\n');
  const list = await operator.list();
  saw('worker with Docker: list', list);
  expect(list.stdout).toMatch(/worker-1 +factory-worker-1 +running/);
  expect(await inWorker(worker, 'docker info --format "{{.Driver}}"')).toBe('overlay2\n');
  expect(await operator.dispatch(worker, 1)).toExitWith(0);
  await finished(worker, 1);
  await assertSound(worker);
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
  const pod = await readyPod(worker);
  await inPod(
    worker,
    pod,
    'mkdir -p /root/.factory/stack; cat >/root/.factory/stack/compose.yaml',
    JSON.stringify(compose),
  );
  await inWorker(worker, 'cd /root/.factory/stack && docker compose --progress quiet up --detach');
  const answer = await until('the stack answers', 60, () =>
    inWorker(worker, 'curl --silent --fail --max-time 5 http://localhost:8080/'),
  );
  expect(answer).toBe('42\n');
  const cgroup = await inWorker(
    worker,
    'cat "/proc/$(docker inspect --format "{{.State.Pid}}" stack-web-1)/cgroup"',
  );
  expect(cgroup).toMatch(/docker\/[0-9a-f]{64}/);
  const status = await operator.status(worker);
  saw('worker with Docker and a compose stack: status', status);
});

describe('faults', () => {
  it('dockerd killed: degraded with the reason, then back; tmux, sessions and containers untouched', async () => {
    const pod = await readyPod(worker);
    const tmux = await inWorker(worker, 'tmux display-message -p "#{pid}"');
    const container = await inWorker(worker, 'docker inspect --format "{{.State.Pid}}" stack-web-1');
    // Again until it is seen: a dockerd that comes up at the first try may be back before the list is there.
    const seen = await until('it is shown', 60, async () => {
      await inPod(worker, pod, 'pkill -KILL -x dockerd || true');
      const row = await operator.row(worker);
      return row.status === 'degraded' && row;
    });
    saw('dockerd killed: list', JSON.stringify(seen, null, 1));
    expect(seen.problems[0]?.cause).toContain('dockerd ended with exit code 137');
    await until('Docker is back', 60, async () =>
      (await inPod(worker, pod, 'docker version --format "{{.Server.Version}}"')).startsWith('26'),
    );
    await until('it runs again', 60, async () => (await operator.row(worker)).status === 'running');
    expect(await readyPod(worker)).toBe(pod);
    expect(await inWorker(worker, 'tmux display-message -p "#{pid}"')).toBe(tmux);
    expect(await inWorker(worker, 'docker inspect --format "{{.State.Pid}}" stack-web-1')).toBe(container);
    await assertSound(worker);
  });

  it.each([
    [
      'a container',
      'docker run --rm --network none box dd if=/dev/zero of=/dev/null bs=2000M count=1',
      'oom-container',
    ],
    ['a pane', 'dd if=/dev/zero of=/dev/null bs=2000M count=1', 'oom-process'],
  ])('a hog in %s is killed, and only the hog', async (_where, hog, cause) => {
    const before = await vital();
    await inWorker(worker, 'rm -f /tmp/hog; tmux kill-session -t =hog 2>/dev/null; true');
    await inPod(worker, await readyPod(worker), 'cat >/tmp/hog.sh', `${hog}\necho "ended $?" >/tmp/hog\n`);
    // A login shell, as factory starts its agents in: what it starts has from the first moment the score of what may be killed.
    await inWorker(worker, 'tmux new-session -d -s hog "bash --login /tmp/hog.sh; exec sleep 600"');
    expect(await until('its end', 90, () => inWorker(worker, 'cat /tmp/hog'))).toBe('ended 137\n');
    expect(await vital()).toBe(before);
    expect(await inWorker(worker, 'worker-health ready')).toBe('ok\n');
    expect((await operator.row(worker)).sessions).toContain('hog');
    expect(await explained(worker, cause)).toContain('the kernel: killed dd');
  });

  it('container killed with containers in it: Docker and the stack come up again, the issue at work finishes', async () => {
    expect(await operator.dispatch(worker, 2)).toExitWith(0);
    await atWork(worker, 2);
    await restarted(worker, await killContainer(worker));
    await readyPod(worker);
    expect(await inWorker(worker, 'docker info --format "{{.Driver}}"')).toBe('overlay2\n');
    await finished(worker, 2);
    await assertSound(worker);
  });
});

describe('an issue at work while dockerd is killed', () => {
  const crew = useCrew('fwc-docker-crew', WITH_DOCKER);

  it('finishes by itself', async () => {
    await crew.interrupted('dockerd killed', () =>
      crew.each(async (one) => {
        const dockerd = 'pgrep -o -x dockerd';
        const old = await inWorker(one, dockerd);
        await inWorker(one, 'pkill -KILL -x dockerd');
        await until('dockerd is back', 60, async () => (await inWorker(one, dockerd)) !== old);
      }),
    );
    await crew.finishes();
  });
});
