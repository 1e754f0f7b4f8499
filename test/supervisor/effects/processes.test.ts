/** The real processes and the real tmux server. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Tmux } from '../../../image/supervisor/effects/effects.ts';
import { hold, isHeld, underLock, untilFree } from '../../../image/supervisor/effects/locks.ts';
import { createProcesses } from '../../../image/supervisor/effects/processes.ts';
import { clock, files } from '../../../image/supervisor/effects/system.ts';
import { createTmux, follow } from '../../../image/supervisor/effects/tmux.ts';
import { isRunning } from '../../support/processes.ts';
import { until } from '../../support/until.ts';

// Short: a socket's path may have only about a hundred characters.
const root = mkdtempSync('/tmp/fw-test-');
const env = {
  PATH: process.env['PATH'] ?? '',
  HOME: root,
  TMUX_TMPDIR: join(root, 'tmux'),
  SHELL: '/bin/sh',
  WORKER_RUN_DIR: root,
};
const processes = createProcesses(env, 300);
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('running programs', () => {
  it('gives code, output and complaints', async () => {
    const result = await processes.run(['sh', '-c', 'echo out; echo err >&2; exit 3']);
    expect(result).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\n', timedOut: false });
  });

  it('knows nothing of our environment but what it was given', async () => {
    vi.stubEnv('CANARY', 'x');
    const { stdout } = await processes.run(['env'], { env: { EXTRA: '1' } });
    vi.unstubAllEnvs();
    expect(stdout.split('\n').filter((line) => /^(CANARY|EXTRA)=/.test(line))).toEqual(['EXTRA=1']);
  });

  it('a program that does not exist is 127, a signal 128 + n', async () => {
    expect(await processes.run(['no-such-program'])).toMatchObject({
      code: 127,
      stderr: 'no-such-program: not found',
    });
    expect((await processes.run(['sh', '-c', 'kill -TERM $$'])).code).toBe(143);
  });

  it.each([
    ['the time-out', () => ({ timeoutMs: 300 }), { code: 124, timedOut: true }],
    ['its signal', () => ({ signal: AbortSignal.timeout(300) }), { code: 143, timedOut: false }],
  ])('%s ends the whole tree, also one deaf to SIGTERM', async (_case, options, expected) => {
    const script = 'trap "" TERM; sh -c \'trap "" TERM; echo $$; sleep 3600\' & wait; sleep 3600';
    const result = await processes.run(['sh', '-c', script], options());
    expect(result).toMatchObject(expected);
    const child = Number(result.stdout);
    expect(child).toBeGreaterThan(1);
    await expect.poll(() => isRunning(child)).toBe(false);
  });

  it('a program that takes its end for a success has not succeeded', async () => {
    const script = 'trap "exit 0" TERM; sleep 60 & wait';
    expect((await processes.run(['sh', '-c', script], { timeoutMs: 200 })).code).toBe(124);
  });

  it('is not held up by a grandchild that keeps the pipes open', async () => {
    // Until it is started, there is nothing that could keep them open.
    const script = "setsid sh -c 'echo $$; exec sleep 3600' & sleep 3600";
    const { stdout } = await processes.run(['sh', '-c', script], { timeoutMs: 1_000 });
    process.kill(Number(stdout), 'SIGKILL');
  });

  it('a detached program replaces one file, appends to the other and leads a group of its own', async () => {
    const stdoutFile = join(root, 'out');
    const stderrFile = join(root, 'err');
    writeFileSync(stdoutFile, 'old old old');
    writeFileSync(stderrFile, 'old\n');
    const child = processes.startDetached(['sh', '-c', 'echo new; echo err >&2; pwd >&2; exit 4'], {
      cwd: root,
      stdoutFile,
      stderrFile,
    });
    expect(await child.exited).toBe(4);
    expect(readFileSync(stdoutFile, 'utf8')).toBe('new\n');
    expect(readFileSync(stderrFile, 'utf8')).toBe(`old\nerr\n${root}\n`);
    const long = processes.startDetached(['sleep', '77'], { cwd: root, stdoutFile, stderrFile });
    await until('its session', () =>
      processes
        .inTerminalSessions([long.pid])
        .some(({ pid, group }) => pid === long.pid && group === long.pid),
    );
    await expect.poll(() => processes.find((argv) => argv.join(' ') === 'sleep 77')).toContain(long.pid);
    expect(processes.signalGroup(long.pid, 'SIGTERM')).toBe(true);
    expect(await long.exited).toBe(143);
    expect(processes.signalGroup(long.pid, 0)).toBe(false);
  });

  it('a program that is stopped goes on when told, and obeys SIGTERM at once', async () => {
    const [stdoutFile, stderrFile] = [join(root, 'out'), join(root, 'err')];
    const shell = processes.startDetached(['sh', '-c', 'sleep 78; true'], {
      cwd: root,
      stdoutFile,
      stderrFile,
    });
    await expect.poll(() => processes.children(shell.pid)).toHaveLength(1);
    const [program = 0] = processes.children(shell.pid);
    await expect.poll(() => [shell.pid, program].map(processes.isAsleep)).toEqual([true, true]);
    processes.setStopped(program, true);
    await expect.poll(() => processes.isStopped(program)).toBe(true);
    expect(processes.isStopped(shell.pid)).toBe(false);
    processes.setStopped(program, false);
    await expect.poll(() => processes.isStopped(program)).toBe(false);
    processes.setStopped(program, true);
    expect(processes.signalGroup(shell.pid, 'SIGTERM')).toBe(true);
    expect(await shell.exited).toBe(143);
    await expect.poll(() => processes.signalGroup(shell.pid, 0)).toBe(false);
    // It is gone.
    processes.setStopped(program, false);
    expect(processes.isStopped(program)).toBe(false);
    expect(processes.isAsleep(program)).toBe(false);
  });

  it.each(['while :; do :; done', 'cat /dev/zero >/dev/null; true', 'tail -f /dev/null; true'])(
    'a program at work is not asleep: %s',
    async (script) => {
      const [stdoutFile, stderrFile] = [join(root, 'out'), join(root, 'err')];
      const shell = processes.startDetached(['bash', '-c', script], { cwd: root, stdoutFile, stderrFile });
      await expect.poll(() => processes.isAsleep(shell.pid)).toBe(false);
      processes.signalGroup(shell.pid, 'SIGKILL');
      await shell.exited;
    },
  );

  it.each([0, 1, -1, Number.NaN])('never signals group %s', (group) => {
    expect(processes.signalGroup(group, 'SIGKILL')).toBe(false);
  });
});

describe('files', () => {
  it('reads the end of one, nothing before an offset, and nothing where there is none', () => {
    const path = join(root, 'log');
    writeFileSync(path, '0123456789');
    expect(files.readEnd(path, 4)).toBe('6789');
    expect(files.readEnd(path, 4, 8)).toBe('89');
    expect(files.readEnd(path, 100, 3)).toBe('3456789');
    expect(files.readEnd(path, 4, 10)).toBe('');
    expect(files.readEnd(join(root, 'none'), 4)).toBe('');
  });
});

describe('the clock', () => {
  it.each([2 ** 31, Number.POSITIVE_INFINITY])('a pause of %d ms is a long one, not none', async (ms) => {
    const enough = new AbortController();
    let over = false;
    const pause = clock.sleep(ms, enough.signal).then(() => {
      over = true;
    });
    // That it goes on cannot be waited for.
    await sleep(20);
    expect(over).toBe(false);
    enough.abort();
    await pause;
  });
});

describe('locks', () => {
  it('a held lock is held until released, and a program under a lock does not hand it down', async () => {
    const path = join(root, 'lock');
    const held = hold(processes, path);
    expect(await held.firstLine).toBe('locked');
    expect(await isHeld(processes, path)).toBe(true);
    expect((await processes.run(underLock(path, ['true'], 0))).code).toBe(75);
    held.release();
    await untilFree(processes, path);
    expect(await isHeld(processes, path)).toBe(false);
    // The background process outlives the program that was under the lock, as a tmux server would.
    const { code, stdout } = await processes.run(
      underLock(path, ['sh', '-c', 'sleep 20 >/dev/null 2>&1 & echo $!; exit 6'], 0),
    );
    expect(code).toBe(6);
    expect(isRunning(Number(stdout))).toBe(true);
    expect(await isHeld(processes, path)).toBe(false);
    process.kill(Number(stdout), 'SIGKILL');
  });

  it('does not take a short look at a lock for holding it', async () => {
    const path = join(root, 'looked-at');
    const look = processes.run(['flock', path, 'sh', '-c', `touch '${path}.taken'; sleep 0.2`]);
    await until('the look', () => existsSync(`${path}.taken`));
    expect(await isHeld(processes, path)).toBe(false);
    await look;
  });
});

describe('tmux', () => {
  let tmux: Tmux;
  beforeAll(() => {
    mkdirSync(env.TMUX_TMPDIR, { mode: 0o700 });
    writeFileSync(join(root, '.tmux.conf'), 'set -s exit-empty off\n');
  });
  // A server that is still on its way out takes the next test's first session with it.
  afterEach(async () => {
    await tmux.killServer();
    await expect.poll(() => tmux.sessions()).toBeNull();
  });

  it('no server is null, and no question starts one', async () => {
    tmux = createTmux(processes, files, env.TMUX_TMPDIR, root);
    expect(await tmux.sessions()).toBeNull();
    expect(await tmux.server()).toBeNull();
    expect(await tmux.hasSession('a')).toBe(false);
    await tmux.tell('hello');
    await tmux.killSession('a');
    expect(await tmux.sessions()).toBeNull();
  });

  it('means exactly the session that is named', async () => {
    tmux = createTmux(processes, files, env.TMUX_TMPDIR, root);
    await tmux.newSession('5-build-1-fix-3', ['sleep', '60']);
    expect(await tmux.hasSession('5-b')).toBe(false);
    await tmux.killSession('5-b');
    await tmux.killSession('5-build-1');
    expect((await tmux.sessions())?.map(({ name }) => name)).toEqual(['5-build-1-fix-3']);
    await expect(tmux.type('5-b', 'x')).rejects.toThrow('tmux send-keys');
    await expect(tmux.newSession('5-build-1-fix-3')).rejects.toThrow('duplicate session');
  });

  it('a server whose last session is gone is a server without sessions', async () => {
    tmux = createTmux(processes, files, env.TMUX_TMPDIR, root);
    await tmux.newSession('a', ['sleep', '60']);
    const pid = (await tmux.server())?.pid;
    expect(pid).toBeGreaterThan(1);
    await tmux.killSession('a');
    expect(await tmux.sessions()).toEqual([]);
    expect(await tmux.server()).toEqual({ pid, panes: [] });
  });

  it('copies what a pane prints into a file below the volatile folder', async () => {
    tmux = createTmux(processes, files, env.TMUX_TMPDIR, root);
    await tmux.newSession('a', ['sh', '-c', 'echo before; read _; echo after; sleep 60']);
    const id = (await tmux.server())?.panes[0]?.id ?? '';
    await expect.poll(() => tmux.capture(id)).toContain('before');
    await tmux.pipe(id, 'pane.log');
    await tmux.type('a', 'go on');
    const copied = () => files.read(join(env.WORKER_RUN_DIR, 'pane.log')) ?? '';
    await expect.poll(copied).toContain('after');
    expect(copied()).not.toContain('before');
  });

  it('tells activity, attached clients, panes and dead ones; a dead pane stays and can be respawned', async () => {
    tmux = createTmux(processes, files, env.TMUX_TMPDIR, root);
    const log = join(root, "log file's #{pid}");
    writeFileSync(log, 'hello\n');
    await tmux.newSession('a b', follow(log));
    await tmux.remainOnExit('a b');
    const [session] = (await tmux.sessions()) ?? [];
    expect(session).toMatchObject({ name: 'a b', attached: 0 });
    expect(Math.abs((session?.windowActivity ?? 0) - Date.now() / 1000)).toBeLessThan(30);
    const panes = async () => (await tmux.server())?.panes ?? [];
    const [pane] = await panes();
    expect(pane).toMatchObject({ session: 'a b', dead: false });
    process.kill(pane?.pid ?? 0, 'SIGKILL');
    await expect.poll(async () => (await panes())[0]?.dead).toBe(true);
    await tmux.respawn('a b', follow(log));
    const shown = async () =>
      (await processes.run(['tmux', 'capture-pane', '-p', '-t', '=a b:'])).stdout.includes('hello');
    await until('it is shown', shown);
  });

  it('a server that does not answer is not taken for none', async () => {
    tmux = createTmux(processes, files, env.TMUX_TMPDIR, root);
    await tmux.newSession('a', ['sleep', '60']);
    const impatient = createTmux(processes, files, env.TMUX_TMPDIR, root, 500);
    const { stdout } = await processes.run(['tmux', 'display-message', '-p', '#{pid}']);
    process.kill(Number(stdout), 'SIGSTOP');
    try {
      await expect(impatient.sessions()).rejects.toThrow('tmux list-panes: the server does not answer');
      await expect(impatient.server()).rejects.toThrow('the server does not answer');
    } finally {
      process.kill(Number(stdout), 'SIGCONT');
    }
  });

  it('never falls back to the common socket when its folder is gone', async () => {
    rmSync(env.TMUX_TMPDIR, { recursive: true });
    tmux = createTmux(processes, files, env.TMUX_TMPDIR, root);
    expect(await tmux.sessions()).toBeNull();
    const { stdout } = await processes.run(['ls', '-ld', env.TMUX_TMPDIR]);
    expect(stdout).toMatch(/^drwx------/);
    rmSync(env.TMUX_TMPDIR, { recursive: true });
    mkdirSync(env.TMUX_TMPDIR, { mode: 0o777 });
    await processes.run(['chmod', '777', env.TMUX_TMPDIR]);
    await expect(tmux.sessions()).rejects.toThrow('must be a directory of this user with mode 0700');
    await processes.run(['chmod', '700', env.TMUX_TMPDIR]);
  });

  it('makes no session once the server is being ended', async () => {
    tmux = createTmux(processes, files, env.TMUX_TMPDIR, root);
    const racing = tmux.newSession('late', ['sleep', '60']).catch(() => {});
    await tmux.killServer();
    await racing;
    await expect(tmux.newSession('later')).rejects.toThrow('tmux is being stopped');
    await expect.poll(() => tmux.sessions()).toBeNull();
  });
});
