/** The commands on healthy workers, over a real kubectl exec. */
import { beforeAll, describe, expect, it } from 'vitest';
import { until } from './cluster.ts';
import { HELD, install, WORKING, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { saw } from './seen.ts';
import { useNamespace } from './site.ts';
import { attach } from './terminal.ts';
import { assertSound, inWorker, queueOf } from './worker.ts';

const one = workerIn('fwc-commands', 'worker-1');
const two = workerIn('fwc-commands', 'worker-2');
const elsewhere = workerIn('fwc-elsewhere', 'worker-3');
const operator = Operator.of([one, two, elsewhere]);

useNamespace('fwc-commands');
useNamespace('fwc-elsewhere');
beforeAll(async () => {
  await install(one);
  await install(two);
  await install(elsewhere, WORKING);
});

describe('list, dispatch, status, peek, exec', () => {
  it('shows two workers of one namespace and one of another', async () => {
    const answer = await operator.list();
    saw('list of healthy workers', answer);
    expect(answer).toMatchObject({ code: 0, stderr: '' });
    const rows = answer.stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/ {2,}/).slice(0, 3));
    expect(rows).toEqual([
      ['NAME', 'POD', 'STATUS'],
      [one.name, one.pod, HELD],
      [two.name, two.pod, HELD],
      [elsewhere.name, elsewhere.pod, 'running'],
    ]);
  });

  it('dispatches to the one that is named, and only once', async () => {
    const dispatch = () =>
      operator.type('dispatch', one.name, '--project', 'demo', '--issue', '23', '--intent', 'a greeting');
    const first = await dispatch();
    saw('dispatch', first);
    expect(first).toExitWith(0);
    expect(first.stdout).toContain('demo#23');
    expect(await queueOf(one)).toEqual([23]);
    expect(await queueOf(two)).toEqual([]);
    expect(await queueOf(elsewhere)).toEqual([]);

    const again = await dispatch();
    saw('dispatch, typed again', again);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('already') });
    expect(await queueOf(one)).toEqual([23]);
    expect((await operator.row(one)).queue).toEqual([{ project: 'demo', issue: 23, status: 'pending' }]);
    await assertSound(one);
  });

  it('refuses a project that the worker does not have, and queues nothing', async () => {
    const answer = await operator.type('dispatch', two.name, '-p', 'nowhere', '-i', '1');
    saw('dispatch to a project that is not there', answer);
    expect(answer).toExitWith(2);
    expect(answer.stderr).toContain('nowhere');
    expect(await queueOf(two)).toEqual([]);
  });

  it('the orchestrator of worker-3 finishes an issue', async () => {
    const answer = await operator.dispatch(elsewhere, 5, '--wait', '--wait-timeout', '3m');
    saw('dispatch --wait', answer);
    expect(answer).toExitWith(0);
    expect(
      await inWorker(elsewhere, 'git -C /root/.factory/repos/demo log --oneline --branches --remotes'),
    ).toContain('#5');
    await assertSound(elsewhere);
  });

  it.each([
    [one, 'demo#23'],
    [two, 'PROJECTS'],
    [elsewhere, 'demo#5'],
  ])('status tells $name in full', async (worker, text) => {
    const answer = await operator.status(worker);
    saw('status', answer);
    expect(answer).toMatchObject({ code: 0, stdout: expect.stringContaining(text) });
  });

  it('a laptop whose clock is three hours ahead sees the same ages, and dispatches', async () => {
    const ahead = Operator.of([two, elsewhere], { clockAhead: 3 * 3600 });
    const status = await ahead.status(elsewhere);
    saw('the laptop’s clock is three hours ahead: status', status);
    // How long the worker is up, how old its sessions and its last check-in are: by the worker's own clock.
    expect(status).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/orchestrator +\w+ - last output \d+s ago/),
    });
    expect(status.stdout).not.toMatch(/\b[23]h\b/);
    expect(await ahead.dispatch(two, 77)).toExitWith(0);
    const list = await ahead.list();
    saw('the laptop’s clock is three hours ahead: list', list);
    expect(list).toMatchObject({ code: 0, stdout: expect.stringContaining('demo#77') });
  });

  it.each([
    [one, '7-qa-1', 'qa'],
    [two, '7-qa-1', 'qa'],
    [elsewhere, 'notes', 'notes'],
  ])(
    'peek shows what is on a session of $name, exec passes the remote code and streams on',
    async (worker, session, named) => {
      await inWorker(worker, `tmux new-session -d -s ${session} "echo the pane of seven; sleep 3600"`);
      const peek = await operator.type('peek', worker.name, '--session', named);
      saw('peek', peek);
      expect(peek).toMatchObject({ code: 0, stdout: expect.stringContaining('the pane of seven') });
      const script = 'echo out; echo err >&2; exit 7';
      const exec = await operator.type('exec', worker.name, '--', 'bash', '-c', script);
      saw('exec with code 7', exec);
      expect(exec).toMatchObject({ code: 7, stdout: 'out\n', stderr: expect.stringContaining('err') });
    },
  );
});

describe('attach', () => {
  it('offers a choice; typing, resizing and detaching work', async () => {
    await inWorker(two, 'tmux new-session -d -s chat "bash --norc"');
    const terminal = attach(operator, two);
    saw('attach, the choice', await terminal.shows('Available sessions:'));
    const screen = await terminal.shows('chat');
    const names = screen.split('\n').filter((line) => /\((idle|active)/.test(line));
    for (let moves = names.findIndex((line) => line.includes('chat')); moves > 0; moves--)
      terminal.press('Down');
    terminal.press('Enter');
    await terminal.joined('chat');
    terminal.enter('echo size $(stty size)');
    // One line is tmux' status line.
    await terminal.shows('size 29 100');
    terminal.resize(72, 20);
    // tmux tells the pane's terminal up to a quarter of a second after the window has its size.
    const size = `stty size <"$(tmux display-message -p -t chat '#{pane_tty}')"`;
    await until('the session has the new size', 20, async () => (await inWorker(two, size)) === '19 72\n');
    terminal.enter('echo now $(stty size)');
    await terminal.shows('now 19 72');
    terminal.detach();
    const end = await terminal.shows('[ended with 0]');
    saw('attach, after detaching', end);
    expect(end).toContain(`chat goes on in ${two.name}`);
    const attached = 'tmux display-message -p -t chat "#{session_attached}"';
    expect(await inWorker(two, attached)).toBe('0\n');
  });

  it.each([one, two, elsewhere])('says that a session of $name has ended', async (worker) => {
    await inWorker(worker, 'tmux new-session -d -s short "bash --norc"');
    const terminal = attach(operator, worker, '--session', 'short');
    await terminal.joined('short');
    terminal.enter('exit');
    expect(await terminal.shows('[ended with 0]')).toContain('short has ended');
  });
});
