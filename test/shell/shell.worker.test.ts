import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shell } from '../../scripts/shell.ts';
import { type FakeKubectl, fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { programLine } from '../support/program.ts';
import { run } from '../support/run-command.ts';
import { openTerminal, type Terminal } from '../support/terminal.ts';

let worker: HandWorker;
let kubectl: FakeKubectl;
let terminal: Terminal;
beforeAll(async () => {
  worker = await handWorker();
  kubectl = fakeKubectl(worker.cluster());
  terminal = await openTerminal();
});
afterAll(async () => {
  await terminal.close();
  kubectl.remove();
  await worker.remove();
});

const open = (...args: string[]) =>
  terminal.run(programLine('shell', ...args), { ...worker.laptop, KUBECTL: kubectl.path });

describe.each([
  ['a local worker', 'w'],
  ['a pod', 'worker-1'],
])('a shell in %s', (_, name) => {
  it('is a login shell on this terminal, in the project’s clone; its exit code is the command’s', async () => {
    const window = await open(name, '--project', 'acme/demo');
    await window.shows('exit or Ctrl-d leaves it');
    await window.shows(`(${name}) `);
    await window.type('PROMPT_COMMAND= ; env | grep -c PROMPT_COMMAND\r');
    await window.type('shopt -q login_shell && echo "login in $PWD"; stty size; exit 3\r');
    expect((await window.ended()).code).toBe(3);
    const screen = await window.screen();
    expect(screen).toContain(`login in ${worker.repos}/demo`);
    expect(screen).toMatch(/\n30 100\n/);
  });

  it('in a project that is not there says which there are: exit 2', async () => {
    const window = await open(name, '--project', 'nope');
    expect((await window.ended()).code).toBe(2);
    expect(await window.screen()).toContain('this worker has no project nope; it has: demo');
  });
});

it('without a terminal says what to type instead', async () => {
  expect(await run(shell, ['w'], { env: worker.laptop })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('factory-worker exec w -- bash -c COMMAND'),
  });
});
