/** What the keys of an operator do in a worker's sessions, by the tmux.conf that a worker has. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { openTerminal, type Terminal, type Window } from '../support/terminal.ts';

const CONF = new URL('../../image/etc/tmux.conf', import.meta.url).pathname;

let worker: HandWorker;
let terminal: Terminal;
beforeAll(async () => {
  worker = await handWorker({ projects: [] });
  await worker.bash(`cp '${CONF}' "$HOME/.tmux.conf" && tmux start-server`);
  terminal = await openTerminal();
});
afterAll(async () => {
  await terminal?.close();
  await worker?.remove();
});

/** Attached as an operator is. */
async function attached(session: string): Promise<Window> {
  await worker.bash(`tmux new-session -d -s ${session} cat`);
  const window = await terminal.run(`tmux attach -t =${session}`, { ...worker.env, TMUX: '' });
  await window.shows(session);
  return window;
}

const panes = async (session: string) =>
  (await worker.bash(`tmux list-panes -s -t =${session}`)).trimEnd().split('\n').length;

it('who attaches and detaches is noticed by a program that asked for it, and by no other', async () => {
  const detach = async (session: string, command: string) => {
    await worker.bash(`tmux new-session -d -s ${session} '${command}'`);
    const window = await terminal.run(`tmux attach -t =${session}`, { ...worker.env, TMUX: '' });
    await window.shows(session);
    await window.press('C-b', 'd');
    await window.ended();
  };
  const screen = async (session: string) =>
    (await worker.bash(`tmux capture-pane -p -t =${session}:`)).trim();
  await detach('agent', 'printf "\\033[?1004h"; exec cat -v');
  await expect.poll(() => screen('agent')).toMatch(/\^\[\[I\^\[\[O$/);
  await detach('plain', 'exec cat -v');
  // The agent was killed, and its shell is left.
  await detach('left', 'printf "\\033[?1004h"; PS1="ready " exec bash --norc --noprofile');
  expect([await screen('plain'), await screen('left')]).toEqual(['', 'ready']);
});

describe('another pane or window', () => {
  it.each(['%', '"', 'c'])('in the session of a stage is asked for: C-b %s', async (key) => {
    const session = `42-build-${'%"c'.indexOf(key) + 1}`;
    const window = await attached(session);
    await window.press('C-b', key);
    await window.shows('factory types into the active pane of');
    expect(await panes(session)).toBe(1);
    await window.press('y');
    await expect.poll(() => panes(session)).toBe(2);
  });

  it('in a session of a person is opened at once', async () => {
    const window = await attached('notes');
    await window.press('C-b', '%');
    await expect.poll(() => panes('notes')).toBe(2);
  });
});
