/**
 * Submodules: neither `git clone` nor `git worktree add` checks them out. Those of the main checkout are updated with it;
 * those of a worktree are checked out by a hook that git runs at the end of factory's `git worktree add`.
 */
import { join } from 'node:path';
import type { Effects } from '../effects/effects.ts';
import { createGit, gitComplaint } from './git.ts';

/** Enough for several repositories over a slow connection. */
const LIMIT_MS = 10 * 60_000;
const MARK = '# Written by factory-worker.';

/** Never fails: git would return its exit code, and factory would assume that the worktree could not be created. */
const HOOK = `#!/bin/sh
${MARK} Checks out the submodules of a worktree that has just been made.
case $1 in *[!0]*) exit 0 ;; esac
[ -f .gitmodules ] || exit 0
GIT_TERMINAL_PROMPT=0 git submodule --quiet update --init --recursive </dev/null ||
  echo 'the submodules of this worktree are not there; to try again: git submodule update --init --recursive' >&2
exit 0
`;

/** Run in each submodule: commits that are on no branch would be unreachable after the update. */
const SET_ASIDE = `[ "$(git rev-list --count HEAD --not --branches --remotes --tags)" = 0 ] ||
  git update-ref "refs/factory-worker/set-aside/HEAD/$(git rev-parse --short HEAD)" HEAD`;

/**
 * @param clone the main checkout; one without submodules is left alone
 * @returns what is missing, as a message of git or of ours; null when nothing is
 */
export async function updateSubmodules(
  { files, processes }: Pick<Effects, 'files' | 'processes'>,
  clone: string,
  signal?: AbortSignal,
): Promise<string | null> {
  if (!files.exists(join(clone, '.gitmodules'))) return null;
  const git = createGit(processes, clone, signal, LIMIT_MS);
  await git('submodule', '--quiet', 'foreach', '--recursive', SET_ASIDE);
  const update = await git('submodule', '--quiet', 'update', '--init', '--recursive');
  if (update.code !== 0) return gitComplaint('submodule update', update);
  const path = (await git('rev-parse', '--path-format=absolute', '--git-path', 'hooks/post-checkout')).stdout;
  const hook = path.trim();
  // With core.hooksPath it is elsewhere: then it belongs to the project.
  if (hook !== join(files.realPath(clone), '.git', 'hooks', 'post-checkout')) return FOREIGN_HOOK;
  const present = files.read(hook);
  if (present !== null && !present.includes(MARK)) return FOREIGN_HOOK;
  if (present !== HOOK || !files.isExecutable(hook)) {
    files.makeDirectory(join(clone, '.git', 'hooks'));
    files.write(hook, HOOK);
    await processes.run(['chmod', 'u+x', hook]);
  }
  return null;
}

/** The project's own post-checkout may do anything, including the same. */
const FOREIGN_HOOK = 'the project has its own git hooks, so worktrees do not get their submodules';
