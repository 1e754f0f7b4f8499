/** The real claude on what volumes and projects bring along: with the seeds of the supervisor it asks nothing, and works. */
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findPrompt } from '../../scripts/lib/claude/prompts.ts';
import { type Agent, startAgent } from './agent.ts';
import { linesOf } from './screens.ts';

const SESSION = '42-build-1';
/** claude's box is there, or one of its dialogs. */
const STARTED = /shift\+tab to cycle|Enter to confirm|❯ 1\./;

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent();
});
afterAll(() => agent?.remove());
beforeEach(() => agent.fresh());

const commit = () =>
  agent.worker.bash(
    `cd '${agent.clone}' && git add -A && git -c user.name=t -c user.email=t@t commit -qm change && git worktree add -q worktrees/issue-42 -b issue-42`,
  );
const inClone = (path: string, text: string) => agent.write(join(agent.clone, path), text);

/** Imports from outside of the project, which claude asks about. */
async function importNotes(): Promise<void> {
  await agent.write(join(agent.worker.dir, 'home', 'outside.md'), 'From outside.\n');
  await inClone('CLAUDE.md', '@~/outside.md\n');
}

/** As versions from before left it: other keys, projects that are gone, nothing of what is asked since. */
async function oldVolume(): Promise<void> {
  const state = {
    numStartups: 7,
    userID: 'a'.repeat(64),
    hasCompletedOnboarding: true,
    lastOnboardingVersion: '1.0.44',
    autoUpdates: false,
    projects: { [agent.clone]: { allowedTools: [], history: [], hasTrustDialogAccepted: false } },
  };
  await agent.write(join(agent.config, '.claude.json'), JSON.stringify(state));
  await agent.write(join(agent.config, 'settings.json'), '{"model": "sonnet"}');
  await agent.seed();
}

describe('claude starts without a question', () => {
  test.each<[string, () => Promise<unknown>, string?]>([
    ['on an empty volume', async () => {}],
    ['on a volume of an older version', oldVolume],
    ['where CLAUDE.md imports files from outside', importNotes],
    [
      'in a worktree, where CLAUDE.md imports files from outside',
      async () => {
        await importNotes();
        await commit();
      },
      'worktrees/issue-42',
    ],
    ['with an .mcp.json', () => inClone('.mcp.json', '{"mcpServers": {"demo": {"command": "true"}}}')],
    [
      'with hooks',
      () =>
        inClone(
          '.claude/settings.json',
          '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]}}',
        ),
    ],
    [
      'with plugins of a marketplace',
      () =>
        inClone(
          '.claude/settings.json',
          '{"enabledPlugins": {"x@y": true}, "extraKnownMarketplaces": {"y": {"source": {"source": "directory", "path": "/nonexistent"}}}}',
        ),
    ],
  ])('%s', async (_, prepare, folder = '.') => {
    await prepare();
    agent.server.answer = { say: 'It is done.' };
    await agent.start(SESSION, { folder: join(agent.clone, folder) });
    const screen = await agent.until(SESSION, STARTED);
    expect(findPrompt(linesOf(screen))).toBeNull();
    await agent.paste(SESSION, 'Work on issue 42.\nCommit what you have done.');
    // Nor does it have advice about tmux, in every pane anew.
    expect(await agent.until(SESSION, /It is done\./)).not.toMatch(/focus-events/);
    // One prompt of two lines, and not two.
    const prompts = agent.server.requests.filter(({ body }) =>
      body.includes('Work on issue 42.\\nCommit what'),
    );
    expect(prompts.length).toBeGreaterThan(0);
  });

  test('in a clone that is a link', async () => {
    const real = join(agent.worker.dir, 'elsewhere');
    await agent.worker.bash(
      `git clone -q '${agent.clone}' '${real}' && ln -s '${real}' "$WORKER_REPOS_DIR/linked"`,
    );
    await agent.seed();
    await agent.start(SESSION, { folder: join(agent.worker.repos, 'linked') });
    expect(findPrompt(linesOf(await agent.until(SESSION, STARTED)))).toBeNull();
  });
});
