/** A docker volume that runs full. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadBox, removeWorkers, run, startWorker, until, type Worker } from './worker.ts';

let worker: Worker;
let image = '';
beforeAll(async () => {
  // A small disk of its own, as an ephemeral volume is one.
  image = `/tmp/fw-disk-${process.pid}`;
  const made = await run([
    'sh',
    '-c',
    'truncate -s 600M "$1.img" && mkfs.ext4 -q "$1.img" && mkdir -p "$1" && mount -o loop "$1.img" "$1"',
    'sh',
    image,
  ]);
  if (made.code !== 0) throw new Error(made.stderr);
  worker = await startWorker({ args: ['--volume', `${image}:/var/lib/docker`] });
  await worker.ready();
  await loadBox(worker);
});
afterAll(async () => {
  await removeWorkers();
  await run(['sh', '-c', 'umount "$1"; rm -rf "$1" "$1.img"', 'sh', image]);
});

test('the caches lie on it', async () => {
  for (const variable of ['GOCACHE', 'GOMODCACHE', 'TMPDIR']) {
    expect(
      await worker.must(`mkdir -p "$${variable}" && df --output=target "$${variable}" | tail -n 1`),
    ).toBe('/var/lib/docker');
  }
  expect(await worker.must('df --output=target "$(npm config get cache | sed s,/npm$,,)" | tail -n 1')).toBe(
    '/var/lib/docker',
  );
});

test('full: build cache goes, no work is taken, the worker and its sessions stay', async () => {
  await worker.must(
    'mkdir -p /tmp/c && cd /tmp/c && printf "FROM box\\nRUN dd if=/dev/zero of=/x bs=1M count=100\\n" >Dockerfile && docker build --quiet . >&2',
  );
  await worker.sh('dd if=/dev/zero of=/var/lib/docker/hog bs=1M count=600');
  await until('the guard', async () => (await worker.logs()).includes('% full and no work is taken'), 60);
  expect(await worker.logs()).toMatch(/docker volume: pruned build cache and unnamed images/);
  expect(await worker.must('docker images --quiet box | wc -l')).toBe('1');
  await worker.must('tmux has-session -t =orchestrator');
  expect(await worker.health('live')).toBe('ok');
  const heartbeat = async () => JSON.parse(await worker.must('cat "$WORKER_RUN_DIR/heartbeat.json"'));
  const refused = await until('the refusal', async () => {
    const now = await heartbeat();
    return now.state === 'refused' ? now : null;
  });
  expect(refused.reason).toMatch(/^the docker volume is \d+ % full .* docker system prune/);
  await worker.must('rm /var/lib/docker/hog');
  await until('work again', async () => (await heartbeat()).state === 'waiting', 60);
});
