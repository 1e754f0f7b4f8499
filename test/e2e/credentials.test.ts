/** Secrets that change under a running worker. */
import { expect, it } from 'vitest';
import { kubectl, until } from './cluster.ts';
import { TOKEN, WORKING } from './install.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import { finished, inWorker, readyPod } from './worker.ts';

const { worker, operator } = useSite('fwc-credentials', WORKING);

/** Changes keys of the worker's Secret, as an operator or a rotation does. */
async function rotate(data: Readonly<Record<string, string>>): Promise<void> {
  const patch = JSON.stringify({ stringData: data });
  const secret = `${worker.pod}-secrets`;
  await kubectl('-n', worker.namespace, 'patch', 'secret', secret, '--type=merge', '--patch', patch);
}

/** The token that a `gh` started now would use, by way of its answer to git. */
const ghToken = async () =>
  /password=(.*)/.exec(
    await inWorker(worker, 'printf "protocol=https\\nhost=github.com\\n\\n" | gh auth git-credential get'),
  )?.[1];

/** The token that a `claude` started now in a pane would use. */
const claudeToken = () =>
  inWorker(
    worker,
    `tmux new-session -d -s ask claude
     # Seen between fork and exec it has the environment of its parent.
     for try in {1..50}; do
       sleep 0.2
       pid=$(pgrep --newest --full "[l]ibexec/claude") || continue
       token=$(tr '\\0' '\\n' <"/proc/$pid/environ" | sed --quiet 's/^CLAUDE_CODE_OAUTH_TOKEN=//p')
       if [ -n "$token" ]; then break; fi
     done
     printf %s "$token"
     tmux kill-session -t =ask`,
  );

it('a rotated Secret reaches the next gh and the next claude, without a restart and with every session kept', async () => {
  await inWorker(worker, 'tmux new-session -d -s mine "exec sleep 3600"');
  const pod = await readyPod(worker);
  expect(await ghToken()).toBe(TOKEN);
  expect(await claudeToken()).toBe(TOKEN);
  await rotate({ GH_TOKEN: 'gh-rotated', CLAUDE_CODE_OAUTH_TOKEN: 'claude-rotated' });
  await until('gh has the new token', 120, async () => (await ghToken()) === 'gh-rotated');
  expect(await claudeToken()).toBe('claude-rotated');
  expect(await readyPod(worker)).toBe(pod);
  expect((await operator.row(worker)).sessions).toContain('mine');
  // Where a token must not be: in the environment of what lives long.
  const environments = await inWorker(
    worker,
    'for pid in 1 $(pgrep tmux) $(pgrep --full "[s]upervisor.js"); do tr "\\0" "\\n" <"/proc/$pid/environ"; done; tmux show-environment -g',
  );
  expect(environments).toContain('WORKER_NAME');
  expect(environments).not.toMatch(new RegExp(`${TOKEN}|rotated`));
});

it('a revoked token: degraded, with the cure; sessions and queue stay; a new one cures it', async () => {
  const pod = await readyPod(worker);
  await rotate({ GH_TOKEN: 'bad-token' });
  await until('it is noticed', 120, async () => (await operator.row(worker)).status === 'degraded');
  saw('GitHub token revoked: list', await operator.list());
  const status = await operator.status(worker);
  saw('GitHub token revoked: status', status);
  expect(status.stdout).toMatch(/GitHub refuses GH_TOKEN .*kubectl .*patch secret \S+-secrets/);
  expect((await operator.row(worker)).sessions).toContain('mine');
  await rotate({ GH_TOKEN: 'gh-new' });
  await until('it is cured', 120, async () => (await operator.row(worker)).status === 'running');
  expect(await readyPod(worker)).toBe(pod);
  expect(await operator.dispatch(worker, 1)).toExitWith(0);
  await finished(worker, 1);
});
