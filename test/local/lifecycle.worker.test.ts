/** Starting and stopping local workers for real, and what must not happen on the way. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { assertLinux } from '../../scripts/lib/local/layout.ts';
import { processesOf } from '../../scripts/lib/local/processes.ts';
import { startLocalWorker } from '../../scripts/lib/local/start.ts';
import { localWorkerState } from '../../scripts/lib/local/state.ts';
import { stopLocalWorker } from '../../scripts/lib/local/stop.ts';
import { processesMentioning, processesWith } from '../support/processes.ts';
import { exec, makeRoot, makeWorker, removeWorkers, supervisorsOf, until } from './worker.ts';

afterEach(async () => {
  vi.unstubAllEnvs();
  await removeWorkers();
});

describe('up and down', () => {
  it('up tells its phases; a second up changes nothing; down leaves no process and no socket; up works again', async () => {
    const worker = makeWorker();
    const phases: string[] = [];
    const first = await startLocalWorker(worker.dir, {
      exec,
      onPhase: ({ name, status }) => phases.push(`${name} ${status}`),
    });
    expect(first).toMatchObject({ outcome: 'started', message: '' });
    expect(first.boot?.phases.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'lock ok',
      'checks ok',
      'database ok',
      'docker off',
      'tmux ok',
      'credentials off',
      expect.stringMatching(/^clones (ok|running)$/),
      'recover ok',
      'orchestrator ok',
    ]);
    expect(phases).toContain('orchestrator ok');
    expect(await worker.sessions()).toEqual(['boot', 'orchestrator']);

    const before = supervisorsOf(worker);
    const second = await worker.start();
    expect(second).toMatchObject({ outcome: 'already-running', boot: { bootId: first.boot?.bootId } });
    expect(before).toEqual([worker.heartbeat()?.pid]);
    expect(supervisorsOf(worker)).toEqual(before);
    expect(await localWorkerState(worker.dir, exec)).toMatchObject({ prepared: true, running: true });

    expect(await stopLocalWorker(worker.dir)).toEqual({ wasRunning: true, swept: 0 });
    expect(processesWith(`WORKER_STATE_DIR=${worker.layout.dirs.WORKER_STATE_DIR}`)).toEqual([]);
    expect(existsSync(worker.layout.socketDir)).toBe(false);
    expect(await localWorkerState(worker.dir, exec)).toMatchObject({ running: false, processes: 0 });
    expect(await stopLocalWorker(worker.dir)).toEqual({ wasRunning: false, swept: 0 });

    expect((await worker.start()).outcome).toBe('started');
  });

  it('two at once start one supervisor', async () => {
    const worker = makeWorker();
    const outcomes = (await Promise.all([worker.start(), worker.start()])).map(({ outcome }) => outcome);
    expect(outcomes.toSorted()).toEqual(['already-running', 'started']);
    await until('one supervisor', () => supervisorsOf(worker).length === 1);
  });

  it.each([
    ['blanks, quotes and umlauts', 'a folder "näme" $HOME'],
    ['200 characters', 'x'.repeat(200)],
  ])('a path with %s is fine', async (_case, name) => {
    const worker = makeWorker({ dir: makeRoot(name) });
    expect((await worker.start()).outcome).toBe('started');
    await worker.add(23);
    await until('the issue completed', async () => (await worker.rows())[0]?.status === 'completed');
    expect(await stopLocalWorker(worker.dir)).toEqual({ wasRunning: true, swept: 0 });
    expect(processesWith(`WORKER_STATE_DIR=${worker.layout.dirs.WORKER_STATE_DIR}`)).toEqual([]);
  });

  it('what ends with the supervisor is not swept, though it ends a moment later', async () => {
    const worker = makeWorker();
    await worker.start();
    const all = () => processesOf(worker.layout.dirs.WORKER_STATE_DIR);
    // It holds the worker's lock for the supervisor, and waits on a pipe from it.
    const holder = all().find(({ argv }) => argv[0] === 'cat')?.pid ?? 0;
    process.kill(holder, 'SIGSTOP');
    const stopping = stopLocalWorker(worker.dir);
    await until('nothing else is left', () => all().every(({ pid }) => pid === holder));
    // As long as it may take on a busy machine, and longer than one look.
    await sleep(300);
    process.kill(holder, 'SIGCONT');
    expect(await stopping).toEqual({ wasRunning: true, swept: 0 });
  });

  it('down works after the supervisor was killed, and ends nobody else', async () => {
    const worker = makeWorker();
    await worker.start();
    const { WORKER_STATE_DIR } = worker.layout.dirs;
    // What an agent left in the background, deaf to SIGTERM and SIGHUP, in a session of its own.
    await worker.run(
      ['sh', '-c', 'trap "" TERM HUP; setsid sleep 300 >/dev/null 2>&1 &'],
      worker.layout.home,
    );
    const bystander = spawn('sleep', ['300'], {
      env: { WORKER_STATE_DIR: `${WORKER_STATE_DIR}-2`, PATH: '/usr/bin:/bin' },
    });
    try {
      for (const pid of supervisorsOf(worker)) process.kill(pid, 'SIGKILL');
      await until('the lock free', async () => !(await localWorkerState(worker.dir, exec)).running);
      expect((await worker.sessions()).length).toBeGreaterThan(0);
      const { swept } = await stopLocalWorker(worker.dir);
      expect(swept).toBeGreaterThanOrEqual(3);
      expect(processesMentioning(`WORKER_STATE_DIR=${WORKER_STATE_DIR}`)).toEqual([bystander.pid]);
      expect(processesOf(WORKER_STATE_DIR)).toEqual([]);
      expect(existsSync(worker.layout.socketDir)).toBe(false);
      expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
    } finally {
      bystander.kill('SIGKILL');
    }
  });

  it('down from inside the worker is refused', async () => {
    const worker = makeWorker();
    vi.stubEnv('WORKER_STATE_DIR', worker.layout.dirs.WORKER_STATE_DIR);
    await expect(stopLocalWorker(worker.dir)).rejects.toThrow('this shell runs inside the worker');
  });

  it('up without a program that it needs says which; without a worker says how to make one', async () => {
    const bin = makeRoot('bin');
    mkdirSync(bin, { recursive: true });
    for (const tool of ['flock', 'sh', 'cat', 'git', 'tail', 'grep']) {
      symlinkSync(
        execFileSync('sh', ['-c', `command -v ${tool}`])
          .toString()
          .trim(),
        join(bin, tool),
      );
    }
    const worker = makeWorker({ spec: { callerEnv: { PATH: bin } } });
    const { outcome, message } = await worker.start();
    expect([outcome, message]).toEqual([
      'failed',
      'checks: not on PATH: tmux; install them (tried again every 10s)',
    ]);
    await expect(startLocalWorker(join(bin, 'none'), { exec })).rejects.toThrow(
      'there is no local worker in',
    );
  });

  it('a path that factory could not type into a pane is refused', () => {
    const dir = makeRoot("a folder's name");
    expect(() => makeWorker({ dir })).toThrow("its path contains a '");
    expect(existsSync(dir)).toBe(false);
  });

  it('on another system one sentence says what it needs', () => {
    expect(() => assertLinux('darwin')).toThrow(
      /^a local worker needs Linux .*; the other commands work here$/,
    );
  });
});

describe('what must not get in or out', () => {
  it('no token and no setting of the caller reaches a process or a file of the worker', async () => {
    const canary = `canary-${Math.random().toString(36).slice(2)}`;
    for (const name of [
      'GH_TOKEN',
      'GITHUB_TOKEN',
      'CLAUDE_CODE_OAUTH_TOKEN',
      'ANTHROPIC_API_KEY',
      'FACTORY_DATA_DIR',
      'DATABASE_URL',
      'GIT_AUTHOR_NAME',
      'SSH_AUTH_SOCK',
      'XDG_CONFIG_HOME',
      'BASH_ENV',
      'NODE_OPTIONS_X',
      'MY_SECRET',
    ]) {
      vi.stubEnv(name, canary);
    }
    const worker = makeWorker({ agentWaits: true });
    await worker.start();
    await worker.add(23);
    await until('a stage', async () => (await worker.sessions()).includes('23-implement-1'));
    await until('an agent', () =>
      processesOf(worker.layout.dirs.WORKER_STATE_DIR).some(({ argv }) => argv.join(' ').includes('/claude')),
    );
    const own = processesOf(worker.layout.dirs.WORKER_STATE_DIR);
    expect(own.length).toBeGreaterThan(5);
    const carriers = processesMentioning(canary);
    for (const { pid } of own) expect(carriers).not.toContain(pid);
    const found = execFileSync('sh', [
      '-c',
      'grep -rlaF -- "$1" "$2" || true',
      'sh',
      canary,
      worker.dir,
    ]).toString();
    expect(found).toBe('');
  });

  it('a surrounding tmux is left alone', async () => {
    const outer = makeRoot('outer');
    mkdirSync(outer, { recursive: true, mode: 0o700 });
    const tmux = (...args: string[]) =>
      execFileSync('tmux', args, { env: { ...process.env, TMUX_TMPDIR: outer, TMUX: '' } })
        .toString()
        .trim();
    tmux('-f', '/dev/null', 'new-session', '-d', '-s', 'mine', 'sleep', '300');
    try {
      vi.stubEnv('TMUX', `${tmux('display-message', '-p', '#{socket_path},#{pid}')},0`);
      vi.stubEnv('TMUX_PANE', '%0');
      vi.stubEnv('TMUX_TMPDIR', outer);
      const worker = makeWorker();
      expect((await worker.start()).outcome).toBe('started');
      expect(await worker.sessions()).toEqual(['boot', 'orchestrator']);
      expect(tmux('list-sessions', '-F', '#{session_name}')).toBe('mine');
      await stopLocalWorker(worker.dir);
      expect(tmux('list-sessions', '-F', '#{session_name}')).toBe('mine');
    } finally {
      tmux('kill-server');
    }
  });

  it('nothing outside its own folders is touched, as whoever it runs', async () => {
    const home = makeRoot('caller');
    mkdirSync(join(home, '.factory'), { recursive: true });
    for (const name of [
      '.tmux.conf',
      '.gitconfig',
      '.bash_profile',
      '.bash_history',
      '.factory/factory.db',
      '.claude.json',
    ]) {
      writeFileSync(join(home, name), `# canary ${name}\n`);
    }
    vi.stubEnv('HOME', home);
    vi.stubEnv('WORKER_RUNTIME', 'pod');
    const before = fingerprint(home);
    const worker = makeWorker();
    await worker.start();
    await worker.add(23);
    await until('the issue completed', async () => (await worker.rows())[0]?.status === 'completed');
    // What the image's supervisor adjusts in a pod: nothing of it here.
    const supervisor = worker.heartbeat()?.pid ?? 0;
    for (const file of ['oom_score_adj', 'cgroup', 'mountinfo']) {
      expect(readFileSync(`/proc/${supervisor}/${file}`, 'utf8')).toBe(
        readFileSync(`/proc/self/${file}`, 'utf8'),
      );
    }
    await stopLocalWorker(worker.dir);
    expect(fingerprint(home)).toEqual(before);
  });
});

/** Files and folders that a worker in a pod would use or change, and the caller's own HOME. */
const ELSEWHERE = [
  '/etc/tmux.conf',
  '/etc/gitconfig',
  '/etc/gitignore',
  '/etc/profile.d',
  '/etc/factory-worker',
  '/root/.tmux.conf',
  '/root/.gitconfig',
  '/root/.config/git',
  '/root/.bash_profile',
  '/root/.bash_history',
  '/root/.factory',
  '/root/.claude.json',
  '/run/factory-worker',
  '/run/secrets/factory-worker',
  '/usr/local/lib/factory-worker',
  '/var/run/docker.pid',
  '/var/run/docker.sock',
  '/run/docker/containerd/containerd.pid',
  '/var/lib/docker',
  '/tmp/tmux-0',
];

/** Kind, mode, inode and content of each; a folder's content is its names. */
function fingerprint(home: string): Record<string, string> {
  const below = readdirSync(home, { recursive: true }).map((name) => join(home, String(name)));
  return Object.fromEntries([...ELSEWHERE, home, ...below].map((path) => [path, describePath(path)]));
}

function describePath(path: string): string {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 'absent';
  let content = '';
  if (stat.isDirectory()) content = readdirSync(path).sort().join();
  else if (stat.isFile()) content = createHash('sha256').update(readFileSync(path)).digest('hex');
  return `${stat.mode} ${stat.ino} ${content}`;
}
