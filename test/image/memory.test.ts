/** Who dies when memory is short: the hog, and nothing else. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadBox, removeWorkers, startWorker, until, type Worker } from './worker.ts';

let worker: Worker;
beforeAll(async () => {
  worker = await startWorker({ memory: '1g' });
  await worker.ready();
  await loadBox(worker);
  // The scores are handed out with the first beat after dockerd is up.
  await until('the scores', async () => (await score('dockerd')) <= 0, 20);
});
afterAll(removeWorkers);

const score = async (program: string) =>
  Number(await worker.must(`cat /proc/$(pgrep -o -x "${program}")/oom_score_adj`));

const vital = async () =>
  worker.must(
    'echo 1; pgrep -o -x dockerd; pgrep -o -x containerd; tmux display-message -p "#{pid}"; pgrep -o --full supervisor.js',
  );

/** Takes memory until somebody stops it. */
const HOG = 'dd if=/dev/zero of=/dev/null bs=2000M count=1';

test('what the worker stands on is spared, what runs in panes is not', async () => {
  for (const program of ['tini', 'dockerd', 'containerd', 'tmux: server']) {
    expect(await score(program), program).toBeLessThanOrEqual(0);
  }
  await worker.must(
    'tmux new-session -d -s scores && tmux send-keys -t =scores: "cat /proc/self/oom_score_adj >/tmp/score" Enter',
  );
  expect(
    await until('the score', async () => (await worker.sh('cat /tmp/score')).stdout.trim() || null),
  ).toBe('900');
});

test('containers together may have less than the pod', async () => {
  const docker = Number(
    await worker.must(
      'cat /sys/fs/cgroup/memory/docker/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/docker/memory.max',
    ),
  );
  expect(docker).toBe((1024 - 256) * 1024 ** 2);
});

test('a hog in a container without a limit is killed, and only the hog', async () => {
  const before = await vital();
  await worker.must('docker run --detach --name bystander box sleep 600');
  const { code } = await worker.sh(`docker run --name hog box ${HOG}`);
  expect(code).toBe(137);
  expect(await worker.must('docker inspect --format "{{.State.OOMKilled}}" hog')).toBe('true');
  expect(await vital()).toBe(before);
  expect(await worker.must('docker inspect --format "{{.State.Running}}" bystander')).toBe('true');
});

test('a hog in a step of an image build is bounded as well', async () => {
  const before = await vital();
  const build = await worker.sh(
    `mkdir -p /tmp/h && cd /tmp/h && printf '%s\\n' 'FROM box' "RUN ${HOG}" >Dockerfile && docker build . 2>&1`,
  );
  expect(build.code).not.toBe(0);
  expect(await vital()).toBe(before);
});

test('a hog in a pane is killed, and only the hog', async () => {
  const before = await vital();
  await worker.must(
    `cat >/tmp/hog.sh <<'EOF'\n${HOG}\nEOF\ntmux new-session -d -s hog && tmux send-keys -t =hog: "bash /tmp/hog.sh; echo ended \\$? >/tmp/hog" Enter`,
  );
  expect(
    await until('its end', async () => (await worker.sh('cat /tmp/hog')).stdout.trim() || null, 90),
  ).toBe('ended 137');
  expect(await vital()).toBe(before);
  await worker.must('tmux has-session -t =hog');
  expect(await worker.health('ready')).toBe('ok');
});
