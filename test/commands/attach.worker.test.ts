/** `attach` on a real terminal, from inside a tmux as it happens, to a real worker: as a local one and as a pod. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attach } from '../../scripts/attach.ts';
import { type FakeKubectl, fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { programLine } from '../support/program.ts';
import { run } from '../support/run-command.ts';
import { openTerminal, type Terminal, type Window } from '../support/terminal.ts';
import { deleted, pod, podList, waiting } from '../transport/cluster.ts';

let worker: HandWorker;
let terminal: Terminal;
let kubectl: FakeKubectl;
beforeAll(async () => {
  worker = await handWorker();
  await worker.bash(
    'printf "set -s exit-empty off\\nset -g status off\\n" >"$HOME/.tmux.conf" && tmux start-server',
  );
  terminal = await openTerminal();
  kubectl = fakeKubectl(worker.cluster());
});
beforeEach(async () => {
  await session('orchestrator', 'cat');
  await session('23-qa-1', 'echo this is qa; exec cat');
});
afterEach(() => worker.bash(`tmux list-sessions -F '#{session_id}' | xargs -r -n 1 tmux kill-session -t`));
afterAll(async () => {
  await terminal.close();
  kubectl.remove();
  await worker.remove();
});

const session = (name: string, command: string) =>
  worker.bash(`tmux new-session -d -s ${name} bash -c '${command}'`);
const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Window> =>
  terminal.run(programLine('attach', ...args), { ...worker.laptop, ...env });

/** What is attached to the worker: `SESSION MODE`. */
const clients = async () => (await worker.bash(`tmux list-clients -F '#{client_session}'`)).trim();

/**
 * A kubectl that gives what it runs a pseudo-terminal of its own, as a pod would, and can lose it: the connection is cut then.
 */
async function overConnection(): Promise<{ env: NodeJS.ProcessEnv; cut: () => Promise<void> }> {
  const [path, pid] = [join(worker.dir, 'kubectl'), join(worker.dir, 'connection')];
  await writeFile(
    path,
    `#!/usr/bin/env bash
for word in "$@"; do
  if [ "$word" = --tty ]; then
    script --quiet --flush --return --command "$(printf '%q ' '${kubectl.path}' "$@")" /dev/null <&0 &
    # By a rename: a file that is just being written anew is read as empty.
    echo $! >'${pid}.new' && mv '${pid}.new' '${pid}'
    trap 'kill -KILL $!' HUP TERM
    wait $!
    exit
  fi
done
exec '${kubectl.path}' "$@"
`,
    { mode: 0o755 },
  );
  return {
    env: { KUBECTL: path },
    async cut() {
      process.kill(Number(await readFile(pid, 'utf8')), 'SIGKILL');
    },
  };
}

describe('attach', () => {
  it('without a session shows them numbered; a digit chooses; what is typed arrives; C-b d gives the terminal back', async () => {
    const window = await start(['w']);
    await window.shows('Available sessions:');
    expect(await window.screen()).toMatch(
      /1\. orchestrator {2}\(active - last output \d+s ago\)\n.*2\. 23-qa-1 {7}\(active/,
    );
    await window.press('2');
    await window.press('Enter');
    await window.shows('this is qa');
    await window.type('héllo, agent');
    await window.press('Enter');
    await window.shows(/héllo, agent\nhéllo, agent/);
    expect(await clients()).toBe('23-qa-1');
    await window.press('C-b');
    await window.press('d');
    expect(await window.ended()).toEqual({ code: 0, restored: true });
    const screen = await window.screen();
    expect(screen).toContain('typing into 23-qa-1 makes factory take #23 as human-driven');
    expect(screen).toContain('detached; 23-qa-1 goes on in w');
    expect(await clients()).toBe('');
    expect(await worker.bash(`tmux list-sessions -F '#{session_name}'`)).toBe('23-qa-1\norchestrator\n');
    expect((await worker.lines('attach.jsonl')).at(-1)).toEqual({
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      by: expect.stringContaining('@'),
      session: '23-qa-1',
      mode: 'read-write',
      id: expect.any(String),
    });
  });

  it('follows the size of the terminal, down to one cell, through storms of changes', async () => {
    await session('shell', 'PS1=; exec bash --norc --noprofile');
    const window = await start(['w', '-s', 'shell']);
    await expect.poll(clients).toBe('shell');
    const size = async () => {
      await window.type('clear; stty size');
      await window.press('Enter');
      return window.screen();
    };
    await expect.poll(size).toMatch(/^30 100$/m);
    await window.resize({ columns: 70, rows: 20 });
    await expect.poll(size).toMatch(/^20 70$/m);
    for (let step = 0; step < 30; step++) await window.resize({ columns: 40 + step, rows: 10 + (step % 9) });
    await window.resize({ columns: 1, rows: 1 });
    await window.resize({ columns: 90, rows: 25 });
    await expect.poll(size).toMatch(/^25 90$/m);
    await window.press('C-b');
    await window.press('d');
    expect(await window.ended()).toEqual({ code: 0, restored: true });
  });

  it.each(['xterm-ghostty', 'xterm-kitty', 'foot', 'alacritty', 'dumb', 'vt220', 'surely-no-terminal', ''])(
    'works with TERM=%s',
    async (term) => {
      await session('art', `printf "\\\\033[31mred\\\\033[0m \\\\u250c\\\\u2500\\\\u2510\\\\n"; exec cat`);
      const window = await start(['w', '--session', 'art'], { TERM: term, LANG: 'C', LC_ALL: 'C' });
      await window.shows(/red ┌─┐/);
      if (term.startsWith('xterm')) expect(await window.screen('-e')).toMatch(/\u001b\[31mred/);
      await window.press('C-b');
      await window.press('d');
      expect((await window.ended()).code).toBe(0);
    },
  );

  it('read-only shows and does not type; no warning is needed', async () => {
    const window = await start(['w', '-s', 'qa', '--read-only']);
    await window.shows('this is qa');
    await window.type('not this');
    await window.press('Enter');
    await window.press('C-b');
    await window.press('d');
    expect(await window.ended()).toEqual({ code: 0, restored: true });
    expect(await window.screen()).not.toContain('human-driven');
    expect(await worker.bash('tmux capture-pane -p -t =23-qa-1:')).not.toContain('not this');
    expect((await worker.lines('attach.jsonl')).at(-1)).toMatchObject({ mode: 'read-only' });
  });

  it('shows in the status line of its own client how to leave, and that typing takes the issue over', async () => {
    const options = () => worker.bash('tmux show-options -t =23-qa-1:');
    const size = () => worker.bash("tmux display-message -p -t =23-qa-1: '#{pane_width}x#{pane_height}'");
    await worker.bash('tmux set-option -t =23-qa-1: status on');
    const byHand = await terminal.run(
      `TMUX= TMUX_TMPDIR=${worker.env['TMUX_TMPDIR']} tmux attach-session -t =23-qa-1`,
    );
    await byHand.shows('[23-qa-1] 0:');
    const [before, sizeBefore] = [await options(), await size()];

    const plain = await start(['w', '-s', 'qa'], { TMUX: '' });
    await plain.shows('#23 · Ctrl-b d leaves · typing takes the issue over');
    // The terminals of these tests are in a tmux.
    const nested = await start(['w', '-s', 'qa']);
    await nested.shows('#23 · prefix twice, then d leaves · typing takes the issue over');
    const looking = await start(['w', '-s', 'qa', '--read-only']);
    await looking.shows('[23-qa-1] 0:');
    for (const window of [byHand, looking]) expect(await window.screen()).not.toContain('leaves');
    expect(await size()).toBe(sizeBefore);

    for (const window of [plain, nested, looking, byHand]) {
      expect(await byHand.screen()).toContain('[23-qa-1] 0:');
      await window.press('C-b', 'd');
      await window.ended();
    }
    expect(await plain.screen()).toContain('Detach: Ctrl-b d');
    expect(await nested.screen()).toContain('Detach: prefix twice, then d');
    expect(await options()).toBe(before);
  });

  it('changes nothing where the session has no status line', async () => {
    const window = await start(['w', '-s', 'qa']);
    await window.shows('this is qa');
    await expect.poll(clients).toBe('23-qa-1');
    await window.press('C-b', 'd');
    await window.ended();
    expect(await worker.bash('tmux show-options -t =23-qa-1:')).toBe('');
  });

  it('tells that the session has ended', async () => {
    const window = await start(['w', '-s', '23-qa-1']);
    await window.shows('this is qa');
    await worker.bash('tmux kill-session -t =23-qa-1');
    expect(await window.ended()).toEqual({ code: 0, restored: true });
    expect(await window.screen()).toContain('23-qa-1 has ended');
  });

  it('never makes a session, and never takes a prefix for one', async () => {
    const window = await start(['w', '-s', '23-q']);
    expect(await window.ended()).toEqual({ code: 2, restored: true });
    expect(await window.screen()).toMatch(
      /there is no session 23-q\n[\s\S]*sessions now: orchestrator, 23-qa-1/,
    );
    expect(await worker.bash('tmux list-sessions | wc -l')).toBe('2\n');
  });

  it('without a terminal says what to type instead', async () => {
    expect(await run(attach, ['w', '-s', 'qa'], { env: worker.laptop })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('to look without one: factory-worker peek w --session qa'),
    });
  });

  it('where nothing may be asked lists the sessions and names the flag', async () => {
    const { code, stderr } = await run(attach, ['w', '--no-input'], { env: worker.laptop, tty: true });
    expect(code).toBe(2);
    expect(stderr).toMatch(/SESSION is missing\n {2}Available sessions:\n {4}1\. orchestrator/);
  });

  it('in a worker without sessions says so', async () => {
    await worker.bash(`tmux list-sessions -F '#{session_id}' | xargs -r -n 1 tmux kill-session -t`);
    const { code, stderr } = await run(attach, ['w'], { env: worker.laptop, tty: true });
    expect([code, stderr]).toEqual([1, 'error: w has no sessions\n  why: factory-worker status w\n']);
  });
});

describe.each([
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s to attach', (signal, code) => {
  it('gives the terminal back, and leaves nothing behind', async () => {
    const window = await start(['w', '-s', 'qa']);
    await window.shows('this is qa');
    process.kill(await window.pid(), signal);
    expect(await window.ended()).toEqual({ code, restored: true });
    await expect.poll(clients).toBe('');
    await window.shows('error: interrupted');
  });

  it('does so over kubectl as well', async () => {
    const { env } = await overConnection();
    const window = await start(['worker-1', '-s', 'qa'], env);
    await window.shows('this is qa');
    process.kill(await window.pid(), signal);
    expect(await window.ended()).toEqual({ code, restored: true });
    await expect.poll(clients).toBe('');
  });
});

describe('a pod that is deleted', () => {
  /** Its containers run on until their grace is over. */
  const stopping = () =>
    pod({ metadata: { ...pod().metadata, ...deleted(new Date(Date.now() + 60_000).toISOString()) } });
  const pods = (...items: ReturnType<typeof pod>[]) =>
    kubectl.setRules([{ match: ['get', 'pods'], stdout: podList(...items) }, ...worker.cluster().slice(1)]);
  const attached = async () => {
    const { env } = await overConnection();
    const window = await start(['worker-1', '-s', 'qa'], env);
    await window.shows('this is qa');
    return window;
  };
  afterEach(() => kubectl.setRules(worker.cluster()));

  it('ends its sessions first: the one of the same name is joined in the pod that comes after', async () => {
    const window = await attached();
    pods(stopping());
    await worker.bash('tmux kill-session -t =23-qa-1');
    await window.shows('the pod of worker-1 is going away; waiting to join 23-qa-1 again (Ctrl-C ends)');
    // While it stops it can still be entered, and has no such session.
    await expect
      .poll(() => kubectl.calls().filter(({ argv }) => argv.includes('--tty')).length)
      .toBeGreaterThan(2);
    pods(pod({ suffix: 'other', status: waiting('ContainerCreating') }));
    await window.shows('worker-1 is starting: ContainerCreating');
    await session('23-qa-1', 'echo it is back; exec cat');
    pods(pod({ suffix: 'other' }));
    await window.shows('it is back');
    await window.press('C-b');
    await window.press('d');
    expect(await window.ended()).toEqual({ code: 0, restored: true });
    const screen = await window.screen();
    expect(screen).toContain('the pod was replaced: factory-worker-1-7d9f8b6c5d-other');
    expect(screen).not.toContain('has ended');
  });

  it('and followed by one that has booted without the session: says that it has ended, and what comes next', async () => {
    const window = await attached();
    pods(stopping());
    await worker.bash('tmux kill-session -t =23-qa-1');
    await window.shows('is going away');
    pods(pod({ suffix: 'other' }));
    expect(await window.ended()).toEqual({ code: 1, restored: true });
    const screen = await window.screen();
    expect(screen).toContain('error: 23-qa-1 has ended while the connection was lost');
    expect(screen).toContain('an interrupted stage is run again after a while; then: ');
  });

  it('for good, with its release: says so and waits for nothing', async () => {
    const window = await attached();
    kubectl.setRules([
      { match: ['get', 'pods'], stdout: podList() },
      { match: ['get', 'deployment'], stdout: '' },
    ]);
    await worker.bash('tmux kill-session -t =23-qa-1');
    expect(await window.ended()).toEqual({ code: 1, restored: true });
    expect(await window.screen()).toContain('worker-1 is missing: no pod or Deployment factory-worker-1');
  });

  it('is not taken for it where the session alone has ended', async () => {
    const window = await attached();
    await worker.bash('tmux kill-session -t =23-qa-1');
    expect(await window.ended()).toEqual({ code: 0, restored: true });
    expect(await window.screen()).toContain('23-qa-1 has ended');
  });
});

describe('a connection that is lost', () => {
  it('is made again to the same session, with no client left behind; the pod may be another', async () => {
    const { env, cut } = await overConnection();
    const earlier = (await worker.lines('attach.jsonl')).length;
    const window = await start(['worker-1', '-s', 'qa'], env);
    await window.shows('this is qa');
    await window.type('before');
    kubectl.setRules([
      { match: ['get', 'pods'], stdout: podList(pod({ suffix: 'other' })) },
      ...worker.cluster().slice(1),
    ]);
    await cut();
    await expect.poll(async () => (await worker.lines('attach.jsonl')).length).toBe(earlier + 2);
    await window.shows('before');
    await expect.poll(clients).toBe('23-qa-1');
    const attaches = (await worker.lines('attach.jsonl')).slice(-2);
    expect(attaches[0]?.['id']).toBe(attaches[1]?.['id']);
    await window.press('C-b');
    await window.press('d');
    expect(await window.ended()).toEqual({ code: 0, restored: true });
    const screen = await window.screen();
    expect(screen).toContain(
      'the connection to worker-1 was lost; waiting to join 23-qa-1 again (Ctrl-C ends)',
    );
    expect(screen).toContain('the pod was replaced: factory-worker-1-7d9f8b6c5d-other');
    kubectl.setRules(worker.cluster());
  });

  it('says what it waits for; and that the session ended meanwhile', async () => {
    const { env, cut } = await overConnection();
    const window = await start(['worker-1', '-s', 'qa'], env);
    await window.shows('this is qa');
    kubectl.setRules([
      { match: ['get', 'pods'], stdout: podList() },
      { match: ['deployment'], stdout: '{"metadata":{"name":"factory-worker-1"},"spec":{"replicas":1}}' },
    ]);
    await cut();
    await window.shows('worker-1 is pending: its pod has not been created yet');
    await worker.bash('tmux kill-session -t =23-qa-1');
    kubectl.setRules(worker.cluster());
    expect(await window.ended()).toEqual({ code: 1, restored: true });
    expect(await window.screen()).toContain('error: 23-qa-1 has ended while the connection was lost');
  });

  it('to a worker that boots again waits for the session', async () => {
    const { env } = await overConnection();
    const window = await start(['worker-1', '-s', 'qa'], env);
    await window.shows('this is qa');
    const boot = join(worker.dir, 'run', 'boot.json');
    const before = await readFile(boot, 'utf8');
    await writeFile(boot, JSON.stringify({ ...(JSON.parse(before) as object), finishedAt: null }));
    await worker.bash('tmux kill-session -t =orchestrator');
    // As a pod that is stopped: the server goes, and every connection with it.
    await worker.bash('tmux kill-server');
    await window.shows('worker-1 is starting; waiting for 23-qa-1 (Ctrl-C ends)');
    await session('23-qa-1', 'echo it is back; exec cat');
    await window.shows('it is back');
    await writeFile(boot, before);
    await window.press('C-b');
    await window.press('d');
    expect(await window.ended()).toEqual({ code: 0, restored: true });
  });

  it('to a worker whose boot ends while it is looked at joins the session that the boot has made', async () => {
    const { env } = await overConnection();
    const window = await start(['worker-1', '-s', 'qa'], env);
    await window.shows('this is qa');
    const boot = join(worker.dir, 'run', 'boot.json');
    const finished = await readFile(boot, 'utf8');
    await writeFile(boot, JSON.stringify({ ...(JSON.parse(finished) as object), finishedAt: null }));
    // The first question for the boot comes after the first look for the session: the boot makes it just then, and ends.
    const jq = join(worker.dir, 'bin', 'jq');
    await writeFile(join(worker.dir, 'finished.json'), finished);
    await writeFile(
      jq,
      `#!/usr/bin/env bash
rm -f '${jq}'
tmux new-session -d -s 23-qa-1 bash -c 'echo it is back; exec cat'
cp '${worker.dir}/finished.json' '${boot}'
exec jq "$@"
`,
      { mode: 0o755 },
    );
    // As a container that is killed: the server goes, and every connection with it.
    await worker.bash('tmux kill-server');
    await window.shows('it is back');
    await window.press('C-b');
    await window.press('d');
    expect(await window.ended()).toEqual({ code: 0, restored: true });
  });

  it('is waited for until Ctrl-C: 130, and the terminal is as before', async () => {
    const { env, cut } = await overConnection();
    const window = await start(['worker-1', '-s', 'qa'], env);
    await window.shows('this is qa');
    kubectl.setRules([
      {
        match: ['get', 'pods'],
        code: 1,
        stderr: 'Unable to connect to the server: dial tcp: no route to host\n',
      },
    ]);
    await cut();
    await window.shows('no route to host');
    await window.press('C-c');
    expect(await window.ended()).toEqual({ code: 130, restored: true });
    await window.shows('error: not attached any more; the session goes on in worker-1');
    kubectl.setRules(worker.cluster());
  });

  it('whose client stays behind in the worker is ended by name, and nobody else’s', async () => {
    const windows = [await start(['w', '-s', 'qa']), await start(['w', '-s', 'orchestrator'])];
    await expect.poll(clients).toMatch(/^(23-qa-1\norchestrator|orchestrator\n23-qa-1)$/);
    const { id } = (await worker.lines('attach.jsonl')).findLast(
      ({ session: name }) => name === '23-qa-1',
    ) as { id: string };
    const detach = await readFile(new URL('../../scripts/remote/detach.sh', import.meta.url), 'utf8');
    // A number that belongs to another program by now.
    const innocent = worker.start('exec sleep 300');
    await worker.bash(`echo ${innocent.pid} >"$WORKER_RUN_DIR/attach/taken"; set -- taken; ${detach}`);
    await worker.bash(`set -- ${id}; ${detach}`);
    await expect.poll(clients).toBe('orchestrator');
    expect(existsSync(join(worker.dir, 'run', 'attach', id))).toBe(false);
    expect(innocent.exitCode).toBeNull();
    expect(innocent.signalCode).toBeNull();
    await worker.bash('tmux detach-client -s orchestrator');
    for (const window of windows) await window.ended();
  });
});
