/** How a worker comes up, and what may go wrong with that. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { docker, measured, removeWorkers, run, startWorker, until } from './worker.ts';

afterEach(removeWorkers);

describe('the record of the boot', () => {
  test('every phase with its result, and one readable line each in the log', async () => {
    const worker = await startWorker();
    await worker.ready();
    const boot = await until('the end of the boot', async () => {
      const now = await worker.boot();
      return now.finishedAt === null ? null : now;
    });
    const names = boot.phases.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        'lock',
        'checks',
        'database',
        'tmux',
        'docker',
        'credentials',
        'clones',
        'recover',
        'orchestrator',
      ]),
    );
    const logs = await worker.logs();
    for (const name of names) expect(logs).toMatch(new RegExp(`^\\S+Z phase ${name} (ok|off)`, 'm'));
    expect(boot.phases.find(({ name }) => name === 'docker')?.message).toMatch(
      /^26\.1\.\S+, overlay2, cgroup v[12], iptables (nft|legacy), MTU \d+, containers may use \d+ MiB$/,
    );
    expect(await worker.must('tmux list-sessions -F "#{session_name}"')).toBe('boot\norchestrator');
  });

  // How long it all takes against dockerd alone is measured by `make bench-image`.
  test('nothing waits for Docker that need not: sessions, credentials and clones are there before it is', async () => {
    const slow = join(mkdtempSync(join(tmpdir(), 'fw-slow-')), 'dockerd');
    writeFileSync(
      slow,
      '#!/bin/sh\nuntil [ -e /run/go-on ]; do sleep 0.1; done\nexec /usr/sbin/dockerd "$@"\n',
      { mode: 0o755 },
    );
    const worker = await startWorker({ args: ['--volume', `${slow}:/usr/local/sbin/dockerd:ro`] });
    await until(
      'what does not need Docker',
      async () =>
        (await worker.sh('tmux has-session -t =boot')).code === 0 &&
        (await worker.phase('credentials'))?.status === 'ok' &&
        (await worker.phase('clones'))?.status === 'off',
    );
    const { phases } = await worker.boot();
    expect(phases.find(({ name }) => name === 'docker')?.status).toBe('running');
    expect(phases.map(({ name }) => name)).not.toContain('orchestrator');
    expect(await worker.health('startup')).toBe('fail: Docker is still starting');
    await worker.must('touch /run/go-on');
    await worker.ready();
    rmSync(dirname(slow), { recursive: true });
  });
});

describe('credentials', () => {
  test('none at all: it boots, says so and is ready', async () => {
    const args = [
      ...['--env', 'WORKER_NAMESPACE=factory'],
      ...['--env', 'WORKER_SECRET_NAME=factory-worker-1-secrets'],
    ];
    const worker = await startWorker({ docker: false, secrets: {}, args });
    await worker.ready();
    await until('the verdict', async () => (await worker.phase('credentials'))?.status === 'missing');
    expect(await worker.phase('credentials')).toMatchObject({
      status: 'missing',
      message:
        'CLAUDE_CODE_OAUTH_TOKEN, GH_TOKEN, GH_USER missing: write CLAUDE_CODE_OAUTH_TOKEN=…, GH_TOKEN=…, GH_USER=… into a FILE, one a line, and type: kubectl --namespace factory create secret generic factory-worker-1-secrets --from-env-file=FILE',
    });
    // They come while it runs.
    worker.setSecret('CLAUDE_CODE_OAUTH_TOKEN', 'x');
    worker.setSecret('GH_TOKEN', 'y');
    worker.setSecret('GH_USER', 'factory-bot');
    await until('the new credentials', async () => (await worker.phase('credentials'))?.status === 'ok', 20);
  });

  test.each([
    ['a wrong one', ['STANDIN_GH_MODE=ok'], 'bad-token', /refuses GH_TOKEN \(401/],
    [
      'one that may not do enough',
      ['STANDIN_GH_SCOPES=gist'],
      'token',
      /^GH_TOKEN of factory-bot lacks the scope "repo" \(it has gist\): write GH_TOKEN into \/run\/secrets/,
    ],
    ['GitHub unreachable', ['STANDIN_GH_MODE=down'], 'token', /cannot be reached/],
  ])('%s: reported, never a crash loop', async (_what, standin, token, message) => {
    const worker = await startWorker({
      docker: false,
      standin,
      secrets: { CLAUDE_CODE_OAUTH_TOKEN: 'x', GH_TOKEN: token, GH_USER: 'factory-bot' },
    });
    await worker.ready();
    // Readiness does not wait for GitHub.
    const verdict = await until('the verdict', async () => {
      const phase = await worker.phase('credentials');
      return phase?.status !== 'running' && phase;
    });
    expect(verdict).toMatchObject({ status: 'failed', message: expect.stringMatching(message) });
    expect(await docker('inspect', '--format', '{{.RestartCount}} {{.State.Running}}', worker.name)).toBe(
      '0 true',
    );
  });

  test('GitHub that never answers does not hold up the start for long', async () => {
    const worker = await startWorker({ docker: false, standin: ['STANDIN_GH_DELAY_SECONDS=3600'] });
    await worker.ready(10);
    await until('the orchestrator', async () => (await worker.phase('orchestrator'))?.status === 'ok', 40);
  });
});

describe('the state volume', () => {
  test('with lost+found, as a new disk has it', async () => {
    const worker = await startWorker({ docker: false });
    mkdirSync(join(worker.state, 'lost+found'));
    await worker.crash();
    await worker.start();
    await worker.ready();
  });

  test('read-only: says so, does not end, and recovers by itself', async () => {
    const worker = await startWorker({ docker: false, stateArgs: ['--tmpfs', '/root/.factory:size=16m'] });
    await worker.ready();
    await worker.must('mount -o remount,ro /root/.factory');
    expect(await worker.health('ready')).toMatch(/^fail: cannot write to \/root\/\.factory\/worker/);
    expect(await worker.health('live')).toBe('ok');
    await worker.must('mount -o remount,rw /root/.factory');
    expect(await worker.health('ready')).toBe('ok');
  });

  test('full: the worker is there, its sessions answer, and it says what is full', async () => {
    const worker = await startWorker({ docker: false, stateArgs: ['--tmpfs', '/root/.factory:size=16m'] });
    await worker.ready();
    await worker.sh(
      'dd if=/dev/zero of=/root/.factory/hog bs=1M count=64; while echo x >>/root/.factory/rest; do :; done; true',
    );
    expect(await worker.health('live')).toBe('ok');
    await worker.must('tmux has-session -t =orchestrator');
    await worker.must('rm /root/.factory/hog /root/.factory/rest');
    expect(await worker.health('ready')).toBe('ok');
  });

  test.each([
    ['full', 'head -c 64M /dev/zero >"$1/hog" 2>/dev/null; true', 'ENOSPC'],
    ['read-only', 'mkdir "$1/worker"; mount -o remount,ro "$1"', 'EROFS'],
  ])(
    '%s from the start: no restart would help, so there is none, and it goes on when it can',
    async (_how, spoil, code) => {
      const disk = mkdtempSync(join(tmpdir(), 'fw-state-'));
      const onDisk = (script: string) => run(['bash', '-c', script, 'bash', disk]);
      await onDisk('mount -t tmpfs -o size=2m tmpfs "$1"');
      await onDisk(spoil);
      try {
        const worker = await startWorker({
          docker: false,
          stateArgs: ['--volume', `${disk}:/root/.factory`],
        });
        await until('the startup probe', async () => (await worker.health('startup')) === 'ok', 20);
        expect(await worker.health('ready')).toMatch(new RegExp(`^fail: .*${code}`));
        expect(await worker.health('live')).toBe('ok');
        await worker.must('mount -o remount,rw /root/.factory; rm -f /root/.factory/hog');
        await worker.ready(30);
        await worker.remove();
      } finally {
        await onDisk('umount "$1"; rmdir "$1"');
      }
    },
  );

  test('one at a time: a second worker on it waits, says for whom, and takes over', async () => {
    const first = await startWorker({ docker: false });
    await first.ready();
    const second = await startWorker({ docker: false, stateOf: first });
    await until(
      'the second one waiting',
      async () => /waiting: process \d+ of pod fw-test/.test(await second.logs()),
      20,
    );
    expect(await second.health('startup')).toMatch(/^fail: waiting for the state volume/);
    expect(await second.sh('tmux list-sessions')).toMatchObject({ code: 1 });
    await first.crash();
    await second.ready();
  });
});

describe('SIGTERM', () => {
  // Milliseconds after the start: in bash, in Node's start, in the first phases, while Docker starts, after it.
  test.each([0, 30, 80, 150, 300, 600, 1200, 3000])('after %d ms of boot: exit code 0, soon', async (ms) => {
    const worker = await startWorker();
    await new Promise((resolve) => setTimeout(resolve, ms));
    const { code, seconds } = await worker.stop();
    expect({ code, late: seconds > 20 }, await worker.logs()).toEqual({ code: 0, late: false });
  });
});

test('after a kill in the middle of everything it starts again, stale files and all', async () => {
  const worker = await startWorker();
  await worker.ready();
  await worker.must('ls /run/docker.pid /var/run/docker.sock');
  await worker.crash();
  await worker.start();
  await worker.ready();
  // Also with a pid that now belongs to somebody else.
  await worker.crash();
  writeFileSync(join(worker.dir, 'docker.pid'), '1\n');
  await docker('cp', join(worker.dir, 'docker.pid'), `${worker.name}:/run/docker.pid`);
  await worker.start();
  await worker.ready();
});

test('a container that starts again does not show the records of the one before it', async () => {
  const worker = await startWorker({ docker: false });
  await worker.ready();
  await worker.crash();
  // What is seen before the supervisor writes its own: here it never does.
  const waiting = join(worker.dir, 'supervisor.js');
  writeFileSync(waiting, 'setInterval(() => {}, 1000);\n');
  await docker('cp', waiting, `${worker.name}:/usr/local/lib/factory-worker/supervisor.js`);
  await worker.start();
  await until(
    'the supervisor’s place is taken',
    async () => (await worker.sh('pgrep --full supervisor.js')).code === 0,
  );
  expect(await worker.must('cd "$WORKER_RUN_DIR" && ls')).not.toMatch(
    /^(boot\.json|heartbeat\.json|alive)$/m,
  );
  expect(await worker.health('startup')).toBe('fail: the supervisor has not started yet');
});

test('the steps that change the machine are for PID 1’s child only, whatever the environment says', async () => {
  const worker = await startWorker();
  await worker.ready();
  const look = () =>
    worker.must(
      'ls -i /run/docker.pid /var/run/docker.sock; readlink /var/cache/factory-worker; pgrep -o -x dockerd; cat /etc/docker/daemon.json /proc/1/cgroup; cat /proc/1/oom_score_adj; wc -l </proc/mounts',
    );
  const before = await look();
  // It waits for the boot lock and is ended; a second one beside a live dockerd, as on somebody's machine.
  const second = await worker.sh(
    'timeout 3 bash -c "/usr/local/lib/factory-worker/entrypoint.sh; exit" 2>&1',
  );
  expect(second.stdout).toMatch(/TMUX_TMPDIR not set|waiting: /);
  expect(await look()).toBe(before);
});

test('without Docker nothing is privileged, and it works', async () => {
  const worker = await startWorker({
    docker: false,
    privileged: false,
    args: ['--security-opt', 'no-new-privileges'],
  });
  await worker.ready();
  expect(await worker.phase('docker')).toMatchObject({ status: 'off', message: 'docker.enabled is false' });
  expect((await worker.stop()).code).toBe(0);
});

test('settings and processes: idle it costs next to nothing', async () => {
  const worker = await startWorker();
  await worker.ready();
  const script = `ticks() { awk '{ sub(/.*\\) /, ""); split($0, f, " "); sum = f[12] + f[13] + f[14] + f[15]; print sum }' "/proc/$1/stat"; }
    p=$(pgrep -o --full supervisor.js); a=$(ticks "$p"); sleep 30; b=$(ticks "$p"); echo $((b - a))
    awk '/^VmRSS:/ { print $2 }' "/proc/$p/status"
    TIMEFORMAT='%U %S'; { time for _ in {1..20}; do node -e 0; done; } 2>&1 | awk '{ print ($1 + $2) * 100 / 20 }'`;
  const [ticks = 0, kilobytes, start = 0] = (await worker.must(script)).split('\n').map(Number);
  measured(
    `idle: ${ticks} ticks in 30 s (children included), ${kilobytes} kB; a start of Node: ${start} ticks`,
  );
  // As a ratio, since a machine that others use takes twice the time for both. A tick is 10 ms: 1 % of a core are 30.
  expect(ticks / start).toBeLessThan(10);
  expect(kilobytes).toBeLessThan(150_000);
});
