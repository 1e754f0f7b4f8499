import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { send } from '../../scripts/send.ts';
import { fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { type RunOptions, run } from '../support/run-command.ts';

let worker: HandWorker;
beforeAll(async () => {
  worker = await handWorker();
  await worker.bash('printf "set -s exit-empty off\\n" >"$HOME/.tmux.conf" && tmux start-server');
});
afterEach(() =>
  worker.bash(
    `tmux list-sessions -F '#{session_id}' | xargs -r -n 1 tmux kill-session -t; tmux set -gu remain-on-exit; rm -f "$HOME/typed"`,
  ),
);
afterAll(() => worker.remove());

const type = (args: readonly string[], options: RunOptions = {}) =>
  run(send, ['w', ...args], { env: worker.laptop, ...options });
/** A session that keeps what is typed into it, Enter included. */
const reader = (name: string) =>
  worker.bash(`tmux new-session -d -s '${name}' bash -c 'cat >>"$HOME/typed"'`);
const typed = () => worker.bash('cat "$HOME/typed" 2>/dev/null || true');
const typedIs = (text: string) => expect.poll(typed).toBe(text);

describe('send', () => {
  it.each([
    'run the tests',
    `it's "quoted" $HOME \`id\` \\n; rm -rf`,
    'Enter',
    'C-c',
    '#{session_name}',
    'ünïcode ⏎',
    '-x',
  ])('types %s as it is, then Enter', async (text) => {
    await reader('notes');
    const { code, stdout, stderr } = await type(['notes', '--', text]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /^\d+ characters and Enter typed into notes; look: factory-worker peek w --session notes\n$/,
    );
    await typedIs(`${text}\n`);
  });

  it('takes lines from stdin, and goes to the one session at a stage', async () => {
    await reader('23-qa-1');
    const { code, stderr } = await type(['qa', '-', '--yes'], { stdin: 'one\ntwo\n' });
    expect([code, stderr]).toEqual([
      0,
      'note: typing into 23-qa-1 makes factory take #23 as human-driven and leave it alone\n',
    ]);
    await typedIs('one\ntwo\n');
  });

  it('with --no-enter leaves the line open', async () => {
    await reader('notes');
    await type(['notes', 'open', '--no-enter']);
    await type(['notes', ' closed']);
    await typedIs('open closed\n');
  });

  it('leaves the copy mode first, in which Enter would mean something else', async () => {
    await reader('notes');
    await worker.bash('tmux copy-mode -t =notes:');
    await type(['notes', 'text']);
    await typedIs('text\n');
  });

  it('asks before it types into the session of a stage; no is no', async () => {
    await reader('23-qa-1');
    const question = 'Type it?';
    const no = await type(['qa', 'text'], { tty: true, keys: [{ after: question, type: 'n\r' }] });
    expect([no.code, no.stdout]).toEqual([1, '']);
    expect(no.stderr).toContain('nothing was typed');
    const nobody = await type(['qa', 'text']);
    expect([nobody.code, nobody.stderr]).toEqual([2, expect.stringContaining('give --yes')]);
    expect(await typed()).toBe('');
    const yes = await type(['qa', 'text'], { tty: true, keys: [{ after: question, type: 'y\r' }] });
    expect(yes.code).toBe(0);
    await typedIs('text\n');
  });

  it('with --dry-run says what it would do, and types nothing', async () => {
    await reader('23-qa-1');
    const { code, stdout } = await type(['qa', 'text', '--dry-run']);
    expect([code, stdout]).toEqual([
      0,
      '4 characters and Enter would be typed into 23-qa-1; typing into 23-qa-1 makes factory take #23 as human-driven and leave it alone\n',
    ]);
    expect(JSON.parse((await type(['qa', 'text', '--dry-run', '-o', 'json'])).stdout)).toEqual({
      schema: 1,
      worker: 'w',
      session: '23-qa-1',
      characters: 4,
      enter: true,
      typed: false,
    });
    expect(await typed()).toBe('');
  });

  it('never takes a prefix for a name', async () => {
    await reader('23-qa-1');
    const { code, stderr } = await type(['23-q', 'text', '--yes']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('sessions now: 23-qa-1')]);
    expect(await typed()).toBe('');
  });

  it('goes to the pane that the session was made with, whatever was opened beside it', async () => {
    await reader('23-qa-1');
    await worker.bash(
      `tmux split-window -t =23-qa-1: bash -c 'cat >>"$HOME/beside"' \\; new-window -t =23-qa-1: bash -c 'cat >>"$HOME/beside"'`,
    );
    expect(await type(['qa', 'text', '--yes'])).toMatchObject({ code: 0 });
    await typedIs('text\n');
    expect(await worker.bash('cat "$HOME/beside"')).toBe('');
  });

  it('refuses a shell, which would execute it, unless that is meant', async () => {
    await worker.bash(`tmux new-session -d -s 23-qa-1`);
    await expect.poll(() => worker.bash(`tmux capture-pane -p -t =23-qa-1:`)).toMatch(/[$#] *$/m);
    const command = 'touch "$HOME/executed"';
    expect(await type(['qa', command, '--yes'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /only a shell would read it[\s\S]*factory-worker why w\n[\s\S]*--shell\n$/,
      ),
    });
    const executed = () => worker.bash('ls "$HOME"');
    expect(await executed()).not.toContain('executed');
    expect(await type(['qa', command, '--yes', '--shell'])).toMatchObject({ code: 0 });
    await expect.poll(executed).toContain('executed');
  });

  it('takes a shell for none that runs a program', async () => {
    await worker.bash(`tmux new-session -d -s 23-qa-1 bash`);
    await worker.bash(`tmux send-keys -t =23-qa-1: 'cat >>"$HOME/typed"' Enter`);
    await expect
      .poll(() => worker.bash(`tmux list-panes -t =23-qa-1: -F '#{pane_current_command}'`))
      .toBe('cat\n');
    expect(await type(['qa', 'text', '--yes'])).toMatchObject({ code: 0 });
    await typedIs('text\n');
  });

  it('refuses what shows only a log, and what has ended', async () => {
    await reader('orchestrator');
    expect(await type(['orchestrator', 'x', '--yes'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('nothing reads what is typed there'),
    });
    await worker.bash(`tmux set -g remain-on-exit on \\; new-session -d -s 23-qa-1 'exit 3'`);
    await expect.poll(() => worker.bash(`tmux list-panes -t =23-qa-1: -F '#{pane_dead}'`)).toBe('1\n');
    expect(await type(['qa', 'x', '--yes'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the program in 23-qa-1 has ended: nothing was typed'),
    });
  });

  it('after a cut connection does not say that it was typed, nor that it was not', async () => {
    await reader('notes');
    const [pods, exec] = worker.cluster();
    const kubectl = fakeKubectl([pods ?? {}, { ...exec, times: 1 }, { ...exec, cutAfter: 20 }]);
    const { code, stderr } = await run(send, ['worker-1', 'notes', 'text'], {
      env: { ...worker.laptop, KUBECTL: kubectl.path },
    });
    kubectl.remove();
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error: it is not known whether the text was typed: .*\n {2}look before you type it again: factory-worker peek worker-1 --session notes\n$/,
    );
  });

  it.each([
    [['notes'], /TEXT is missing/],
    [['notes', 'a', '--', 'b'], /unexpected argument "b"/],
    [['notes', 'x'.repeat(70_000)], /the text is too long to be typed/],
    [['notes', '-'], /there is nothing on stdin/],
  ])('exit 2: %#', async (args, message) => {
    await reader('notes');
    const { code, stderr } = await type(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
