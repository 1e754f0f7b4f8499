import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newLines, peek } from '../../scripts/peek.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { type Outcome, type RunOptions, run } from '../support/run-command.ts';

let worker: HandWorker;
beforeAll(async () => {
  worker = await handWorker();
  await worker.bash(
    'printf "set -g history-limit 100000\\nset -s exit-empty off\\n" >"$HOME/.tmux.conf" && tmux start-server',
  );
});
afterEach(() =>
  worker.bash(
    `tmux list-sessions -F '#{session_id}' | xargs -r -n 1 tmux kill-session -t; tmux set -gu remain-on-exit`,
  ),
);
afterAll(() => worker.remove());

const look = (args: readonly string[], options: RunOptions = {}): Promise<Outcome> =>
  run(peek, ['w', ...args], { env: worker.laptop, ...options });

/** A session of 80×24 that shows what a command prints, and stays. */
const session = (name: string, command = 'true') =>
  worker.bash(`tmux new-session -d -x 80 -y 24 -s ${quote(name)} bash -c ${quote(`${command}; exec cat`)}`);
const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/** Looks until the text is there: a pane needs its time. */
async function until(args: readonly string[], text: string | RegExp): Promise<Outcome> {
  await expect.poll(async () => (await look(args)).stdout).toMatch(text);
  return look(args);
}

describe('peek', () => {
  it('without a session lists them in the words of the seed', async () => {
    await session('orchestrator');
    await session('2-qa-review-1');
    const { code, stdout, stderr } = await look([]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /^Available sessions:\n {2}1\. orchestrator {3}\(active - last output \d+s ago\)\n {2}2\. 2-qa-review-1 {2}\(active - last output \d+s ago\)\n$/,
    );
  });

  it('says when there are none, and where to look', async () => {
    expect(await look([])).toEqual({
      code: 0,
      stdout: '',
      stderr: 'w has no sessions: factory-worker status w says why\n',
    });
    expect(JSON.parse((await look(['--json'])).stdout)).toEqual([]);
  });

  it('shows the last lines of the session at a stage, without the blank ones below', async () => {
    await session('23-qa-1', 'seq 100');
    await until(['-s', 'qa'], '100');
    expect((await look(['-s', 'qa', '--lines', '3'])).stdout).toBe('98\n99\n100\n');
    expect((await look(['-s', '23-qa-1', '--lines', '90'])).stdout).toMatch(/^11\n[\s\S]*\n100\n$/);
    expect(JSON.parse((await look(['-s', 'qa', '--lines', '2', '-o', 'json'])).stdout)).toEqual({
      schema: 1,
      worker: 'w',
      session: '23-qa-1',
      lines: ['99', '100'],
    });
  });

  it('shows the pane that the session was made with, whatever was opened beside it', async () => {
    await session('23-qa-1', 'echo the agent');
    await worker.bash(`tmux split-window -t =23-qa-1: 'echo beside; exec cat'`);
    await worker.bash(`tmux new-window -t =23-qa-1: 'echo beside; exec cat'`);
    expect((await until(['-s', 'qa'], /agent|beside/)).stdout).toBe('the agent\n');
  });

  it.each([
    'with space',
    `it's "quoted"`,
    'a;b',
    '$1',
    '#x',
    'ünïcode',
    '-x',
    '*',

    '50%',
    '@1',
    '=x',
  ])('reads the session called %s', async (name) => {
    await session('other', 'echo it is not me');
    await session(name, 'echo it is me');
    const { stdout } = await until([`--session=${name}`], 'it is me');
    expect(stdout).toBe('it is me\n');
  });

  it('knows a name with dots or colons as tmux itself calls it', async () => {
    await session('a.b:c', 'echo it is me');
    expect((await until(['-s', 'a_b_c'], 'it is me')).code).toBe(0);
    const { code, stderr } = await look(['-s', 'a.b:c']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('sessions now: a_b_c')]);
  });

  it('never takes a prefix for the whole name', async () => {
    await session('5-build-1', 'echo wrong');
    await session('5-build-1-fix-3', 'echo wrong');
    for (const wanted of ['5-b', '5-build-1-fix', '5-build-1:0', '5-build-1.0', '']) {
      const { code, stdout } = await look([`--session=${wanted}`]);
      expect([wanted, code, stdout]).toEqual([wanted, 2, '']);
    }
    const { stderr } = await look(['-s', 'build']);
    expect(stderr).toContain('give one of: 5-build-1, 5-build-1-fix-3');
  });

  it('masks tokens, also where the pane has wrapped them and where the capture begins', async () => {
    const token = `sk-ant-oat01-${'FakeToken'.repeat(10)}`;
    await session('23-qa-1', `echo "root@w:~# export CLAUDE_CODE_OAUTH_TOKEN='${token}'"; echo done`);
    const whole = await until(['-s', 'qa'], 'done');
    expect(whole.stdout).not.toMatch(/FakeTok|Token/);
    expect(whole.stdout).toMatch(/CLAUDE_CODE_OAUTH_TOKEN='\*{20,}/);
    const cut = await look(['-s', 'qa', '--lines', '2', '--ansi']);
    expect(cut.stdout).not.toMatch(/FakeTok|Token/);
  });

  it('shows no escape sequences, unless asked for the colours', async () => {
    await session('23-qa-1', `printf '\\033[31mred\\033[0m \\033]0;title\\007done\\n'`);
    expect((await until(['-s', 'qa'], 'done')).stdout).toBe('red done\n');
    expect((await look(['-s', 'qa', '--ansi'])).stdout).toContain('\u001b[31mred\u001b[39m done');
  });

  it('survives binary output', async () => {
    await session('23-qa-1', 'head -c 100000 /dev/urandom; echo; printf "\\033\\\\\\033c"; echo it lives');
    const { code, stdout } = await until(['-s', 'qa', '--lines', '2000'], 'it lives');
    expect(code).toBe(0);
    expect(stdout).not.toMatch(/(?![\n\t])\p{Cc}/u);
  });

  it('reads 5 MB of pane', async () => {
    await session('23-qa-1', `yes ${'x'.repeat(79)} | head -n 65000; echo end`);
    await until(['-s', 'qa'], 'end');
    const { code, stdout } = await look(['-s', 'qa', '--lines', '64000']);
    expect(code).toBe(0);
    expect(stdout.length).toBeGreaterThan(5_000_000);
    expect(stdout.endsWith('x\nend\n')).toBe(true);
  });

  it('finds one among 500 sessions', async () => {
    const sessions = Array.from({ length: 499 }, (_, n) => `new-session -d -s ${n + 1}-qa-1 cat\n`);
    await worker.bash(
      `tmux new-session -d -s orchestrator cat; tmux source-file - <<<${quote(sessions.join(''))}`,
    );
    const all = await look([]);
    expect(all.stdout.split('\n')).toHaveLength(502);
    expect((await look(['-s', '499-qa-1'])).code).toBe(0);
    const { code, stderr } = await look(['-s', 'qa']);
    expect(code).toBe(2);
    expect(stderr.length).toBeLessThan(1_000);
  });

  it('of a dead pane shows what it left', async () => {
    await worker.bash(
      `tmux new-session -d -s orchestrator cat \\; set -g remain-on-exit on \\; new-session -d -s 23-qa-1 'echo last words; exit 3'`,
    );
    // tmux may never have the code; what it is not is a success.
    await expect.poll(async () => (await look([])).stdout).toMatch(/23-qa-1 +\(exited(?: with 3)?\)/);
    expect((await look(['-s', 'qa'])).stdout).toContain('last words');
  });
});

describe('peek --follow', () => {
  /** @param meanwhile a script, between what the session says first and what it says last before it is killed */
  const follow = async (meanwhile: string) => {
    await session('23-qa-1', 'echo one; tmux wait-for go; echo two');
    return look(['-s', 'qa', '--follow'], {
      meanwhile: [
        { after: 'one', act: () => worker.bash(`${meanwhile}; tmux wait-for -S go`) },
        { after: 'two', act: () => worker.bash('tmux kill-session -t =23-qa-1') },
      ],
    });
  };

  it('appends what is new, and ends with the session', async () => {
    const { code, stdout, stderr } = await follow('true');
    expect([code, stderr]).toEqual([0, '23-qa-1 has ended\n']);
    expect(stdout.split('\n').filter((line) => line !== '')).toEqual(['one', 'two']);
  });

  it('stays with the session it found when another one comes to the same stage', async () => {
    const { code, stdout, stderr } = await follow('tmux new-session -d -s 24-qa-1 cat');
    expect([code, stderr]).toEqual([0, '23-qa-1 has ended\n']);
    expect(stdout).toContain('two');
  });

  it('ends with Ctrl-C: 130', async () => {
    await session('23-qa-1', 'echo one');
    await until(['-s', 'qa'], 'one');
    expect(await look(['-s', 'qa', '-f'], { interruptAt: 'one' })).toMatchObject({
      code: 130,
      stdout: 'one\n',
    });
  });

  it('on a terminal shows no more than fits', async () => {
    await session('23-qa-1', 'seq 100');
    await until(['-s', 'qa'], '100');
    const { stdout } = await look(['-s', 'qa', '-f'], { tty: ['stdout'], interruptAt: '100' });
    expect(stdout.split('\n')).toHaveLength(24);
  });

  it.each([
    [['--follow'], /--follow needs a SESSION/],
    [['--follow', '-s', 'qa', '--json'], /--follow prints text/],
    [['-s', 'qa', '--lines', '0'], /--lines takes a number of at least 1/],
    [['-s', 'qa', '--lines', '-5'], /--lines/],
    [['-s', 'nope', '--follow'], /there is no session nope/],
  ])('%j: exit 2', async (args, message) => {
    const { code, stderr } = await look(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('what is new in a pane', () => {
  const lines = fc.array(fc.constantFrom('a', 'b', ''), { maxLength: 12 });

  it('is what follows, however much has scrolled away', () => {
    fc.assert(
      fc.property(lines, lines, fc.nat(12), (before, fresh, scrolled) => {
        const after = [...before, ...fresh].slice(scrolled);
        const found = newLines(before, after);
        // Put behind what was there, it ends as the pane does, and nothing that is new is missing.
        expect([...before, ...found].slice(before.length + found.length - after.length)).toEqual(after);
        expect(found.length).toBeLessThanOrEqual(
          Math.max(fresh.length, scrolled >= before.length ? after.length : 0),
        );
      }),
    );
  });

  it('of 100,000 lines is found in a moment', () => {
    const many = Array.from({ length: 100_000 }, (_, n) => `${n % 7}`);
    const { user } = process.cpuUsage();
    expect(newLines(many, [...many.slice(50_000), 'new']).at(-1)).toBe('new');
    expect((process.cpuUsage().user - user) / 1000).toBeLessThan(2_000);
  });
});
