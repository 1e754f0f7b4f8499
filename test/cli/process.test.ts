/** What only shows in a real process: broken pipes, signals, exit codes, colours. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { symlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shellQuote } from '../../scripts/lib/cli/text.ts';

const PROGRAM = fileURLToPath(new URL('fixtures/program.ts', import.meta.url));
const NODE = [process.execPath, '--import', 'tsx'];

/** Runs a line of bash and gives all it printed. */
function bash(script: string, env: NodeJS.ProcessEnv = {}) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { env: { PATH: process.env['PATH'], ...env }, maxBuffer: 2 ** 24 };
    execFile('bash', ['--norc', '-o', 'pipefail', '-c', script], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const started = (program: string) => [...NODE, program].map(shellQuote).join(' ');
const typed = started(PROGRAM);

describe('a reader that goes away', () => {
  it('ends the command silently and successfully', async () => {
    expect(await bash(`${typed} lines | head -1`)).toEqual({ code: 0, stdout: 'line 0\n', stderr: '' });
  });

  it('does so, too, when stderr goes the same way', async () => {
    expect(await bash(`${typed} lines-on-both 2>&1 | head -1`)).toEqual({
      code: 0,
      stdout: 'line 0\n',
      stderr: '',
    });
  });
});

describe('signals', () => {
  const children: ChildProcess[] = [];
  afterAll(() => children.forEach((child) => void child.kill('SIGKILL')));

  /** Starts the program and waits until it is at work. */
  async function start(what: string) {
    const [node, ...flags] = NODE;
    const child = spawn(String(node), [...flags, PROGRAM, what], { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    await once(child.stdout, 'data');
    return {
      child,
      async end() {
        const [code] = child.exitCode === null ? await once(child, 'close') : [child.exitCode];
        return { code, stderr };
      },
    };
  }

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s: exit code %d, and no stack', async (signal, code) => {
    const { child, end } = await start('wait');
    child.kill(signal);
    expect(await end()).toEqual({ code, stderr: 'error: interrupted\n' });
  });

  it('keeps the code of the signal when the command words the interruption itself', async () => {
    const { child, end } = await start('notice');
    child.kill('SIGTERM');
    expect(await end()).toEqual({ code: 143, stderr: 'error: interrupted; the worker goes on\n' });
  });

  it('ends a command that does not listen at the second Ctrl-C', async () => {
    const { child, end } = await start('stubborn');
    child.kill('SIGINT');
    // That a signal is not listened to cannot be waited for.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(child.exitCode).toBeNull();
    child.kill('SIGINT');
    expect(await end()).toEqual({ code: 130, stderr: '' });
  });
});

describe('the program', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'a program '));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('gives the exit code of the command', async () => {
    expect((await bash(`${typed} five`)).code).toBe(5);
  });

  it('runs through a symbolic link and from a path with spaces', async () => {
    const link = join(folder, 'my program.ts');
    symlinkSync(PROGRAM, link);
    expect((await bash(`${started(link)} five`)).code).toBe(5);
  });

  it('is not run when it is only imported, whatever the first argument is', async () => {
    const script = `import(${JSON.stringify(PROGRAM)}).then(({ program }) => console.log(program.name))`;
    const line = `${NODE.map(shellQuote).join(' ')} --eval ${shellQuote(script)} no-such-file`;
    expect(await bash(line)).toEqual({ code: 0, stdout: 'program\n', stderr: '' });
  });

  it.each([
    ['on a pipe', '', {}, 'x\n'],
    ['with FORCE_COLOR', '', { FORCE_COLOR: '1' }, '\u001b[31mx\u001b[39m\n'],
    ['with FORCE_COLOR and --no-color', '--no-color', { FORCE_COLOR: '1' }, 'x\n'],
  ])('colours %s', async (_, flag, env, stdout) => {
    expect(await bash(`${typed} colour ${flag}`, env)).toEqual({ code: 0, stdout, stderr: '' });
  });
});
