import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { cleanup } from '../../scripts/cleanup.ts';
import { dockerBytes } from '../../scripts/lib/housekeeping/usage.ts';
import { fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { type RunOptions, run } from '../support/run-command.ts';

let worker: HandWorker;
let recordings: string;
beforeAll(async () => {
  worker = await handWorker();
  recordings = join(worker.state, 'logs', 'sessions');
});
afterEach(async () => {
  await worker.bash('tmux kill-server 2>/dev/null || true; rm -rf "$WORKER_STATE_DIR/logs"');
  await worker.reset();
});
afterAll(() => worker.remove());

const clean = (args: readonly string[], options: RunOptions = {}) =>
  run(cleanup, ['w', ...args], { env: worker.laptop, ...options });
const checkIn = 'cd "$WORKER_REPOS_DIR/demo" && factory orchestrator check-in --format json';
const worktree = (issue: number) => join(worker.repos, 'demo', 'worktrees', `issue-${issue}`);
/** An issue that factory itself has completed, with its worktree and a recording. */
async function finished(issue: number): Promise<void> {
  await worker.bash(`factory queue add ${issue} --intent x && ${checkIn} && ${checkIn}`);
  await recording(`${issue}-one-1`);
}
async function recording(name: string): Promise<void> {
  await mkdir(recordings, { recursive: true });
  await writeFile(join(recordings, `${name}.log`), 'x'.repeat(10_000));
}
const recorded = (name: string) => existsSync(join(recordings, `${name}.log`));
/** What each thing would come to, by its name. */
async function plan(...args: string[]): Promise<Record<string, string>> {
  const { stdout } = await clean(['--dry-run', '-o', 'json', ...args]);
  const { items } = JSON.parse(stdout) as { items: { what: string; keep: string | null }[] };
  return Object.fromEntries(items.map(({ what, keep }) => [what, keep ?? 'go']));
}

describe('cleanup', () => {
  it('shows each thing with its size, asks, and removes what a finished issue has left', async () => {
    await finished(23);
    const { code, stdout, stderr } = await clean([], {
      tty: true,
      columns: 200,
      keys: [{ after: 'Remove 2 things from w', type: 'y\r' }],
    });
    expect(code).toBe(0);
    expect(stdout.replaceAll(/\d+(\.\d)?KiB/g, 'N').replaceAll(/ +/g, ' ')).toBe(
      'WHAT SIZE FATE\nworktree demo#23 N go\nlog 23-one-1 N go\nremoved 2 things, about N\n',
    );
    expect(stderr).toContain('Remove 2 things from w');
    expect([existsSync(worktree(23)), recorded('23-one-1')]).toEqual([false, false]);
    // The branch stays, and factory still knows that the issue is completed.
    expect(await worker.bash('git -C "$WORKER_REPOS_DIR/demo" branch --list "feature/*"')).toContain(
      'issue-23',
    );
    expect(await worker.rows()).toEqual(['23 completed']);
    expect((await worker.lines('operators.jsonl')).map(({ what }) => what)).toContain('cleanup log 23-one-1');
    expect(await clean([])).toEqual({ code: 0, stdout: '', stderr: 'there is nothing to clean up on w\n' });
  });

  it('removes nothing on --dry-run, without a yes, and without anybody to ask', async () => {
    await finished(23);
    expect((await clean(['--dry-run'])).code).toBe(0);
    expect((await clean([], { tty: true, keys: [{ after: 'Remove', type: 'n\r' }] })).code).toBe(1);
    expect(await clean([])).toMatchObject({ code: 2, stderr: expect.stringContaining('give --yes') });
    expect([existsSync(worktree(23)), recorded('23-one-1')]).toEqual([true, true]);
  });

  it('leaves alone what is queued, worked on, or made by hand', async () => {
    await finished(23);
    await recording('notes');
    await worker.bash(`factory queue add 24 25 --intent x && ${checkIn}`);
    await recording('24-one-1');
    await recording('25-one-1');
    expect(await plan('--issue', '24,25')).toEqual({
      'worktree demo#23': 'go',
      'log 23-one-1': 'go',
      'worktree demo#24': expect.stringMatching(/^#24 is /),
      'log 24-one-1': expect.stringMatching(/^#24 is /),
      'log 25-one-1': '#25 waits in the queue',
    });
    await worker.bash('tmux new-session -d -s 23-one-1 cat');
    expect(await plan()).toMatchObject({ 'worktree demo#23': 'session 23-one-1 runs' });
    expect((await clean(['--yes'])).code).toBe(0);
    expect([23, 24].map((issue) => existsSync(worktree(issue)))).toEqual([true, true]);
  });

  it('keeps uncommitted files and unpushed commits, unless their issue is named', async () => {
    await finished(23);
    await finished(24);
    await writeFile(join(worktree(23), 'new.txt'), 'mine');
    await worker.bash(
      `cd ${worktree(24)} && echo x >x && git add x && git -c user.name=t -c user.email=t@t commit -qm x`,
    );
    expect(await plan()).toMatchObject({
      'worktree demo#23': '1 file not committed; --issue 23 removes it all the same',
      'worktree demo#24': '1 commit not pushed; --issue 24 removes it all the same',
    });
    expect((await clean(['--yes'])).code).toBe(0);
    expect([23, 24].map((issue) => existsSync(worktree(issue)))).toEqual([true, true]);
    expect((await clean(['--yes', '--issue', '23'])).code).toBe(0);
    expect([23, 24].map((issue) => existsSync(worktree(issue)))).toEqual([false, true]);
  });

  it('removes a worktree with submodules, which git does by force only, when nothing in them would be lost', async () => {
    const [saved, changed, committed] = [23, 24, 25];
    await worker.bash(
      'git init -q -b main library && cd library && git -c user.name=t -c user.email=t@t commit -q --allow-empty -m library',
    );
    for (const issue of [saved, changed, committed]) {
      await finished(issue);
      await worker.bash(
        `cd ${worktree(issue)} && git -c protocol.file.allow=always submodule --quiet add ${worker.dir}/library lib &&
         git -c user.name=t -c user.email=t@t commit -qm lib && git update-ref refs/remotes/origin/feature/issue-${issue} HEAD`,
      );
    }
    await writeFile(join(worktree(changed), 'lib', 'new.txt'), 'mine');
    // What the worktree itself has is pushed, and what its submodule has is not.
    await worker.bash(
      `cd ${worktree(committed)} && git -C lib -c user.name=t -c user.email=t@t commit -q --allow-empty -m mine && git add lib &&
       git -c user.name=t -c user.email=t@t commit -qm lib && git update-ref refs/remotes/origin/feature/issue-${committed} HEAD`,
    );
    expect(await plan()).toMatchObject({
      'worktree demo#23': 'go',
      'worktree demo#24': '1 file not committed; --issue 24 removes it all the same',
      'worktree demo#25': '1 commit not pushed; --issue 25 removes it all the same',
    });
    expect(await clean(['--yes'])).toMatchObject({ code: 0, stderr: '' });
    expect([saved, changed, committed].map((issue) => existsSync(worktree(issue)))).toEqual([
      false,
      true,
      true,
    ]);
    expect(await clean(['--yes', '--issue', '24,25'])).toMatchObject({ code: 0 });
    expect([changed, committed].map((issue) => existsSync(worktree(issue)))).toEqual([false, false]);
  });

  it('keeps a worktree that is locked unless its issue is named', async () => {
    await finished(23);
    await worker.bash(`git -C ${worktree(23)} worktree lock --reason 'on a disk of mine' ${worktree(23)}`);
    expect(await plan()).toMatchObject({
      'worktree demo#23': 'locked in git; --issue 23 removes it all the same',
    });
    expect(await clean(['--yes', '--issue', '23'])).toMatchObject({ code: 0 });
    expect(existsSync(worktree(23))).toBe(false);
  });

  it('keeps what was taken and not begun, and folders that git does not know, unless their issue is named', async () => {
    await worker.bash('factory queue add 23 --intent x');
    await worker.sql("UPDATE issue_queue SET status = 'active'");
    await worker.bash(`cd "$WORKER_REPOS_DIR/demo" && git worktree add --quiet ${worktree(23)}`);
    await mkdir(worktree(24), { recursive: true });
    await writeFile(join(worktree(24), 'new.txt'), 'mine');
    const release = await worker.holdLock('locks/check-in');
    expect(await plan('--issue', '23')).toMatchObject({ 'worktree demo#23': '#23 is being worked on' });
    await release();
    expect(await plan()).toEqual({
      'worktree demo#23': '#23 was taken from the queue and not begun; --issue 23 removes it all the same',
      'worktree demo#24': 'nothing says that #24 is finished; --issue 24 removes it all the same',
    });
    expect((await clean(['--yes', '--issue', '23,24'])).code).toBe(0);
    expect([23, 24].map((issue) => existsSync(worktree(issue)))).toEqual([false, false]);
    await worker.bash('git -C "$WORKER_REPOS_DIR/demo" branch -D issue-23');
  });

  it('looks once more when it removes: what was taken up or written in the meantime stays', async () => {
    await finished(23);
    await finished(24);
    const kubectl = fakeKubectl(worker.cluster());
    const env = { ...worker.laptop, KUBECTL: kubectl.path };
    const answer = run(cleanup, ['worker-1'], {
      env,
      tty: true,
      columns: 200,
      keys: [{ after: 'Remove 4 things', type: 'y\r' }],
    });
    // While the question is being drawn and answered.
    await expect
      .poll(() => kubectl.calls().filter(({ argv, endedAt }) => argv.includes('exec') && endedAt).length, {
        timeout: 20_000,
        interval: 1,
      })
      .toBe(1);
    await Promise.all([
      worker.bash('tmux new-session -d -s 23-one-2 cat'),
      writeFile(join(worktree(24), 'new.txt'), 'mine'),
    ]);
    const { code, stderr } = await answer;
    kubectl.remove();
    expect(stderr).toMatch(/worktree demo#23 stayed: #23 is being worked on/);
    expect(stderr).toMatch(/worktree demo#24 could not be removed: .*modified or untracked files/);
    expect(code).toBe(1);
    expect([23, 24].map((issue) => existsSync(worktree(issue)))).toEqual([true, true]);
  });

  it('keeps everything when factory cannot say what is worked on', async () => {
    await finished(23);
    const binary = join(worker.dir, 'bin', 'factory');
    await worker.bash(`mv ${binary} ${binary}.away`);
    const found = await plan();
    const said = await clean(['--yes']);
    await worker.bash(`mv ${binary}.away ${binary}`);
    expect(new Set(Object.values(found))).toEqual(new Set(['factory cannot say what is worked on']));
    expect([said.code, said.stderr]).toEqual([
      1,
      expect.stringMatching(/^error: w could not be judged, so nothing was removed: factory cannot say /m),
    ]);
    expect(said.stderr).not.toContain('nothing to clean up');
  });

  it('in a pod prunes the build cache and images without a name, and nothing else', async () => {
    const docker = join(worker.dir, 'bin', 'docker');
    await writeFile(
      docker,
      `#!/bin/sh
echo "$@" >>"${worker.dir}/docker.calls"
case "$1 $2" in
  'system df') echo '{"Type":"Images","Size":"9GB","Reclaimable":"8GB (88%)"}'; echo '{"Type":"Build Cache","Size":"2GB","Reclaimable":"1.5GB"}' ;;
  'image ls') echo '{"Size":"300MB"}'; echo '{"Size":"50.5kB"}' ;;
  *) echo 'Total reclaimed space: 1GB' ;;
esac
`,
      { mode: 0o755 },
    );
    worker.env['WORKER_RUNTIME'] = 'pod';
    const kubectl = fakeKubectl(worker.cluster());
    const { code, stdout } = await run(cleanup, ['worker-1', '--yes', '-o', 'json'], {
      env: { ...worker.laptop, KUBECTL: kubectl.path },
    });
    kubectl.remove();
    delete worker.env['WORKER_RUNTIME'];
    expect(code).toBe(0);
    expect(JSON.parse(stdout).items).toEqual([
      expect.objectContaining({ what: 'Docker build cache', bytes: 1.5e9, fate: 'done' }),
      expect.objectContaining({ what: 'Docker images without a name', bytes: 300_050_500, fate: 'done' }),
    ]);
    const calls = await worker.bash(`grep prune "${worker.dir}/docker.calls"`);
    expect(calls).toBe('builder prune --force\nimage prune --force\n');
  });
});

it.each([
  ['0B', 0],
  ['12.5kB', 12_500],
  ['1.234GB (80%)', 1_234_000_000],
  ['nonsense', 0],
])('Docker’s %s is %i bytes', (text, expected) => {
  expect(dockerBytes(text)).toBe(expected);
});
