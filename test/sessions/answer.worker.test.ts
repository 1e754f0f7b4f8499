import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answer } from '../../scripts/answer.ts';
import { shellQuote } from '../../scripts/lib/cli/text.ts';
import { scriptArgv } from '../../scripts/lib/transport/scripts.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { type RunOptions, run } from '../support/run-command.ts';

let worker: HandWorker;
beforeAll(async () => {
  worker = await handWorker();
  await worker.bash('printf "set -s exit-empty off\\n" >"$HOME/.tmux.conf" && tmux start-server');
});
afterEach(() => worker.bash(`tmux list-sessions -F '#{session_id}' | xargs -r -n 1 tmux kill-session -t`));
afterAll(() => worker.remove());

const reply = (args: readonly string[], options: RunOptions = {}) =>
  run(answer, ['w', ...args], { env: worker.laptop, ...options });
const pane = (session: string) => worker.bash(`tmux capture-pane -p -t =${session}:`);

/** A session in which the stand-in asks which colour. */
async function asking(session: string): Promise<void> {
  await worker.bash(
    `tmux new-session -d -s ${session} -e STANDIN_CLAUDE_MODE=ask -e STANDIN_CLAUDE_QUIET_SECONDS=0.1 claude && tmux send-keys -t =${session}: work Enter`,
  );
  await expect.poll(() => pane(session)).toContain('Enter to select');
}

/** A session with a program that takes its keys as claude may do on a busy machine. @returns the keys that it has handled */
async function askingLate(how: 'drops' | 'stalls' | 'parts'): Promise<() => Promise<string[]>> {
  const keys = join(worker.dir, `keys-${how}`);
  await worker.write(`keys-${how}`, '');
  const program = fileURLToPath(new URL('dialog.sh', import.meta.url));
  await worker.bash(`tmux new-session -d -s 23-qa-1 ${shellQuote(program)} ${how} ${shellQuote(keys)}`);
  await expect.poll(() => pane('23-qa-1')).toContain('Enter to select');
  return async () => (await readFile(keys, 'utf8')).split('\n').slice(0, -1);
}

const NEXT = 'answered in 23-qa-1: Red; it now asks: Are you sure?\n';

const QUESTION = '☐ Colour\nWhich colour?\n  1. Red\n  2. Blue\n  3. Type something.\n';

describe('answer', () => {
  it('without a terminal shows the question of the one session that asks, and how it is answered', async () => {
    await asking('23-qa-1');
    await worker.bash('tmux new-session -d -s notes cat');
    expect(await reply([])).toEqual({
      code: 0,
      stdout: QUESTION,
      stderr: 'answer it: factory-worker answer w 23-qa-1 --choice N\n',
    });
    expect(JSON.parse((await reply(['qa', '-o', 'json'])).stdout)).toMatchObject({
      worker: 'w',
      session: '23-qa-1',
      question: 'Which colour?',
      choices: [{ number: 1, label: 'Red' }, { number: 2 }, { number: 3 }],
      answered: null,
    });
  });

  it.each([
    [['--choice', '1'], 'Red'],
    [['--choice', '2'], 'Blue'],
    [['--choice', '3', '--text', "it's $HOME; Enter"], "it's $HOME; Enter"],
    // tmux takes a semicolon at the end for its own.
    [['--choice', '3', '--text', 'blue; not red;'], 'blue; not red;'],
  ])('with %j answers, and sees that it was taken', async (flags, colour) => {
    await asking('23-qa-1');
    expect(await reply(['qa', ...flags])).toEqual({
      code: 0,
      stdout: `answered in 23-qa-1: ${colour}; look: factory-worker peek w --session 23-qa-1\n`,
      stderr: '',
    });
    expect(await pane('23-qa-1')).toContain(`Which colour? → ${colour}\n`);
    expect((await reply(['qa'])).stderr).toMatch(/^error: 23-qa-1 has no question now\n/);
  });

  it('asks a person which', async () => {
    await asking('23-qa-1');
    const { code, stderr } = await reply([], { tty: true, keys: [{ after: 'Which colour?', type: '2\r' }] });
    expect([code, stderr]).toEqual([0, expect.stringContaining('23-qa-1 asks:')]);
    expect(await pane('23-qa-1')).toContain('→ Blue');
  });

  it('goes to the agent although its session was split, and scrolled', async () => {
    await asking('23-qa-1');
    await worker.bash('tmux copy-mode -t =23-qa-1: \\; split-window -t =23-qa-1: cat');
    expect((await reply(['--choice', '2'])).code).toBe(0);
    expect(await worker.bash(`tmux capture-pane -p -t =23-qa-1:.0`)).toContain('→ Blue');
  });

  it('presses no key when the pane no longer shows what was seen', async () => {
    await asking('23-qa-1');
    const request = { session: '23-qa-1', line: '❯ 1. Yes', text: '', keys: ['Enter'] };
    const args = [JSON.stringify(request)];
    const call = { script: 'answer', args, timeoutMs: 20_000, signal: new AbortController().signal };
    const said = await worker.bash(scriptArgv(call, 'n').map(shellQuote).join(' '));
    expect(said).toMatch(/^n part pressed rc=4 /);
    expect(await pane('23-qa-1')).toContain('❯ 1. Red');
  });

  it('presses once more when the program has dropped the key', async () => {
    const keys = await askingLate('drops');
    expect(await reply(['--choice', '1'])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringContaining(NEXT),
    });
    // The arrows show that it was dropped.
    expect(await keys()).toEqual([
      'Enter dropped at Which colour?',
      'Down at Which colour?',
      'Up at Which colour?',
      'Enter at Which colour?',
    ]);
  });

  it('never answers the next question, although the program takes the key very late', async () => {
    const keys = await askingLate('stalls');
    expect(await reply(['--choice', '1'])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringContaining(NEXT),
    });
    expect(await keys()).toEqual(['Enter at Which colour?', 'Down at Are you sure?']);
  });

  it('waits for its own effect, whatever else is drawn before', async () => {
    const keys = await askingLate('parts');
    expect(await reply(['--choice', '2'])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringContaining('it now asks: Are you sure?'),
    });
    expect(await keys()).toEqual(['Down at Which colour?', 'Enter at Which colour?']);
  });

  it.each<[string, string[], number, RegExp]>([
    ['there is no such session', ['x'], 2, /there is no session x/],
    ['a number that is none', ['qa', '--choice', '9'], 2, /--choice takes a number from 1 to 3; not "9"/],
    [
      'a text is missing',
      ['qa', '--choice', '3'],
      2,
      /"Type something\." takes a text\n {2}give --text TEXT/,
    ],
    ['a text is too much', ['qa', '--choice', '1', '--text', 'x'], 2, /"Red" does not take a text/],
    ['a text without a choice', ['qa', '--text', 'x'], 2, /--text needs --choice/],
  ])('is refused when %s', async (_, args, code, message) => {
    await asking('23-qa-1');
    const refused = await reply(args);
    expect([refused.code, refused.stdout]).toEqual([code, '']);
    expect(refused.stderr).toMatch(message);
    expect(await pane('23-qa-1')).toContain('❯ 1. Red');
  });

  it('says when none asks, and names those that do when there are several', async () => {
    await worker.bash('tmux new-session -d -s 23-qa-1 cat');
    expect(await reply([])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no session of w has a question now'),
    });
    await asking('24-qa-1');
    await asking('25-qa-1');
    expect(await reply([])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /2[45]-qa-1 and 2[45]-qa-1 have questions\n {2}name one: factory-worker answer w 2/,
      ),
    });
  });
});
