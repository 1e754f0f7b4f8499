import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { logs } from '../../scripts/logs.ts';
import { fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { type RunOptions, run } from '../support/run-command.ts';
import { pod, podList, waiting } from '../transport/cluster.ts';

let worker: HandWorker;
let folder: string;
beforeAll(async () => {
  worker = await handWorker();
  folder = join(worker.state, 'logs', 'sessions');
  await worker.bash('printf "set -s exit-empty off\\n" >"$HOME/.tmux.conf" && tmux start-server');
});
afterEach(async () => {
  await worker.bash(`tmux list-sessions -F '#{session_id}' | xargs -r -n 1 tmux kill-session -t`);
  await rm(join(worker.state, 'logs'), { recursive: true, force: true });
});
afterAll(() => worker.remove());

const read = (args: readonly string[], options: RunOptions = {}) =>
  run(logs, ['w', ...args], { env: worker.laptop, ...options });
const recording = async (name: string, text: string | Buffer) => {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${name}.log`), text);
};
const session = (name: string) => worker.bash(`tmux new-session -d -s ${name} cat`);
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => `${from + n}\n`).join('');

describe('logs', () => {
  it('shows the last lines of a session that is long gone, by its name or its stage', async () => {
    await recording('23-qa-1', numbers(1, 500));
    expect(await read(['23-qa-1', '--lines', '2'])).toEqual({ code: 0, stdout: '499\n500\n', stderr: '' });
    expect((await read(['qa'])).stdout).toBe(numbers(301, 500));
    expect((await read(['qa', '--lines', 'all'])).stdout).toBe(numbers(1, 500));
    expect(JSON.parse((await read(['qa', '--lines', '2', '-o', 'json'])).stdout)).toEqual({
      schema: 1,
      worker: 'w',
      log: 'qa',
      lines: ['499', '500'],
    });
  });

  it('of several at a stage means the one that runs, else asks which', async () => {
    await recording('23-qa-1', 'first\n');
    await recording('23-qa-2', 'second\n');
    const { code, stderr } = await read(['qa']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('give one of: 23-qa-1, 23-qa-2')]);
    await session('23-qa-2');
    await session('orchestrator');
    expect((await read(['nope'])).stderr).toContain(
      'logs there are: orchestrator, boot, docker, postgres, 23-qa-1, 23-qa-2\n',
    );
    expect((await read(['qa'])).stdout).toBe('second\n');
  });

  it('has the log of a PostgreSQL of its own, masked', async () => {
    const file = join(worker.state, 'logs', 'postgres.log');
    expect((await read(['postgres'])).stderr).toMatch(
      /w has no log of that kind: there is no \S+postgres\.log/,
    );
    await mkdir(join(worker.state, 'logs'), { recursive: true });
    const url = ['postgres://me', 'made-up-password@db/x'].join(':');
    await writeFile(`${file}.1`, 'LOG:  before\n');
    await writeFile(file, `LOG:  first\nFATAL:  cannot read "${url}"\n`);
    expect((await read(['postgres', '--previous'])).stdout).toBe('LOG:  before\n');
    const { code, stdout } = await read(['postgres', '--lines', '1']);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^FATAL: {2}cannot read "postgres:.*@db\/x"\n$/),
    ]);
    expect(stdout).not.toContain('made-up');
    await worker.boot({ kind: 'url', state: 'ready' });
    await rm(file);
    expect((await read(['postgres'])).stderr).toContain(
      'w has no PostgreSQL of its own: its database is at DATABASE_URL',
    );
    await worker.boot();
  });

  it('reads more than one answer can carry, byte for byte', async () => {
    const text = Array.from(
      { length: 40_000 },
      (_, n) => `${n} ünïcode ⏎ of a line that is not short\n`,
    ).join('');
    await recording('23-qa-1', text);
    expect((await read(['qa', '--lines', 'all'])).stdout).toBe(text);
  });

  it("masks the worker's own secrets, whatever they look like, and keeps to its place in the file", async () => {
    const secret = 'odd words $^.*';
    const file = join(worker.dir, 'secrets', 'OF_SOMEBODY');
    await writeFile(file, `${secret}\n`);
    const text = Array.from({ length: 30_000 }, (_, n) => `${n} it is ${secret}, said somebody\n`).join('');
    await recording('23-qa-1', text);
    const { stdout } = await read(['qa', '--lines', 'all', '--ansi']);
    await rm(file);
    // At the end of a piece one may be cut in two.
    expect(stdout.split(secret).length - 1).toBeLessThan(4);
    expect(stdout.replaceAll(/(?<=it is )[^,]*/g, secret)).toBe(text);
  });

  it('masks tokens, also wrapped ones, and takes no escape sequence to the terminal', async () => {
    await mkdir(join(worker.state, 'logs'), { recursive: true });
    await writeFile(
      join(worker.state, 'logs', 'orchestrator.log'),
      Buffer.concat([
        Buffer.from(
          `export CLAUDE_CODE_OAUTH_TOKEN='sk-ant-oat01-${'Fake'.repeat(8)}\r\n${'Fake'.repeat(8)}'\r\n`,
        ),
        Buffer.from('\u001b[31mred\u001b[0m \u0000\u0007done\r\n10%\r20%\r\n'),
      ]),
    );
    const { stdout } = await read([]);
    expect(stdout).not.toContain('Fake');
    expect(stdout).toContain("CLAUDE_CODE_OAUTH_TOKEN='***");
    expect(stdout.split('\n').slice(-3)).toEqual(['red done', '20%', '']);
    expect((await read(['--ansi'])).stdout).toContain('\u001b[31mred');
  });

  it('with --previous shows what was rotated away', async () => {
    await recording('23-qa-1', 'new\n');
    const { code, stderr } = await read(['qa', '--previous']);
    expect([code, stderr]).toEqual([
      1,
      'error: nothing is kept of 23-qa-1 from before: it was not rotated yet\n  all there is: factory-worker logs w 23-qa-1 --lines all\n',
    ]);
    await writeFile(join(folder, '23-qa-1.log.1'), 'old\n');
    expect((await read(['qa', '--previous'])).stdout).toBe('old\n');
  });

  it.each([
    [
      ['nope'],
      2,
      /there is no session nope, and none was recorded[\s\S]*logs there are: orchestrator, boot, docker, postgres/,
    ],
    [['docker'], 1, /w has no Docker of its own/],
    [['orchestrator'], 1, /w has no log of that kind/],
    [['--lines', '0'], 2, /--lines takes a number/],
    [['-f', '-o', 'json'], 2, /--follow prints text/],
    [['-f', '--previous'], 2, /--previous does not grow/],
  ])('%j: exit %i', async (args, expected, message) => {
    const { code, stderr } = await read(args);
    expect(code).toBe(expected);
    expect(stderr).toMatch(message);
  });
});

describe('logs --since', () => {
  const at = (time: string, what: string) => `2026-07-20T${time}Z ${what}\n`;
  const day = (...times: string[]) => times.map((time) => `2026-07-20T${time}Z`);
  const write = async (name: string, text: string) => {
    await mkdir(join(worker.state, 'logs'), { recursive: true });
    await writeFile(join(worker.state, 'logs', name), text);
  };
  const older = `${at('10:00:00', 'one')}  → of one\u0000\n${at('11:00:00', 'two')}  → of two\n`;
  const newer = `  → of two as well\n${at('12:00:00', 'three')}${at('13:00:00', 'four')}  → of four\n`;

  it.each([
    ['12:00:00', [], newer.slice(newer.indexOf('2026'))],
    ['12:00:01', [], newer.slice(newer.indexOf('2026-07-20T13'))],
    ['10:30:00', [], older.slice(older.indexOf('2026-07-20T11')) + newer],
    ['09:00:00', [], older.replace('\u0000', '') + newer],
    ['09:00:00', ['--lines', '3'], newer.slice(newer.indexOf('2026'))],
    ['09:00:00', ['--lines', '6'], older.slice(older.indexOf('2026-07-20T11')) + newer],
    ['13:00:00', ['--lines', '100'], newer.slice(newer.indexOf('2026-07-20T13'))],
    ['13:00:00', ['--lines', '1'], '  → of four\n'],
    ['09:00:00', ['--previous'], older.replace('\u0000', '')],
    ['11:00:00', ['--previous'], older.slice(older.indexOf('2026-07-20T11'))],
  ])('%s %j', async (time, args, expected) => {
    await write('orchestrator.log', newer);
    await write('orchestrator.log.1', older);
    const [since = ''] = day(time);
    expect(await read(['--since', since, ...args])).toEqual({ code: 0, stdout: expected, stderr: '' });
  });

  it('counts a duration by the clock of the worker', async () => {
    const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString().slice(0, 19);
    await write('orchestrator.log', `${ago(90)}Z long ago\n${ago(30)}Z lately\n`);
    expect((await read(['--since', '1h'])).stdout).toMatch(/^\S+ lately\n$/);
  });

  it('reads the times of PostgreSQL, with a blank in them', async () => {
    const line = (time: string) => `2026-07-20 ${time}.123 UTC [7] LOG:  at ${time}\n`;
    await write('postgres.log', line('10:00:00') + line('12:00:00'));
    const { stdout } = await read(['postgres', '--since', '2026-07-20T11:00:00Z']);
    expect(stdout).toBe(line('12:00:00'));
    expect((await read(['postgres', '--since', '2026-07-20T12:00:01Z'])).stdout).toBe('');
  });

  it('says that nothing was written since', async () => {
    await write('orchestrator.log', newer);
    expect(await read(['--since', '1m'])).toEqual({
      code: 0,
      stdout: '',
      stderr: 'note: nothing in orchestrator since 1m; its last lines: factory-worker logs w orchestrator\n',
    });
  });

  it('follows from there', async () => {
    await write('orchestrator.log.1', older);
    await write('orchestrator.log', newer);
    const more = () => appendFile(join(worker.state, 'logs', 'orchestrator.log'), at('14:00:00', 'five'));
    const { stdout } = await read(['--since', ...day('11:00:00'), '--follow'], {
      meanwhile: [{ after: 'of four', act: more }],
      interruptAt: 'five\n',
    });
    expect(stdout).toBe(older.slice(older.indexOf('2026-07-20T11')) + newer + at('14:00:00', 'five'));
  });

  it('is refused for a session, and for what is no time', async () => {
    const { code, stderr } = await read(['qa', '--since', '1h']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('recording of a session (qa) has none')]);
    expect((await read(['--since', 'noon'])).code).toBe(2);
  });
});

describe('logs --follow', () => {
  it('shows what comes, through two rotations, once and whole, and ends with the session', async () => {
    await recording('23-qa-1', '');
    await session('23-qa-1');
    const file = join(folder, '23-qa-1.log');
    const writing = (async () => {
      for (let n = 1; n <= 900; n++) {
        // As the recorder does it: the file before is kept once.
        if (n === 300 || n === 600) await rename(file, `${file}.1`);
        await appendFile(file, `${n}\n`);
        // Slow enough that each of the three files is seen by a look.
        await new Promise((resolve) => setTimeout(resolve, 8));
      }
      await worker.bash('tmux kill-session -t =23-qa-1');
    })();
    const { code, stdout, stderr } = await read(['qa', '-f', '--lines', 'all']);
    await writing;
    expect([code, stderr]).toEqual([0, '23-qa-1 has ended\n']);
    expect(stdout).toBe(numbers(1, 900));
  });

  it('survives lost connections: nothing twice, nothing missing', async () => {
    await recording('23-qa-1', '');
    await session('23-qa-1');
    const [pods = {}, exec = {}] = worker.cluster();
    const kubectl = fakeKubectl([
      { ...pods, times: 1 },
      { ...exec, times: 3 },
      // The stream is cut in the middle of an answer; then the cluster is gone for a while.
      { ...exec, times: 1, cutAfter: 150 },
      {
        ...pods,
        times: 1,
        stdout: '',
        code: 1,
        stderr: 'Unable to connect to the server: dial tcp: i/o timeout\n',
      },
      { ...pods, stdout: podList(pod({ suffix: 'newer' })) },
      exec,
    ]);
    const writing = (async () => {
      for (let n = 1; n <= 600; n++) {
        await appendFile(join(folder, '23-qa-1.log'), `${n}\n`);
        // Over all the looks, the lost ones included.
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
      await worker.bash('tmux kill-session -t =23-qa-1');
    })();
    const { code, stdout, stderr } = await run(logs, ['worker-1', 'qa', '-f', '--lines', 'all'], {
      env: { ...worker.laptop, KUBECTL: kubectl.path },
    });
    await writing;
    kubectl.remove();
    expect(code).toBe(0);
    expect(stdout).toBe(numbers(1, 600));
    expect(stderr).toMatch(/the connection to worker-1 broke.*; waiting to go on/);
    expect(stderr).toMatch(/Unable to connect to the server.*; waiting to go on/);
    expect(stderr).toContain('the pod was replaced: factory-worker-1-7d9f8b6c5d-newer\n');
  });

  it('shows a line without its end after a moment, and ends with Ctrl-C: 130', async () => {
    await recording('23-qa-1', 'Continue? [y/N] ');
    await session('23-qa-1');
    expect(await read(['qa', '-f'], { interruptAt: 'Continue?' })).toMatchObject({
      code: 130,
      stdout: 'Continue? [y/N] ',
    });
  });

  it('says when the log begins anew', async () => {
    const file = join(worker.dir, 'run', 'boot.log');
    await writeFile(file, 'the first boot\n');
    const replace = async () => {
      await rm(file);
      await writeFile(file, 'again\n');
    };
    const { stdout, stderr } = await read(['boot', '-f'], {
      meanwhile: [{ after: 'the first boot', act: replace }],
      interruptAt: 'again\n',
    });
    expect(stdout).toBe('the first boot\nagain\n');
    expect(stderr).toContain('the log begins anew here');
  });
});

describe('without a container to enter', () => {
  const crashed = podList(pod({ status: waiting('CrashLoopBackOff', 'back-off 5m0s') }));
  const withRules = async (args: readonly string[], rules: Parameters<typeof fakeKubectl>[0]) => {
    const kubectl = fakeKubectl(rules);
    const outcome = await run(logs, ['worker-1', ...args], {
      env: { ...worker.laptop, KUBECTL: kubectl.path },
    });
    const calls = kubectl.calls().map(({ argv }) => argv.join(' '));
    kubectl.remove();
    return { ...outcome, calls };
  };

  it('boot is what Kubernetes has kept, with tokens masked', async () => {
    const { code, stdout, calls } = await withRules(
      ['boot', '--previous', '--lines', '50'],
      [
        { match: ['get', 'pods'], stdout: crashed },
        { match: ['logs'], stdout: `boot failed: ghp_${'a'.repeat(36)}\n` },
      ],
    );
    expect([code, stdout]).toEqual([0, `boot failed: ghp_${'*'.repeat(36)}\n`]);
    expect(calls.at(-1)).toMatch(/ logs factory-worker-1-\S+ --container=worker --tail=50 --previous$/);
  });

  it('is asked for the time that is wanted', async () => {
    const { code, calls } = await withRules(
      ['boot', '--since', '2h'],
      [
        { match: ['get', 'pods'], stdout: crashed },
        { match: ['logs'], stdout: 'boot failed\n' },
      ],
    );
    expect(code).toBe(0);
    expect(calls.at(-1)).toMatch(/ --tail=-1 --since=7200s$/);
  });

  it('says so when the container was never restarted', async () => {
    const { code, stderr } = await withRules(
      ['boot', '--previous'],
      [
        { match: ['get', 'pods'], stdout: podList(pod()) },
        {
          match: ['logs'],
          code: 1,
          stderr:
            'Error from server (BadRequest): previous terminated container "worker" in pod "factory-worker-1-x" not found\n',
        },
      ],
    );
    expect([code, stderr]).toEqual([1, expect.stringContaining('was not restarted')]);
  });

  it('a recording needs a running pod, and that is said with what to do', async () => {
    const { code, stderr } = await withRules(
      ['23-qa-1'],
      [
        { match: ['get', 'pods'], stdout: '{"items":[]}' },
        { match: ['get', 'deployment'], stdout: '{"metadata":{},"spec":{"replicas":0}}' },
      ],
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /worker-1 is stopped.*only a running pod can read them\n {2}start it: factory-worker start worker-1\n/,
    );
  });
});
