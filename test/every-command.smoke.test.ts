/** Every command, as a person types it, once on a real worker of this machine: it is entered, works, and is retired. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { packageRoot, packageVersion } from '../scripts/lib/cli/version.ts';
import { ALL_COMMANDS } from './support/commands.ts';
import { makeFolder } from './support/janitor.ts';
import { program, programLine } from './support/program.ts';
import { mismatch } from './support/published.ts';
import type { Outcome } from './support/run-command.ts';
import { openTerminal, type Terminal } from './support/terminal.ts';
import { until } from './support/until.ts';

const EXAMPLES = join(packageRoot(), 'examples');

/** The stand-ins work fast; the agent of the second issue stays, so that there is something to look at. */
const SETTINGS = `STANDIN_FACTORY_BOOT_SECONDS=0.3
STANDIN_FACTORY_POLL_SECONDS=0.3
STANDIN_CLAUDE_QUIET_SECONDS=0.4
STANDIN_CLAUDE_WORK_SECONDS=0.4
`;
const STAYS = 'STANDIN_CLAUDE_STAY=implement\nSTANDIN_CLAUDE_STAY_SECONDS=3600\n';

let dir: string;
let env: NodeJS.ProcessEnv;
let terminal: Terminal;
const settings = (text: string) => writeFileSync(join(dir, 'w', 'home', '.factory-standin'), text);

beforeAll(async () => {
  dir = await makeFolder('ec-');
  mkdirSync(join(dir, 'w', 'home'), { recursive: true });
  mkdirSync(join(dir, 'laptop'));
  settings(SETTINGS);
  execFileSync(join(EXAMPLES, 'demo', 'make-origin.sh'), [join(dir, 'origin.git')]);
  env = {
    PATH: process.env['PATH'],
    HOME: join(dir, 'laptop'),
    FACTORY_WORKERS: join(dir, 'workers.yaml'),
    KUBECTL: '/nonexistent/kubectl',
    TERM: 'xterm-256color',
    LANG: 'C.UTF-8',
  };
  terminal = await openTerminal();
});
afterAll(async () => {
  await terminal.close();
  await type('local', 'down', 'w');
});

/** Types a command, and waits for its end. */
function type(name: string, ...args: string[]): Promise<Outcome> {
  const [node, ...words] = program(name);
  return new Promise((resolve) => {
    const child = execFile(node, [...words, ...args], { env, cwd: dir }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
    child.stdin?.end();
  });
}

/** The same where it has to succeed. @returns its stdout */
async function done(name: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await type(name, ...args);
  expect(code, `${name} ${args.join(' ')}\n${stdout}${stderr}`).toBe(0);
  return stdout;
}

const onTerminal = (name: string, ...args: string[]) => terminal.run(programLine(name, ...args), env);

/** A worker on this machine has neither an image nor a Secret: how the command says so is all that can be seen of it. */
async function refuses(code: number, words: RegExp, ...argv: [string, ...string[]]): Promise<void> {
  expect(await type(...argv)).toEqual({ code, stdout: '', stderr: expect.stringMatching(words) });
}

/** In the order of a worker's life; each goes on where the one before it ended. */
const WALK: Readonly<Record<string, () => Promise<void>>> = {
  provision: () => refuses(127, /which cluster the worker is for: kubectl/, 'provision', 'new', '--yes'),
  local: async () => {
    const args = [
      '--home',
      join(dir, 'w'),
      '--bin',
      join(EXAMPLES, 'bin'),
      '--project',
      `demo=${dir}/origin.git`,
    ];
    expect(await done('local', 'up', 'w', ...args)).toMatch(/^w is running; its folder is /);
  },
  workers: async () => expect(await done('workers', 'show')).toContain(join(dir, 'w')),
  doctor: async () => {
    // Neither kubectl nor perhaps Helm is there; inside the worker all is well.
    const { stdout } = await type('doctor', 'w');
    expect(stdout).toMatch(/^ {2}fail +kubectl /m);
    expect(stdout).toMatch(/^ {2}ok +boot +every phase ended well$/m);
  },
  ui: async () => {
    const window = await onTerminal('ui');
    await window.shows(/^1 worker · [\s\S]*❯ w +nothing to do/);
    await window.press('q');
    expect(await window.ended()).toEqual({ code: 0, restored: true });
  },
  list: async () => expect(await done('list')).toMatch(/^w +\(local\) +running +orchestrator +-$/m),
  dispatch: async () => {
    expect(await done('dispatch', 'w', '--project', 'demo', '--issue', '1')).toBe(
      'demo#1 queued: place 1 of 1\n',
    );
  },
  wait: async () => void (await done('wait', 'w', 'issue:1=completed')),
  status: async () => {
    expect(await done('status', 'w')).toMatch(/^demo#1 +completed/m);
    const shown = parse(await done('status', 'w', '-o', 'yaml'));
    expect(shown).toMatchObject({ name: 'w', snapshot: { queue: [{ issue: 1, status: 'completed' }] } });
    expect(mismatch('status', shown)).toBeNull();
  },
  logs: async () => expect(await done('logs', 'w')).toContain('check-in in demo: #1 completed'),
  cleanup: async () => expect(await done('cleanup', 'w', '--dry-run')).toMatch(/^worktree demo#1 /m),
  sessions: async () => {
    settings(SETTINGS + STAYS);
    await done('dispatch', 'w', '--project', 'demo', '--issue', '2');
    const seen = () => done('sessions', 'w');
    await until('the agent at work', seen, (text) => /^2-implement-1 +implement +demo#2 /m.test(text));
  },
  peek: async () => {
    const seen = () => done('peek', 'w', '--session', 'implement');
    await until('the agent on its screen', seen, (text) => text.includes('Stand-in for Claude Code'));
  },
  why: async () => expect(await done('why', 'w')).toContain('nothing is wrong: demo#2 is at stage implement'),
  usage: async () => expect(await done('usage', 'w')).toMatch(/^worktree demo#2 /m),
  watch: async () => {
    const [node, ...words] = program('watch');
    const child = spawn(node, [...words, 'w'], { env, cwd: dir });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
    const ended = once(child, 'exit');
    await until(
      'that it watches',
      () => said,
      (text) => text.includes('watching w'),
    );
    child.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
  },
  send: async () => {
    await done('send', 'w', 'implement', 'hello there', '--yes');
    const seen = () => done('peek', 'w', '--session', 'implement');
    await until('the text on its screen', seen, (text) => text.includes('hello there'));
  },
  answer: async () => {
    const { code, stderr } = await type('answer', 'w');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: no session of w has a question now\n/);
  },
  attach: async () => {
    const window = await onTerminal('attach', 'w', '--session', 'orchestrator');
    await window.shows('check-in in demo');
    await window.press('C-b', 'd');
    expect(await window.ended()).toEqual({ code: 0, restored: true });
  },
  shell: async () => {
    const window = await onTerminal('shell', 'w');
    await window.shows('Ctrl-d leaves it');
    await window.type('exit 3\r');
    expect((await window.ended()).code).toBe(3);
  },
  exec: async () =>
    expect(await done('exec', 'w', '--', 'printenv', 'HOME')).toBe(`${join(dir, 'w', 'home')}\n`),
  cp: async () => {
    writeFileSync(join(dir, 'notes'), 'a line\n');
    await done('cp', 'notes', 'w:notes');
    expect(readFileSync(join(dir, 'w', 'home', 'notes'), 'utf8')).toBe('a line\n');
  },
  'port-forward': async () => expect((await type('port-forward', 'w', '1')).code).toBe(0),
  unstick: async () => {
    expect(await done('unstick', 'w', '2', '--give-up', '--yes')).toMatch(/^#2 is given up/);
  },
  projects: async () => expect(await done('projects', 'w')).toMatch(/^demo +ready +release /m),
  queue: async () => {
    expect(await done('queue', 'w', 'requeue', '2', '--dry-run')).toContain('#2');
  },
  drain: async () => {
    await done('drain', 'w', '--reason', 'a pause', '--wait');
    expect(await done('list')).toMatch(/^w +\(local\) +drained /m);
  },
  backup: async () => expect(await done('backup', 'w', 'w.tar.gz')).toMatch(/^w\.tar\.gz: .*integrity ok$/m),
  restore: async () => {
    await done('restore', 'w.tar.gz', 'w', '--yes');
    expect(await done('queue', 'w', '--all')).toContain('demo#1');
  },
  resume: async () => {
    await done('resume', 'w');
    expect(await done('list')).not.toContain('drained');
  },
  stop: async () => expect(await done('stop', 'w')).toBe('w is stopped\n'),
  start: async () => expect(await done('start', 'w')).toBe('w is running\n'),
  resize: () => refuses(2, /w is a local worker: it has no limits/, 'resize', 'w', '--memory', '12Gi'),
  rotate: () => refuses(2, /w runs on this machine, without a Secret/, 'rotate', 'w'),
  'build-push-rollout': () =>
    refuses(2, /w runs on this machine and has no image/, 'build-push-rollout', 'w'),
  rollback: () => refuses(2, /w runs on this machine and has no image/, 'rollback', 'w'),
  releases: async () =>
    expect((await type('releases')).stderr).toContain('no release has been made from here'),
  'shell-init': async () => expect(await done('shell-init', 'bash')).toMatch(/^complete .*-F /m),
  complete: async () => {
    expect(await done('complete', 'fish', '--', 'factory-worker', 'status', '')).toMatch(/^w\t/m);
  },
  retire: async () => {
    expect(await done('retire', 'w', '--purge', '--confirm', 'w', '--yes')).toBe('w is retired\n');
    expect(existsSync(join(dir, 'w'))).toBe(false);
  },
};

describe('on a real worker of this machine', () => {
  it('is every command there is', () => {
    expect(Object.keys(WALK).toSorted()).toEqual(Object.keys(ALL_COMMANDS).toSorted());
  });

  it.each(Object.entries(WALK))('%s', (_name, typed) => typed());
});

it('factory-worker alone says its version', async () => {
  const [node, bundle] = program('');
  expect(execFileSync(node, [String(bundle), '--version'], { env, encoding: 'utf8' })).toBe(
    `factory-worker ${packageVersion()}\n`,
  );
});
