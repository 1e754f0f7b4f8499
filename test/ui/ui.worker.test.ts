/** `ui` on a real terminal, over real workers of this machine. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ui } from '../../scripts/ui.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { programLine } from '../support/program.ts';
import { run } from '../support/run-command.ts';
import { openTerminal, type Size, type Terminal, type Window } from '../support/terminal.ts';
import { until } from '../support/until.ts';

let worker: HandWorker;
let terminal: Terminal;
const TOKEN = `ghp_${'FAKE'.repeat(9)}`;

beforeAll(async () => {
  worker = await handWorker();
  // Thirty that are not there, and one that works.
  const lost = Array.from(
    { length: 30 },
    (_, n) => `  - {name: lost-${n}, runtime: local, home: /nonexistent}\n`,
  );
  await writeFile(
    join(worker.dir, 'fleet.yaml'),
    `workers:\n  - {name: w, runtime: local, home: ${worker.dir}}\n${lost.join('')}`,
  );
  await worker.bash(
    'printf "set -s exit-empty off\\n" >"$HOME/.tmux.conf" && tmux start-server; cd "$WORKER_REPOS_DIR/demo" && factory queue add 23 24 25 --intent x',
  );
  await worker.bash(`tmux new-session -d -s orchestrator 'echo the log of check-ins; exec cat'
tmux new-session -d -s 23-qa-1 "printf 'this is qa \\\\342\\\\224\\\\200 %s\\\\n' ${TOKEN}; exec cat"`);
  terminal = await openTerminal();
});
afterAll(async () => {
  await terminal.close();
  await worker.remove();
});

interface Options {
  readonly size?: Size;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** A file for what would be written over the screen. */
  readonly stderr?: string;
}

/** Opens the dashboard below a line that has to be there again afterwards. */
const open = ({ size = { columns: 80, rows: 24 }, args = ['w'], env = {}, stderr }: Options = {}) =>
  terminal.run(
    `echo before; ${programLine('ui', '--interval', '300ms', ...args)}${stderr === undefined ? '' : ` 2>${stderr}`}`,
    { ...worker.laptop, FACTORY_WORKERS: join(worker.dir, 'fleet.yaml'), TERM: 'xterm-256color', ...env },
    size,
  );

const quits = async (window: Window) => {
  await window.press('q');
  expect(await window.ended()).toEqual({ code: 0, restored: true });
};

describe.each([
  [80, 24],
  [200, 50],
  [40, 10],
] as const)('on a terminal of %i×%i', (columns, rows) => {
  it('shows the workers by group, fits, and leaves the screen as it was', async () => {
    const window = await open({ size: { columns, rows }, args: [] });
    await window.shows(/^31 workers · 30 need you · [\s\S]*\n {2}lost-/);
    await window.press('End');
    await window.shows(/\nIDLE \(1\)\n❯ w +between two/);
    const lines = (await window.screen()).split('\n');
    expect(lines.length).toBe(rows - 1);
    expect(lines.at(-1)).toMatch(/^Enter attach · r look/);
    expect(lines).toContainEqual(expect.stringMatching(/^… \d+ more workers$/));
    await quits(window);
    expect(await window.screen()).toBe('before\nexit=0');
  });
});

describe('the pane', () => {
  it('is live, and of the session that is chosen; no token and no control sequence is in it', async () => {
    const window = await open();
    await window.shows(/^── w 23-qa-1 \(2 sessions\) ──[\s\S]*this is qa ─/m);
    expect(await window.screen()).toContain(`this is qa ─ ghp_${'*'.repeat(36)}`);
    await worker.bash('tmux send-keys -t =23-qa-1: "and this is new" Enter');
    await window.shows('and this is new');
    await window.press('Right');
    await window.shows('the log of check-ins');
    expect(await window.screen()).not.toContain('this is qa');
    await quits(window);
  });

  it('and the whole screen follow the size of the terminal', async () => {
    const window = await open();
    await window.shows('this is qa');
    for (const [columns, rows] of [
      [50, 12],
      [120, 40],
      [30, 8],
      [80, 24],
    ] as const) {
      await window.resize({ columns, rows });
      await window.shows(/^1 worker · 0 need/);
      const drawn = (screen: string) =>
        screen.split('\n').length === rows - 1 && /^Enter attach/m.test(screen);
      await until(`a screen of ${columns}×${rows}`, () => window.screen(), drawn);
      expect((await window.screen()).match(/^1 worker/gm)).toHaveLength(1);
      expect((await window.screen()).match(/^Enter attach/gm)).toHaveLength(1);
    }
    await quits(window);
    expect(await window.screen()).toBe('before\nexit=0');
  });
});

describe('a worker that comes into NEEDS YOU', () => {
  const asks = () => worker.bash(`tmux new-session -d -s 24-qa-1 "printf 'Overwrite it? [y/N] '; exec cat"`);
  const answered = () => worker.bash('tmux kill-session -t =24-qa-1');
  const told = async () =>
    (await readFile(join(worker.dir, 'told'), 'utf8').catch(() => '')).split('\n').slice(0, -1);
  /** Waits for some more looks at the worker, by the scripts that run in it. */
  const rounds = async (name: string) => {
    const log = join(worker.dir, name);
    await worker.write('bin/bash', `#!/bin/sh\necho >>${log}\nexec /bin/bash "$@"\n`);
    await worker.bash(`chmod +x ${worker.dir}/bin/bash`);
    await until('eight more scripts', async () => (await readFile(log, 'utf8')).length > 8);
  };

  afterEach(async () => {
    await worker.bash(`tmux kill-session -t =24-qa-1 2>/dev/null || true; rm -f ${worker.dir}/bin/bash`);
  });

  it('rings and is told on the desktop once, and again only after it was well in between', async () => {
    await worker.write('bin/notify-send', `#!/bin/sh\necho "$*" >>${worker.dir}/told\n`);
    await worker.bash(`chmod +x ${worker.dir}/bin/notify-send`);
    const PATH = `${join(worker.dir, 'bin')}:${process.env['PATH']}`;
    const window = await open({ args: ['w', '--bell', '--notify'], env: { PATH } });
    await window.shows(/^1 worker · 0 need you · [\s\S]*this is qa/);
    await rounds('before');
    expect([await window.rang(), await told()]).toEqual([false, []]);
    for (const times of [1, 2]) {
      await asks();
      await window.shows(/^1 worker · 1 needs you · [\s\S]*asks a question/);
      await until('the bell', () => window.rang());
      await until('the notification', async () => (await told()).length >= times);
      await rounds(`asking-${times}`);
      expect(await window.rang()).toBe(false);
      expect(await told()).toEqual(Array(times).fill(expect.stringMatching(/ w .*24-qa-1/)));
      await answered();
      await window.shows(/^1 worker · 0 need you · /);
    }
    expect(await window.rang()).toBe(false);
    await quits(window);
  });

  it('says nothing without the flags', async () => {
    const window = await open();
    await window.shows(/^1 worker · 0 need you · [\s\S]*this is qa/);
    await asks();
    await window.shows(/^1 worker · 1 needs you · /);
    await rounds('silent');
    expect(await window.rang()).toBe(false);
    await quits(window);
  });
});

describe('colours and characters', () => {
  const colours = async (env: NodeJS.ProcessEnv) => {
    const window = await open({ env });
    await window.shows(/this is qa/);
    const screen = await window.screen('-e');
    await quits(window);
    return screen;
  };

  it('has colours, none with NO_COLOR, and marks the selected worker without them too', async () => {
    expect(await colours({ FORCE_COLOR: '1', NO_COLOR: '' })).toMatch(
      /\u001b\[(?:0;)?7m(?:\u001b\[[34]9m)*❯ w /,
    );
    const plain = await colours({ FORCE_COLOR: '', NO_COLOR: '1' });
    expect(plain).not.toContain('\u001b');
    expect(plain).toMatch(/^❯ w /m);
  });

  it('is ASCII where the locale is', async () => {
    const screen = await colours({ LANG: 'C', LC_ALL: 'C', FORCE_COLOR: '', NO_COLOR: '1' });
    expect(screen).toMatch(/^1 worker - 0 need you - /);
    expect(screen).toMatch(/^> w /m);
    expect(screen).not.toMatch(/[^\0-\u007f]/);
  });
});

describe('a key', () => {
  it('attaches, where typing arrives at once, and comes back after detaching', async () => {
    const window = await open();
    for (const round of ['first', 'second']) {
      await window.shows(/^1 worker · [\s\S]*this is qa/);
      await window.press('Enter');
      await window.shows('typing takes the issue over');
      await window.type(`typed at the ${round} time`);
      await window.press('Enter');
      await window.shows(new RegExp(`typed at the ${round} time\\ntyped at the ${round} time`));
      await window.press('C-b', 'd');
    }
    await window.shows(/^1 worker · /);
    await quits(window);
    expect(await window.screen()).toMatch(/^before\n[\s\S]*detached; 23-qa-1 goes on in w\nexit=0$/);
  });

  it('runs why and logs on the screen as it was, and waits until they are read', async () => {
    const window = await open();
    await window.shows(/this is qa/);
    await window.press('w');
    await window.shows(/\$ .*why w\n[\s\S]*any key goes back to the dashboard/);
    await window.press('x');
    await window.shows(/^1 worker · /);
    await window.press('l');
    await window.shows(/\$ .*logs w 23-qa-1\n[\s\S]*any key goes back to the dashboard/);
    await window.press('Enter');
    await window.shows(/^1 worker · /);
    await quits(window);
  });

  it('shows the session on the whole screen, and q goes back', async () => {
    const window = await open();
    await window.shows(/this is qa/);
    await window.press('p');
    await window.shows(/^23-qa-1 · \d\d:\d\d:\d\d · q quits\nthis is qa/);
    await window.press('q');
    await window.shows(/^1 worker · /);
    await quits(window);
  });

  it('drains after a question, and resumes; without a yes, nothing is done', async () => {
    const window = await open();
    await window.shows(/this is qa/);
    await window.press('D');
    await window.shows(/\$ .*drain w\n[\s\S]*Do that on w\?/);
    await window.press('Enter');
    await window.shows(/^1 worker · [\s\S]*\nnothing was done$/);
    expect(existsSync(join(worker.state, 'drain'))).toBe(false);
    await window.press('D');
    await window.shows('Do that on w?');
    await window.type('y\r');
    await window.shows(/w is drained[\s\S]*any key goes back/);
    await window.press('x');
    await window.shows(/^❯ w +drained/m);
    await window.press('D');
    await window.shows(/\$ .*resume w\n[\s\S]*Do that on w\?/);
    await window.type('y\r');
    await window.shows(/w takes work again[\s\S]*any key goes back/);
    await window.press('x');
    await window.shows(/^❯ w +between two/m);
    await quits(window);
  });

  it('sends a text after the question of the command itself', async () => {
    const window = await open();
    await window.shows(/this is qa/);
    await window.press('s');
    await window.shows('Text:');
    await window.type('hello from the dashboard\r');
    await window.shows(/typing into 23-qa-1 makes factory take #23 as human-driven[\s\S]*Type it\?/);
    await window.type('y\r');
    await window.shows('any key goes back');
    await window.press('x');
    await window.shows(/^1 worker · [\s\S]*hello from the dashboard/);
    await quits(window);
  });

  it('Ctrl-C ends the command and not the dashboard, in which it ends the dashboard', async () => {
    const window = await open();
    await window.shows(/this is qa/);
    await window.press('d');
    await window.shows(/\$ .*dispatch w/);
    await window.shows(/\?/);
    await window.press('C-c');
    await window.shows('any key goes back');
    await window.press('x');
    await window.shows(/^1 worker · /);
    await window.press('C-c');
    expect(await window.ended()).toEqual({ code: 0, restored: true });
  });

  it('filters, and ? explains the keys', async () => {
    const window = await open({ args: [] });
    await window.shows(/^31 workers · 30 need/);
    await window.type('/lost-27');
    await window.shows(/^NEEDS YOU \(1\)\n❯ lost-27 /m);
    await window.press('Escape');
    await window.shows(/❯ lost-27 [\s\S]*… \d+ more workers/);
    await window.press('?');
    await window.shows('any key goes back');
    await window.press('x');
    await window.shows(/… \d+ more workers/);
    await quits(window);
  });
});

it('has the screen for itself, also while many workers are asked at once', async () => {
  const file = join(worker.dir, 'pods.yaml');
  const entries = Array.from(
    { length: 12 },
    (_, n) => `  - {name: p-${n}, pod: p-${n}, namespace: n, context: c-${n}}\n`,
  );
  await writeFile(file, `workers:\n${entries.join('')}`);
  await worker.write('slow-kubectl', '#!/bin/sh\nsleep 1\nexit 1\n');
  await worker.bash(`chmod +x ${worker.dir}/slow-kubectl`);
  const noise = join(worker.dir, 'noise');
  const window = await open({
    args: [],
    stderr: noise,
    env: {
      FACTORY_WORKERS: file,
      KUBECTL: join(worker.dir, 'slow-kubectl'),
      FACTORY_WORKER_TRANSPORT: 'kubectl',
    },
  });
  await window.shows(/^12 workers · 12 need you/);
  await quits(window);
  expect(await readFile(noise, 'utf8')).toBe('');
});

describe('the screen is as it was', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('after %s', async (signal, code) => {
    const window = await open();
    await window.shows(/this is qa/);
    process.kill(await window.pid(), signal);
    expect(await window.ended()).toEqual({ code, restored: true });
    expect(await window.screen()).toBe(`before\nerror: interrupted\nexit=${code}`);
  });

  it('after SIGTERM while a command has the terminal', async () => {
    const window = await open();
    await window.shows(/this is qa/);
    await window.press('Enter');
    await window.shows('typing takes the issue over');
    process.kill(await window.pid(), 'SIGTERM');
    expect(await window.ended()).toEqual({ code: 143, restored: true });
  });

  it('after a crash, whose stack is there to be reported', async () => {
    const crash = join(worker.dir, 'crash.cjs');
    await writeFile(crash, "process.on('SIGUSR2', () => { throw new TypeError('a bug'); });");
    const window = await open({ env: { NODE_OPTIONS: `--require ${crash}` } });
    await window.shows(/this is qa/);
    process.kill(await window.pid(), 'SIGUSR2');
    expect(await window.ended()).toEqual({ code: 1, restored: true });
    expect(await window.screen()).toMatch(/^before\n[\s\S]*TypeError: a bug[\s\S]*exit=1$/);
  });
});

it.each([
  [[], { tty: false }, /ui needs a terminal on stdin and stdout\n {2}without one: factory-worker list/],
  [[], { tty: true, env: { TERM: 'dumb' } }, /ui needs a terminal/],
  [['nobody'], { tty: true }, /no worker "nobody"/],
] as const)('%j with %j is refused: exit 2', async (args, options, message) => {
  const { code, stderr } = await run(ui, args, {
    ...options,
    env: { ...worker.laptop, ...('env' in options ? options.env : {}) },
  });
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
});
