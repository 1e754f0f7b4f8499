/** The commands on healthy workers, over a real kubectl exec. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from './cluster.ts';
import { saw } from './seen.ts';
import { Terminal } from './terminal.ts';
import {
  assertSound,
  command,
  commandArgv,
  HELD,
  installWorker,
  inWorker,
  listOne,
  makeNamespace,
  operatorEnv,
  queueOf,
  removeNamespace,
  skewed,
  type TestWorker,
  workersFile,
} from './worker.ts';

const NAMESPACES = ['fwc-commands', 'fwc-elsewhere'] as const;
let one: TestWorker;
let two: TestWorker;
let elsewhere: TestWorker;
let file: string;

beforeAll(async () => {
  await Promise.all(NAMESPACES.map((name) => makeNamespace(name)));
  one = await installWorker(NAMESPACES[0], 'worker-1');
  two = await installWorker(NAMESPACES[0], 'worker-2');
  elsewhere = await installWorker(NAMESPACES[1], 'worker-3', { orchestrator: { enabled: true } });
  file = workersFile([one, two, elsewhere]);
});

afterAll(() => Promise.all(NAMESPACES.map(removeNamespace)));

describe('list, dispatch, status, peek, exec', () => {
  it('shows two workers of one namespace and one of another', async () => {
    const answer = await command('list', ['--workers', file]);
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
    const args = [
      one.name,
      '--project',
      'demo',
      '--issue',
      '23',
      '--intent',
      'a greeting',
      '--workers',
      file,
    ];
    const first = await command('dispatch', args);
    saw('dispatch', first);
    expect(first.code).toBe(0);
    expect(first.stdout).toContain('demo#23');
    expect(await queueOf(one)).toEqual([23]);
    expect(await queueOf(two)).toEqual([]);
    expect(await queueOf(elsewhere)).toEqual([]);

    const again = await command('dispatch', args);
    saw('dispatch, typed again', again);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('already') });
    expect(await queueOf(one)).toEqual([23]);
    expect((await listOne(one, file)).queue).toEqual([{ project: 'demo', issue: 23, status: 'pending' }]);
    await assertSound(one);
  });

  it('refuses a project that the worker does not have, and queues nothing', async () => {
    const answer = await command('dispatch', [two.name, '-p', 'nowhere', '-i', '1', '--workers', file]);
    saw('dispatch to a project that is not there', answer);
    expect(answer.code).toBe(2);
    expect(answer.stderr).toContain('nowhere');
    expect(await queueOf(two)).toEqual([]);
  });

  it('the orchestrator of worker-3 finishes an issue', async () => {
    const answer = await command('dispatch', [
      elsewhere.name,
      '-p',
      'demo',
      '-i',
      '5',
      '--intent',
      'an end',
      '--wait',
      '--wait-timeout',
      '3m',
      '--workers',
      file,
    ]);
    saw('dispatch --wait', answer);
    expect(answer.code).toBe(0);
    expect(await inWorker(elsewhere, 'git -C /root/.factory/repos/demo log --oneline --all')).toContain('#5');
    await assertSound(elsewhere);
  });

  it('status tells one worker in full', async () => {
    const answer = await command('status', [one.name, '--workers', file]);
    saw('status', answer);
    expect(answer).toMatchObject({ code: 0, stdout: expect.stringContaining('demo#23') });
  });

  it('a laptop whose clock is three hours ahead sees the same ages, and dispatches', async () => {
    const status = await skewed(3 * 3600, 'status', [elsewhere.name, '--workers', file]);
    saw('the laptop’s clock is three hours ahead: status', status);
    // How long the worker is up, how old its sessions and its last check-in are: by the worker's own clock.
    expect(status).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/orchestrator +\w+ - last output \d+s ago/),
    });
    expect(status.stdout).not.toMatch(/\b[23]h\b/);
    const dispatch = await skewed(3 * 3600, 'dispatch', [
      ...[two.name, '-p', 'demo', '-i', '77', '--intent', 'x', '--workers', file],
    ]);
    expect(dispatch.code).toBe(0);
    const list = await skewed(3 * 3600, 'list', ['--workers', file]);
    saw('the laptop’s clock is three hours ahead: list', list);
    expect(list).toMatchObject({ code: 0, stdout: expect.stringContaining('demo#77') });
  });

  it('peek shows what is on a session, exec passes the remote code and streams on', async () => {
    await inWorker(two, 'tmux new-session -d -s 7-qa-1 "echo the pane of seven; sleep 3600"');
    const peek = await command('peek', [two.name, '--session', 'qa', '--workers', file]);
    saw('peek', peek);
    expect(peek).toMatchObject({ code: 0, stdout: expect.stringContaining('the pane of seven') });
    const exec = await command('exec', [
      '--workers',
      file,
      two.name,
      '--',
      'bash',
      '-c',
      'echo out; echo err >&2; exit 7',
    ]);
    saw('exec with code 7', exec);
    expect(exec).toMatchObject({ code: 7, stdout: 'out\n', stderr: expect.stringContaining('err') });
  });
});

describe('attach', () => {
  const attach = (...args: string[]) =>
    new Terminal(commandArgv('attach', [two.name, '--workers', file, ...args]), operatorEnv());

  it('offers a choice; typing, resizing and detaching work', async () => {
    await inWorker(two, 'tmux new-session -d -s chat "bash --norc"');
    const terminal = attach();
    try {
      saw('attach, the choice', await terminal.shows('Available sessions:'));
      const screen = await terminal.shows('chat');
      const names = screen.split('\n').filter((line) => /\((idle|active)/.test(line));
      for (let moves = names.findIndex((line) => line.includes('chat')); moves > 0; moves--)
        terminal.press('Down');
      terminal.press('Enter');
      await terminal.joined('chat');
      terminal.type('echo size $(stty size)');
      terminal.press('Enter');
      // One line is tmux' status line.
      await terminal.shows('size 29 100');
      terminal.resize(72, 20);
      // The new size arrives a moment later.
      await until(
        'the session has the new size',
        20,
        async () =>
          (await inWorker(two, "tmux display-message -p -t chat '#{window_width} #{window_height}'")) ===
          '72 19\n',
      );
      terminal.type('echo now $(stty size)');
      terminal.press('Enter');
      await terminal.shows('now 19 72');
      terminal.press('C-b');
      terminal.press('d');
      const end = await terminal.shows('[ended with 0]');
      saw('attach, after detaching', end);
      expect(end).toContain(`chat goes on in ${two.name}`);
      expect(await inWorker(two, 'tmux list-sessions -F "#{session_name} #{session_attached}"')).toContain(
        'chat 0',
      );
    } finally {
      terminal.close();
    }
  });

  it('says that a session has ended', async () => {
    await inWorker(two, 'tmux new-session -d -s short "bash --norc"');
    const terminal = attach('--session', 'short');
    try {
      await terminal.joined('short');
      terminal.type('exit');
      terminal.press('Enter');
      expect(await terminal.shows('[ended with 0]')).toContain('short has ended');
    } finally {
      terminal.close();
    }
  });
});
