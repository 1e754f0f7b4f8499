/** With the real git: what a git that was killed leaves, and what must stay. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeStaleLocks } from '../../../image/supervisor/clones/stale-locks.ts';
import { until } from '../../support/until.ts';
import { type GitWorld, gitWorld } from './real-git.ts';

let world: GitWorld;
beforeAll(() => {
  world = gitWorld();
  world.git('worktree', 'add', '--quiet', '--lock', '-b', 'feature/issue-7', 'worktrees/issue-7');
  leave('.git/modules/libs/sub/HEAD');
  leave('.git/worktrees/issue-7/modules/sub/HEAD');
});
afterAll(() => world.remove());

const leave = (path: string) => {
  mkdirSync(dirname(join(world.clone, path)), { recursive: true });
  writeFileSync(join(world.clone, path), '');
};

describe('the locks of a git that was killed', () => {
  it.each([
    '.git/index.lock',
    '.git/HEAD.lock',
    '.git/config.lock',
    '.git/packed-refs.lock',
    '.git/shallow.lock',
    '.git/refs/heads/main.lock',
    '.git/refs/remotes/origin/feature/a/b.lock',
    '.git/objects/info/commit-graph.lock',
    '.git/objects/maintenance.lock',
    '.git/worktrees/issue-7/index.lock',
    '.git/worktrees/issue-7/HEAD.lock',
    '.git/worktrees/issue-7/modules/sub/index.lock',
    '.git/modules/libs/sub/index.lock',
  ])('%s goes', async (path) => {
    leave(path);
    expect(await removeStaleLocks(world.effects, world.clone)).toEqual([join(world.clone, path)]);
    expect(existsSync(join(world.clone, path))).toBe(false);
    world.git('commit', '--quiet', '--allow-empty', '-m', 'it can be worked in again');
  });

  it('and nothing else: files of the project, hooks, and worktrees that are locked', async () => {
    leave('yarn.lock');
    leave('.git/hooks/mine.lock');
    expect(await removeStaleLocks(world.effects, world.clone)).toEqual([]);
    expect(
      ['yarn.lock', '.git/hooks/mine.lock', '.git/worktrees/issue-7/locked'].map((path) =>
        existsSync(join(world.clone, path)),
      ),
    ).toEqual([true, true, true]);
  });

  it('stay while a git works in the clone or in a worktree of it', async () => {
    const worktree = join(world.clone, 'worktrees', 'issue-7');
    // A commit whose message somebody is writing holds the lock all that time, with the file closed.
    const git = spawn('git', ['commit', '--all', '--allow-empty'], {
      cwd: worktree,
      env: { ...world.env, GIT_EDITOR: 'sleep 60; false' },
      stdio: 'ignore',
      detached: true,
    });
    const lock = join(world.clone, '.git/worktrees/issue-7/index.lock');
    await until('the lock', () => existsSync(lock));
    expect(await removeStaleLocks(world.effects, world.clone)).toEqual([]);
    process.kill(-(git.pid ?? 0), 'SIGKILL');
    await new Promise((resolve) => git.once('exit', resolve));
    // What it had started is a git too until it has become the editor, and dies a moment later on a busy machine.
    await expect.poll(() => removeStaleLocks(world.effects, world.clone)).toEqual([lock]);
  });
});
