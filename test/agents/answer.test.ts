/** `answer`, given to the real claude. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { answer } from '../../scripts/answer.ts';
import { run } from '../support/run-command.ts';
import { type Agent, startAgent } from './agent.ts';
import { SCREENS } from './screens.ts';

const SESSION = '42-build-1';

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent();
});
afterAll(() => agent?.remove());

/** Brings a screen about, with a hook that notes each prompt, as factory's own does. */
async function show(name: string): Promise<void> {
  const screen = SCREENS.find((candidate) => candidate.name === name);
  if (screen === undefined) throw new Error(`no screen ${name}`);
  await agent.fresh();
  const hook = { type: 'command', command: `echo prompt >>${join(agent.worker.dir, 'prompts')}` };
  await agent.write(join(agent.worker.dir, 'prompts'), '');
  await agent.settings({ permissions: {}, hooks: { UserPromptSubmit: [{ hooks: [hook] }] } });
  await screen.before?.(agent);
  agent.server.answer = screen.answer ?? { say: 'Done.' };
  await agent.start(SESSION, screen.flags === undefined ? {} : { flags: screen.flags });
  if (screen.answer !== undefined) {
    await agent.until(SESSION, /shift\+tab to cycle|\? for shortcuts/);
    await agent.paste(SESSION, 'Work on issue 42.');
  }
  await agent.until(SESSION, screen.shows);
}

const reply = (...args: string[]) => run(answer, ['w', ...args], { env: agent.worker.laptop });
/** factory takes an issue as human-driven for each prompt that it has not sent. */
const prompts = async () =>
  (await readFile(join(agent.worker.dir, 'prompts'), 'utf8')).split('\n').length - 1;

test.each<[string, string[], RegExp]>([
  ['question', ['--choice', '2'], /Which colour\? → Blue/],
  ['question', ['--choice', '3', '--text', 'Green, or "grey"'], /Which colour\? → Green, or "grey"/],
  ['permission', ['--choice', '1'], /● Done\./],
  ['permission-write', ['--choice', '3'], /rejected/i],
  ['plan', ['--choice', '3', '--text', 'Test it first'], /Rejected Claude's plan/],
])('%s: %j', async (name, flags, shows) => {
  await show(name);
  const { code, stdout, stderr } = await reply(...flags);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^answered in 42-build-1: /);
  await agent.until(SESSION, shows);
  expect(await prompts()).toBe(1);
});

test.each<[string, string]>([
  ['trust', '2'],
  ['imports', '1'],
  ['mcp', '3'],
  ['settings-error', '3'],
])('%s: a start goes on', async (name, choice) => {
  await show(name);
  expect(await reply(SESSION, '--choice', choice)).toMatchObject({ code: 0, stderr: '' });
  await agent.until(SESSION, /shift\+tab to cycle|\? for shortcuts/);
});

/** Takes the next Enter away before claude sees it. For the screen that is as if claude had dropped it. */
async function dropEnter(): Promise<void> {
  const { dir } = agent.worker;
  const tmux = `#!/bin/bash
if [[ $1 == send-keys && \${*: -1} == Enter ]] && rm '${dir}/drop' 2>/dev/null; then exit; fi
PATH=\${PATH#*:} exec tmux "$@"
`;
  await writeFile(join(dir, 'bin', 'tmux'), tmux, { mode: 0o755 });
  await agent.worker.write('drop', '');
}

test.each<[string, string, RegExp]>([
  ['mcp', '3', /\? for shortcuts/],
  ['question', '1', /Which colour\? → Red/],
])('%s: a dropped Enter is pressed once more', async (name, choice, shows) => {
  await show(name);
  await dropEnter();
  expect(await reply(SESSION, '--choice', choice)).toMatchObject({ code: 0, stderr: '' });
  expect(existsSync(join(agent.worker.dir, 'drop'))).toBe(false);
  await agent.until(SESSION, shows);
});

test('several questions, one after the other', async () => {
  await show('questions');
  expect((await reply('--choice', '1,2')).stdout).toContain('it now asks: Which colour?');
  expect((await reply('--choice', '2')).stdout).toContain('it now asks: ');
  expect((await reply('--choice', '1')).code).toBe(0);
  await agent.until(SESSION, /Which parts\? → Red, Blue[\s\S]*Which colour\? → Blue/);
  expect(await prompts()).toBe(1);
});
