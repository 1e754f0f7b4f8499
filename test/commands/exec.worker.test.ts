import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { exec } from '../../scripts/exec.ts';
import { type FakeKubectl, fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { program, programLine } from '../support/program.ts';
import { run } from '../support/run-command.ts';
import { openTerminal, type Terminal } from '../support/terminal.ts';

let worker: HandWorker;
let kubectl: FakeKubectl;
let terminal: Terminal;
beforeAll(async () => {
  worker = await handWorker({ projects: ['demo', 'shop'] });
  kubectl = fakeKubectl(worker.cluster());
  terminal = await openTerminal();
});
afterEach(() => kubectl.setRules(worker.cluster()));
afterAll(async () => {
  await terminal.close();
  kubectl.remove();
  await worker.remove();
});

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly stderrBytes: Buffer;
}

/** Runs exec as a program of its own: its streams are the remote program's. */
function type(args: readonly string[], stdin: string | Buffer = ''): Promise<Result> {
  const [node, ...rest] = program('exec');
  const child = spawn(node, [...rest, ...args], {
    env: { PATH: process.env['PATH'], KUBECTL: kubectl.path, ...worker.laptop },
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.end(stdin);
  return new Promise((resolve) => {
    child.once('close', (code) =>
      resolve({
        code: code ?? -1,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
        stderrBytes: Buffer.concat(err),
      }),
    );
  });
}

describe.each([
  ['a local worker', 'w'],
  ['a pod', 'worker-1'],
])('exec in %s', (_, name) => {
  it('runs the program where it belongs: in the home, or in a project’s clone, in the worker’s environment', async () => {
    const home = await type([
      name,
      '--',
      'bash',
      '-c',
      'pwd; echo "$WORKER_REPOS_DIR $TMUX_TMPDIR"; command -v factory',
    ]);
    expect(home).toMatchObject({
      code: 0,
      stdout: `${worker.env['HOME']}\n${worker.repos} ${worker.dir}/t\n${worker.dir}/bin/factory\n`,
    });
    expect((await type([name, '--project', 'acme/shop', '--', 'pwd'])).stdout).toBe(`${worker.repos}/shop\n`);
  });

  it('hands every argument over as it is, its own flags too, and 64 KiB of stdin', async () => {
    const odd = [
      '-h',
      '--project',
      'x',
      'a b',
      '',
      "it's",
      '"q"',
      '$HOME',
      '`x`',
      'é👷',
      'a\nb',
      '*',
      '\\',
      '--',
    ];
    const script = 'printf "%s\\0" "$@"';
    expect(
      (await type([name, 'bash', '-c', script, 'name', ...odd])).stdout.split('\0').slice(0, -1),
    ).toEqual(odd);
    const bytes = Buffer.from(Array.from({ length: 65_536 }, (__, n) => n % 251));
    const { code, stdout } = await type([name, '--', 'sha256sum'], bytes);
    const { createHash } = await import('node:crypto');
    expect([code, stdout]).toEqual([0, `${createHash('sha256').update(bytes).digest('hex')}  -\n`]);
  });

  it('keeps stdout, stderr and the exit code apart, and the code as it was', async () => {
    for (const code of [0, 1, 2, 7, 126, 130]) {
      const result = await type([name, '--', 'bash', '-c', `echo out; echo err >&2; exit ${code}`]);
      expect([result.code, result.stdout, result.stderr]).toEqual([code, 'out\n', 'err\n']);
    }
  });

  it.each([
    ['INT', 130],
    ['KILL', 137],
    ['TERM', 143],
  ])('of a program that SIG%s ended gives %d, and says no more than the program', async (signal, code) => {
    const result = await type([name, '--', 'sh', '-c', `echo last >&2; kill -${signal} $$`]);
    expect([result.code, result.stderr]).toEqual([code, 'last\n']);
  });

  it('passes stderr on byte for byte, whatever it ends with', async () => {
    const script = String.raw`for n in {0..255}; do printf -v byte '\\x%02x' "$n"; printf "$byte" >&2; done; printf 'command terminated with exit code 9\n\0=' >&2; exit 3`;
    const { code, stderrBytes } = await type([name, '--', 'bash', '-c', script]);
    const wanted = Buffer.concat([
      Buffer.from(Array.from({ length: 256 }, (__, n) => n)),
      Buffer.from('command terminated with exit code 9\n\0='),
    ]);
    expect(code).toBe(3);
    expect(stderrBytes.toString('hex')).toBe(wanted.toString('hex'));
  });

  it('runs programs only, never a builtin of the shell around them', async () => {
    expect((await type([name, '--', 'cd', '/'])).code).toBe(127);
  });

  it('of a program or a project that is not there says so', async () => {
    expect(await type([name, '--', 'no-such-program'])).toMatchObject({
      code: 127,
      stderr: expect.stringContaining('no-such-program'),
    });
    const { code, stderr } = await type([name, '-p', 'nope', '--', 'pwd']);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/error: this worker has no project nope; it has: demo shop\n/),
    ]);
  });

  it('has a terminal in the worker where there is one here', async () => {
    const script = 'test -t 0 && test -t 1 && echo it is a terminal; stty size';
    const window = await terminal.run(programLine('exec', name, '--', 'bash', '-c', script), {
      ...worker.laptop,
      KUBECTL: kubectl.path,
    });
    expect((await window.ended()).code).toBe(0);
    expect(await window.screen()).toMatch(/it is a terminal\n30 100/);
  });
});

describe('exec over kubectl', () => {
  it('is one exec, with stdin, and without a terminal where there is none', async () => {
    await type(['worker-1', '--namespace', 'other', '--', 'ls', '-h']);
    const [get, call] = kubectl.calls().slice(-2);
    expect(get?.argv.slice(0, 2)).toEqual(['--context=do-nyc1-factory', '--namespace=other']);
    expect(call?.argv.slice(2, 8)).toEqual([
      'exec',
      'factory-worker-1-7d9f8b6c5d-x2x4z',
      '--container=worker',
      '--stdin',
      '--',
      'bash',
    ]);
    expect(call?.argv.slice(-5)).toEqual(['exec', expect.stringMatching(/^=[0-9a-f]{24}$/), '', 'ls', '-h']);
  });

  it('of a connection that broke says so and fails, although kubectl reports success', async () => {
    const [pods] = worker.cluster();
    if (pods === undefined) throw new Error('no rule for the pods');
    const cut = { match: ['exec'], stdout: 'x'.repeat(100), cutAfter: 10, stderr: 'tar: 40%' };
    for (const code of [0, 1]) {
      kubectl.setRules([pods, { ...cut, code }]);
      const result = await type(['worker-1', '--', 'tar', '-c', '.']);
      expect([result.code, result.stdout]).toEqual([1, 'x'.repeat(10)]);
      expect(result.stderr).toBe(
        `tar: 40%\nerror: the connection to worker-1 broke before the program had ended; what was printed may be incomplete\n  it may go on in the worker; what runs there: factory-worker exec worker-1 -- ps -ef\n`,
      );
    }
  });

  it('leaves an end that kubectl explains as kubectl tells it', async () => {
    const [pods] = worker.cluster();
    if (pods === undefined) throw new Error('no rule for the pods');
    for (const [code, stderr] of [
      [1, 'error: unable to upgrade connection: container not found ("worker")\n'],
      [137, 'command terminated with exit code 137\n'],
    ] as const) {
      kubectl.setRules([pods, { match: ['exec'], code, stderr }]);
      expect(await type(['worker-1', '--', 'true'])).toMatchObject({ code, stderr });
    }
  });

  it('says what the program says while it runs', async () => {
    const [node, ...rest] = program('exec');
    const script = 'printf "go on? " >&2; read -r answer; echo "$answer"';
    const child = spawn(node, [...rest, 'worker-1', '--', 'bash', '-c', script], {
      env: { PATH: process.env['PATH'], KUBECTL: kubectl.path, ...worker.laptop },
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    let answer = '';
    child.stdout.on('data', (chunk: Buffer) => {
      answer += chunk;
    });
    const [prompt] = await once(child.stderr, 'data');
    expect(String(prompt)).toBe('go on? ');
    child.stdin.end('yes\n');
    expect(await ended).toBe(0);
    expect(answer).toBe('yes\n');
  });

  it('into a worker that does not run says why, and starts nothing', async () => {
    kubectl.setRules([
      { match: ['get', 'pods'], stdout: '{"items":[]}' },
      { match: ['deployment'], stdout: '{"metadata":{},"spec":{"replicas":0}}' },
    ]);
    const { code, stderr } = await type(['worker-1', '--', 'true']);
    expect(code).toBe(1);
    expect(stderr).toContain('error: worker-1 is stopped: Deployment factory-worker-1 is scaled to 0');
  });
});

describe('exec with a usage error', () => {
  it.each([
    [[], /WORKER is missing/],
    [['w'], /COMMAND is missing\n {2}a shell: factory-worker exec w -- bash/],
    [['w', '-p', '..', '--', 'ls'], /--project takes NAME or owner\/NAME/],
    [['nope', '--', 'ls'], /no worker "nope"/],
    [['w', '--projct', 'demo', '--', 'ls'], /unknown flag --projct[\s\S]*did you mean --project\?/],
  ])('%j: exit 2', async (args, message) => {
    const { code, stderr } = await run(exec, args, { env: worker.laptop });
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
