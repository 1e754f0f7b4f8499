import { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import { createExec, LIMITS } from '../../scripts/lib/exec.ts';
import { fakeKubectl } from '../support/fake-kubectl.ts';
import { makeFolder } from '../support/janitor.ts';
import { isRunning, processesWith } from '../support/processes.ts';
import { programLine } from '../support/program.ts';

it('ends a program at once that takes the terminal after Ctrl-C', async () => {
  // Awaiting anything else before leaves the room for it.
  expect(await createExec().interactive(['sleep', '30'], { signal: AbortSignal.abort() })).toBe(129);
});

it('sends no signal for a program that could not be started', async () => {
  const kill = vi.spyOn(ChildProcess.prototype, 'kill').mockReturnValue(false);
  expect(await createExec().interactive(['no-such-program'], { signal: AbortSignal.abort() })).toBe(127);
  expect(kill).not.toHaveBeenCalled();
  kill.mockRestore();
});

describe('what a program prints', () => {
  const exec = createExec();

  it('is kept up to a limit, at which the program is ended', async () => {
    expect(await exec.run(['yes'], { maxBytes: 100_000 })).toMatchObject({
      stdout: Buffer.alloc(0),
      overflowedAt: 100_000,
      timedOut: false,
    });
    const exactly = await exec.run(['head', '--bytes=100000', '/dev/zero'], { maxBytes: 100_000 });
    expect([exactly.code, exactly.stdout.length, exactly.overflowedAt]).toEqual([0, 100_000, undefined]);
  });

  it('is ended also where it does not obey', async () => {
    const stubborn = 'trap "" TERM PIPE; while :; do echo flood || :; done 2>/dev/null';
    const { code, overflowedAt } = await exec.run(['bash', '-c', stubborn], { maxBytes: 10_000 });
    expect([code, overflowedAt]).toEqual([137, 10_000]);
  });

  it('on stderr is kept at its beginning and its end', async () => {
    const script = 'echo first >&2; head --bytes=200000 /dev/zero | tr "\\0" x >&2; echo last >&2; exit 3';
    const { code, stderr } = await exec.run(['bash', '-c', script]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/^first\nx+\n… \d+ bytes left out …\nx+last\n$/);
    expect(stderr.length).toBeLessThan(LIMITS.stderrBytes + 100);
    expect((await exec.run(['bash', '-c', 'printf "a\\né" >&2'])).stderr).toBe('a\né');
  });
});

describe('a program', () => {
  const exec = createExec();
  const bash = (script: string) => ['bash', '-c', script] as const;

  it.each([
    ['that is missing', ['no-such-program'], 127, /ENOENT/],
    ['that is not executable', ['/etc/passwd'], 126, /EACCES/],
    ['below a file', ['/etc/passwd/program'], 127, /ENOTDIR/],
    ['in a folder that is missing', ['true'], 127, /ENOENT/],
  ] as const)('%s has a result like any other', async (what, argv, code, stderr) => {
    const options = what.includes('folder') ? { cwd: '/no-such-folder' } : {};
    const result = await exec.run(argv, { ...options, input: 'x', timeoutMs: 60_000 });
    expect(result).toMatchObject({ code, timedOut: false, aborted: false });
    expect(result.stderr).toMatch(stderr);
    expect(await exec.interactive(argv, options)).toBe(127);
    const output = new PassThrough();
    const { signal } = new AbortController();
    expect(await exec.stream(argv, { ...options, output, idleMs: 60_000, signal })).toMatchObject({
      code: 127,
    });
    expect(output.writableEnded).toBe(true);
    await expect(exec.detach(argv, { env: {}, cwd: '/', ...options, output: 1 })).rejects.toThrow(
      /^cannot start /,
    );
  });

  it('is given bytes and gives bytes, whatever they are', async () => {
    const bytes = Buffer.concat([Buffer.from([0, 0xff, 0xfe]), Buffer.from('é'.repeat(200_000))]);
    expect((await exec.run(['cat'], { input: bytes })).stdout.equals(bytes)).toBe(true);
    expect((await exec.run(['cat'], { input: 'é' })).stdout.toString()).toBe('é');
  });

  it('has an end of its stdin, also where there is nothing to read', async () => {
    expect(await exec.run(['cat'], { input: '' })).toMatchObject({ code: 0, stdout: Buffer.alloc(0) });
    expect(await exec.run(['cat'])).toMatchObject({ code: 0, stdout: Buffer.alloc(0) });
  });

  it('need not read what it is given', async () => {
    expect((await exec.run(bash('exit 3'), { input: Buffer.alloc(1_000_000) })).code).toBe(3);
    const input = Readable.from([Buffer.alloc(1_000_000), Buffer.alloc(1_000_000)]);
    const options = {
      input,
      output: new PassThrough(),
      idleMs: 60_000,
      signal: new AbortController().signal,
    };
    expect((await exec.stream(bash('exit 3'), options)).code).toBe(3);
  });

  it.each([
    ['HUP', 129],
    ['PIPE', 141],
    ['KILL', 137],
  ])('that SIG%s ends has the code %d', async (signal, code) => {
    expect((await exec.run(bash(`kill -${signal} $$`))).code).toBe(code);
  });

  it('is ended with all that it started, even if they do not obey', async () => {
    const stop = new AbortController();
    const stubborn = bash('trap "" TERM; sleep 600 & echo $!; wait; sleep 600');
    const { code, stdout } = await exec.run(stubborn, { signal: stop.signal, onStdout: () => stop.abort() });
    expect(code).toBe(137);
    await expect.poll(() => isRunning(Number(stdout))).toBe(false);
  });

  it('is ended at its time limit', async () => {
    expect(await exec.run(['sleep', '600'], { timeoutMs: 200 })).toMatchObject({ code: 143, timedOut: true });
  });

  it('is ended at once by a limit of no time', async () => {
    expect(await exec.run(['sleep', '600'], { timeoutMs: 0 })).toMatchObject({ code: 143, timedOut: true });
    expect(await exec.run(['sleep', '600'], { timeoutMs: -5 })).toMatchObject({ code: 143, timedOut: true });
  });

  it('that has said its last words after an abort has said them', async () => {
    const stop = new AbortController();
    const script =
      'trap "sleep 0.2; echo last; echo words >&2; exit 5" TERM; echo first; while :; do :; done';
    const result = await exec.run(bash(script), { signal: stop.signal, onStdout: () => stop.abort() });
    expect(result).toMatchObject({ code: 5, stderr: 'words\n', aborted: true, timedOut: false });
    expect(result.stdout.toString()).toBe('first\nlast\n');
    expect(await exec.run(['sleep', '600'], { signal: stop.signal })).toMatchObject({
      code: 143,
      aborted: true,
    });
  });

  it('runs alike whatever zx would take from the environment, and without bash or ps', async () => {
    const script = `
      import { createExec } from ${JSON.stringify(new URL('../../scripts/lib/exec.ts', import.meta.url).href)};
      const exec = createExec();
      const cat = await exec.run(['/bin/cat'], { input: 'é $HOME' });
      const late = await exec.run(['/bin/sleep', '600'], { timeoutMs: 200 });
      const shown = await exec.interactive(['/bin/sh', '-c', '/bin/sleep 0.1; echo there']);
      console.log(cat.stdout.toString(), late.code, late.timedOut, shown);`;
    const env = {
      PATH: '/no-such-folder',
      ZX_SHELL: 'false',
      ZX_PREFIX: 'exit 9;',
      ZX_POSTFIX: '; exit 9',
      ZX_TIMEOUT: '1ms',
      ZX_TIMEOUT_SIGNAL: 'SIGCONT',
      ZX_KILL_SIGNAL: 'SIGCONT',
      ZX_VERBOSE: 'true',
      ZX_QUIET: 'false',
      ZX_PREFER_LOCAL: 'true',
      ZX_DETACHED: 'true',
      ZX_CWD: '/no-such-folder',
    };
    const node = [process.execPath, '--import', import.meta.resolve('tsx'), '--input-type=module'] as const;
    const { stdout, stderr } = await exec.run([...node, '--eval', script], { env });
    expect([stdout.toString(), stderr]).toEqual(['there\né $HOME 143 true 0\n', '']);
  });

  it('at the terminal keeps to stderr what is no data', async () => {
    const script = `
      import { createExec } from ${JSON.stringify(new URL('../../scripts/lib/exec.ts', import.meta.url).href)};
      await createExec().interactive(['echo', 'drawn'], { stdoutOnStderr: true });
      await createExec().interactive(['echo', 'data']);`;
    const node = [process.execPath, '--import', import.meta.resolve('tsx'), '--input-type=module'] as const;
    const { stdout, stderr } = await exec.run([...node, '--eval', script]);
    expect([stdout.toString(), stderr]).toEqual(['data\n', 'drawn\n']);
  });

  it('runs in a folder that has been deleted', async () => {
    const kubectl = fakeKubectl();
    const folder = await makeFolder('exec-test');
    const list = programLine('list', '--workers', join(packageRoot(), 'workers.example.yaml'));
    const env = { PATH: process.env['PATH'], KUBECTL: kubectl.path };
    const { stdout } = await exec.run(bash(`rmdir "$PWD"; ${list}`), { cwd: folder, env });
    expect(stdout.toString()).toMatch(/^worker-1 /m);
    expect(kubectl.calls().flatMap(({ argv }) => argv)).toContain('pods');
    kubectl.remove();
  });
});

describe('a program that serves', () => {
  const exec = createExec();
  const bash = (script: string) => ['bash', '-c', script] as const;
  const folderFor = (name: string) => makeFolder(`serves-${name}`);
  const marked = (name: string) => ({ PATH: process.env['PATH'], SERVED_BY_TEST: `${name}-${process.pid}` });
  const running = (name: string) => processesWith(`SERVED_BY_TEST=${name}-${process.pid}`);
  const SERVE = 'echo before; echo ready; echo said >&2; sleep 1000';
  const options = { ready: 'ready', timeoutMs: 60_000 };

  it('is there once it is ready, and ends with all that it started when the command does', async () => {
    const folder = await folderFor('ends');
    const own = createExec();
    const served = await own.serve(bash(SERVE), { ...options, env: marked('ends'), folder });
    expect([served?.running, running('ends').length > 0]).toEqual([true, true]);
    await expect.poll(() => served?.saidSince(0)).toBe('said\n');
    expect(served?.saidSince(served.said)).toBe('');
    own.close();
    await expect.poll(() => [running('ends').length, existsSync(folder)]).toEqual([0, false]);
    expect(served?.running).toBe(false);
  });

  it('ends although it does not obey', async () => {
    const folder = await folderFor('obeys');
    const own = createExec();
    await own.serve(bash(`trap "" TERM; ${SERVE}`), { ...options, env: marked('obeys'), folder });
    own.close();
    await expect.poll(() => [running('obeys').length, existsSync(folder)]).toEqual([0, false]);
  });

  it.each<[string, string, number]>([
    ['ends before it is ready', 'echo no >&2; exit 1', 60_000],
    ['does not become ready in time', 'sleep 1000', 300],
  ])('is none when it %s, and nothing is left of it', async (_, script, timeoutMs) => {
    const folder = await folderFor('none');
    const env = marked('none');
    expect(await exec.serve(bash(script), { ...options, env, timeoutMs, folder })).toBeNull();
    await expect.poll(() => [running('none').length, existsSync(folder)]).toEqual([0, false]);
  });

  it('is none when there is no such program', async () => {
    const folder = await folderFor('absent');
    const env = marked('absent');
    expect(await exec.serve(['/nonexistent/program'], { ...options, env, folder })).toBeNull();
    await expect.poll(() => existsSync(folder)).toBe(false);
  });

  it('is ended also while it starts', async () => {
    const folder = await folderFor('starts');
    const own = createExec();
    const serving = own.serve(bash('sleep 1000'), { ...options, env: marked('starts'), folder });
    await expect.poll(() => running('starts').length).toBeGreaterThan(0);
    own.close();
    expect(await serving).toBeNull();
    await expect.poll(() => [running('starts').length, existsSync(folder)]).toEqual([0, false]);
  });

  it('is seen to have ended by itself', async () => {
    const folder = await folderFor('itself');
    const served = await exec.serve(bash('echo ready; sleep 0.1'), {
      ...options,
      env: marked('itself'),
      folder,
    });
    await expect.poll(() => served?.running).toBe(false);
    served?.end();
    await expect.poll(() => existsSync(folder)).toBe(false);
  });
});
