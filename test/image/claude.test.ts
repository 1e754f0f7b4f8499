/** The real claude of the image: what the worker has prepared is what this version asks for at its first start. */
import { afterAll, expect, test } from 'vitest';
import { removeWorkers, startWorker, until } from './worker.ts';

afterAll(removeWorkers);

test('it starts in a worktree without a question', async () => {
  const worker = await startWorker({
    image: 'factory-worker:test',
    docker: false,
    args: ['--network', 'none'],
    secrets: {
      CLAUDE_CODE_OAUTH_TOKEN: `sk-ant-oat01-${'A'.repeat(95)}`,
      GH_TOKEN: 'x',
      GH_USER: 'factory-bot',
    },
  });
  await worker.ready();
  await worker.must(
    'git init --quiet "$WORKER_REPOS_DIR/demo" && cd "$WORKER_REPOS_DIR/demo" && git commit --quiet --allow-empty --message x && git worktree add --quiet worktrees/issue-1 -b i1',
  );
  const state = '/root/.factory/worker/claude/.claude.json';
  await until(
    'trust in the clone',
    async () => (await worker.sh(`jq -e '.projects["/root/.factory/repos/demo"]' ${state}`)).code === 0,
    20,
  );
  await worker.must(
    'tmux new-session -d -s agent -x 120 -y 40 -c "$WORKER_REPOS_DIR/demo/worktrees/issue-1" && tmux send-keys -t =agent: "claude --dangerously-skip-permissions" Enter',
  );
  const screen = await until('claude', async () => {
    const { stdout } = await worker.sh('tmux capture-pane -p -t =agent:');
    return /bypass permissions on|Enter to confirm/.test(stdout) ? stdout : null;
  });
  expect(screen).toContain('bypass permissions on');
  expect(screen).not.toMatch(/trust|Enter to confirm/);
});
