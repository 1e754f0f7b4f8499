/**
 * The real claude, on every screen that it may stop at: what the diagnosis says of each. With SCREENS=write what was captured
 * becomes the fixture that the other tests use (make screens).
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findPrompt } from '../../scripts/lib/claude/prompts.ts';
import { type Agent, startAgent } from './agent.ts';
import { linesOf, SCREENS } from './screens.ts';

const FIXTURES = new URL('../claude/screens', import.meta.url).pathname;

/** Those that have nothing to do; as many as tests run at once (maxConcurrency). */
const free: Agent[] = [];
beforeAll(async () => {
  free.push(...(await Promise.all([startAgent(), startAgent()])));
});
afterAll(() => Promise.all(free.map((agent) => agent.remove())));

describe('a screen of claude', () => {
  test.concurrent.each(SCREENS)('$name', async ({ name, id, flags, before, answer, shows }) => {
    const agent = free.pop();
    if (agent === undefined) throw new Error('more tests at once than agents');
    try {
      const session = '42-build-1';
      await agent.fresh();
      // What the seeds decide otherwise; without a hook that would add its own lines.
      await agent.settings({ autoContinueAtUsageLimit: true, permissions: {}, hooks: {} });
      await before?.(agent);
      agent.server.answer = answer ?? { say: 'Done.' };
      await agent.start(session, flags === undefined ? {} : { flags });
      if (answer !== undefined) {
        await agent.until(session, /shift\+tab to cycle|\? for shortcuts/);
        await agent.paste(session, 'Work on issue 42.\nCommit what you have done.');
      }
      const screen = await agent.until(session, shows);
      if (process.env['SCREENS'] === 'write')
        await writeFile(join(FIXTURES, `${name}.txt`), anonymous(screen, agent.worker.dir));
      expect(findPrompt(linesOf(screen))?.id ?? null).toBe(id);
    } finally {
      free.push(agent);
    }
  });
});

/** Without what is of this machine and this minute. */
function anonymous(screen: string, dir: string): string {
  return `${screen
    .replaceAll(join(dir, 'home'), '/root')
    .replaceAll(dir, '/tmp/worker')
    .replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:8080')
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .trimEnd()}\n`;
}
