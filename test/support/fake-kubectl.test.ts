import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { type FakeKubectl, fakeKubectl, type Rule } from './fake-kubectl.ts';

let kubectl: FakeKubectl;
afterEach(() => kubectl.remove());

/** Runs the fake as a program of its own. */
function call(
  args: readonly string[],
  stdin = '',
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(kubectl.path, args, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
    // It may have ended without reading any of it.
    child.stdin?.on('error', () => {});
    child.stdin?.end(stdin);
  });
}

function given(...rules: Rule[]): void {
  kubectl = fakeKubectl(rules);
}

describe('the fake kubectl', () => {
  it('answers by the first rule whose words are there in that order, and says when there is none', async () => {
    given(
      { match: ['get', 'pods', '--namespace=*'], stdout: 'pods\n', stderr: 'note\n', code: 3 },
      { match: ['get'], stdout: 'other\n' },
    );
    expect(await call(['get', 'pods', '-o', 'json', '--namespace=factory'])).toEqual({
      code: 3,
      stdout: 'pods\n',
      stderr: 'note\n',
    });
    expect((await call(['get', 'pods'])).stdout).toBe('other\n');
    expect(await call(['delete', 'pod'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'fake kubectl: no rule for: delete pod\n',
    });
  });

  it('remembers every argument as it was, in the order of the calls', async () => {
    given({});
    const odd = ['exec', 'p', '--', 'bash', '-c', 'a "b"\n\tc \\ $d \'e\' é', ''];
    await call(odd);
    await call([]);
    expect(kubectl.calls().map(({ argv, code }) => ({ argv, code }))).toEqual([
      { argv: odd, code: 0 },
      { argv: [], code: 0 },
    ]);
  });

  it('uses a rule up after its number of times, also when calls run at once', async () => {
    given({ times: 2, stdout: 'early' }, { stdout: 'late' });
    const answers = await Promise.all([call([]), call([]), call([]), call([])]);
    expect(answers.map(({ stdout }) => stdout).sort()).toEqual(['early', 'early', 'late', 'late']);
  });

  it('warns first, and cuts stdout with success as a broken stream does', async () => {
    given({ warnings: 'W0101 12:00:00 memcache.go:1\n', stdout: '0123456789', cutAfter: 4 });
    expect(await call(['exec'])).toEqual({
      code: 0,
      stdout: '0123',
      stderr: 'W0101 12:00:00 memcache.go:1\n',
    });
  });

  it('runs the remote command with exactly the given environment, without stdin unless it is asked for', async () => {
    given({ run: { env: { PATH: process.env['PATH'], HOME: '/tmp' } } });
    const script = 'env | grep -c HOME=/tmp; echo "$1"; cat; echo oops >&2; exit 7';
    expect(await call(['exec', 'p', '--', 'bash', '-c', script, 'name', 'a b'], 'typed\n')).toEqual({
      code: 7,
      stdout: '1\na b\n',
      stderr: 'oops\ncommand terminated with exit code 7\n',
    });
    expect((await call(['exec', '-i', 'p', '--', 'cat'], 'typed\n')).stdout).toBe('typed\n');
    process.env['SURELY_NOT_PASSED'] = '1';
    expect((await call(['exec', 'p', '--', 'env'])).stdout).not.toContain('SURELY_NOT_PASSED');
    delete process.env['SURELY_NOT_PASSED'];
  });

  it('cuts the stream of a command that really runs', async () => {
    given({ run: { env: { PATH: process.env['PATH'] } }, cutAfter: 5 });
    expect(await call(['exec', 'p', '--', 'echo', '123456789'])).toEqual({
      code: 0,
      stdout: '12345',
      stderr: '',
    });
  });

  it('joins the streams of a terminal, and complains like kubectl when stdin is none', async () => {
    given({ run: { env: { PATH: process.env['PATH'] } } });
    // Not bash: with a socket for stdin, as Node's pipes are, it believes it was started by sshd and reads ~/.bashrc.
    const { stdout, stderr } = await call(['exec', '-it', 'p', '--', 'sh', '-c', 'echo out; echo err >&2']);
    expect(stdout).toBe('out\nerr\n');
    expect(stderr).toContain('Unable to use a TTY');
  });

  it('hangs until it is killed; ignoring SIGTERM, until SIGKILL', async () => {
    given(
      { match: ['stubborn'], warnings: 'ready\n', hang: true, ignoreTerm: true },
      { warnings: 'ready\n', hang: true },
    );
    for (const [word, signal] of [
      ['plain', 'SIGTERM'],
      ['stubborn', 'SIGKILL'],
    ] as const) {
      const child = spawn(kubectl.path, [word], { detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
      await once(child.stderr, 'data');
      process.kill(-Number(child.pid), 'SIGTERM');
      if (signal === 'SIGKILL') {
        // That a signal is ignored cannot be waited for.
        await new Promise((resolve) => setTimeout(resolve, 200));
        expect(child.signalCode).toBeNull();
        process.kill(-Number(child.pid), 'SIGKILL');
      }
      const [, ended] = await (child.signalCode === null ? once(child, 'exit') : [null, child.signalCode]);
      expect(ended).toBe(signal);
    }
    expect(kubectl.calls().map(({ endedAt }) => endedAt)).toEqual([null, null]);
  });

  it('counts how many calls ran at once', async () => {
    given({ hang: true });
    const children = [1, 2, 3].map(() => spawn(kubectl.path, [], { detached: true, stdio: 'ignore' }));
    const ends = children.map((child) => once(child, 'exit'));
    await expect.poll(() => kubectl.calls().length).toBe(3);
    expect(kubectl.mostAtOnce()).toBe(3);
    for (const { pid } of children) process.kill(-Number(pid), 'SIGKILL');
    await Promise.all(ends);
    kubectl.remove();
    given({});
    await call([]);
    await call([]);
    expect(kubectl.mostAtOnce()).toBe(1);
  });

  it('lets the remote command go on after its own end, when asked to', async () => {
    given({ run: { env: { PATH: process.env['PATH'] }, survives: true } });
    const child = spawn(kubectl.path, ['exec', 'p', '--', 'bash', '-c', 'echo $$; sleep 30'], {
      detached: true,
    });
    const [pid] = (await once(child.stdout, 'data')) as [Buffer];
    process.kill(-Number(child.pid), 'SIGKILL');
    await once(child, 'exit');
    expect(process.kill(Number(pid), 0)).toBe(true);
    process.kill(-Number(pid), 'SIGKILL');
  });
});
