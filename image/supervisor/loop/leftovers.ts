/**
 * What an interrupted start of an issue has left behind, so that the program cannot start it again ("already exists", for
 * ever): its worktree, the branch in another worktree, its pipeline folder. Only used for an issue of ours that has no
 * pipeline, so no agent has worked on it: these files come from git and from the project's setup commands, and are removed
 * by force. Commits, locks and anything unknown to git may be someone's work: they stay, and the operator is told what to type.
 *
 * A manual dispatch does the same (scripts/remote/leftovers.sh).
 */
import { join } from 'node:path';
import type { Effects } from '../effects/effects.ts';

/** Removing what setup commands installed may take minutes. */
const TIMEOUT_MS = 5 * 60_000;

/** Run in each submodule of a worktree. */
const COUNT_UNPUSHED = 'git rev-list --count HEAD --not --remotes';

/** Why an issue cannot begin. */
export interface InTheWay {
  readonly says: string;
  /** The command that clears it, typed in the worker; empty: `cleanup --issue N` on the laptop. */
  readonly cure: string;
  /** It usually goes away without help. */
  readonly passes?: boolean;
}

export interface Leftovers {
  /** What must not be removed; null when everything may be. */
  readonly stays: InTheWay | null;
  /**
   * Removes the leftovers.
   *
   * @throws Error when something has to stay (nothing is removed then), or with git's message
   */
  clear(): Promise<void>;
}

type Find = InTheWay | { readonly remove: () => Promise<void> };

export async function findLeftovers(
  effects: Pick<Effects, 'files' | 'processes'>,
  { home, directory, issue }: { home: string; directory: string; issue: number },
): Promise<Leftovers> {
  const { files, processes } = effects;
  const git = (...args: string[]) =>
    processes.run(['git', ...args], { cwd: directory, timeoutMs: TIMEOUT_MS });
  const must = async (...args: string[]) => {
    const { code, stderr } = await git(...args);
    if (code !== 0) throw new Error(`git ${args[0]} ${args[1]}: ${stderr.trim()}`);
  };
  const name = `worktrees/issue-${issue}`;
  const branch = `feature/issue-${issue}`;

  /** Commits that are neither in the main checkout nor on the remote; null when git cannot count them. */
  const countCommits = async (commit: string): Promise<number | null> => {
    const { code, stdout } = await git('rev-list', '--count', commit, '--not', 'HEAD', '--remotes');
    return code === 0 ? Number(stdout) : null;
  };

  const judgeWorktree = async ({ path, head, locked }: Worktree): Promise<Find> => {
    const remove = (...force: string[]) => ({ remove: () => must('worktree', 'remove', ...force, path) });
    // git keeps a worktree locked while creating it (worktree.c).
    if (locked === 'initializing') return remove('--force', '--force');
    if (locked !== null)
      return { says: `the worktree ${path} is locked${locked && ` (${locked})`}`, cure: '' };
    if (!files.exists(path)) return remove();
    const busy = processAt(effects, path);
    if (busy !== null) return busy;
    if ((await countCommits(head)) === 0) return remove('--force');
    const status = await git('-C', path, 'status', '--porcelain', '--ignore-submodules=none');
    if (status.code !== 0 || status.stdout !== '')
      return { says: `the worktree ${path} has commits and files that are not committed`, cure: '' };
    // Its commits stay on the branch; those of its submodules go with it.
    const submodules = await git(
      '-C',
      path,
      'submodule',
      '--quiet',
      'foreach',
      '--recursive',
      COUNT_UNPUSHED,
    );
    if (submodules.code !== 0 || /[1-9]/.test(submodules.stdout))
      return { says: `the worktree ${path} has commits in a submodule that no remote has`, cure: '' };
    // Without --force git removes no worktree with submodules.
    return submodules.stdout === '' ? remove() : remove('--force');
  };

  const judgeFolder = (path: string): Find => {
    // Before git registers a new worktree, the folder contains nothing but the link to it.
    if (files.list(path).every((file) => file === '.git')) return { remove: () => files.remove(path) };
    return { says: `the folder ${path} is not a worktree known to git`, cure: '' };
  };

  const judgePipeline = async (path: string): Promise<Find> => {
    const content = ['-type', 'f', '-size', '+0', '!', '-name', 'issue.json', '-print', '-quit'];
    const { code, stdout } = await processes.run(['find', path, ...content], { timeoutMs: TIMEOUT_MS });
    if (code === 0 && stdout === '') return { remove: () => files.remove(path) };
    return {
      says: `the folder ${path} has files of an earlier run and no pipeline that can be read`,
      cure: `rm -r ${path}`,
    };
  };

  const worktrees = parseWorktrees((await git('worktree', 'list', '--porcelain')).stdout);
  const root = worktrees[0]?.path ?? directory;
  const own = worktrees.filter(({ path }) => path.endsWith(`/${name}`));
  const folders = [...new Set([join(root, name), join(directory, name)])].filter(
    (path) => files.exists(path) && own.every((worktree) => worktree.path !== files.realPath(path)),
  );
  const holder = worktrees.find((worktree) => worktree.branch === branch && !own.includes(worktree));
  const found: Find[] = [
    ...(await Promise.all(own.map(judgeWorktree))),
    ...folders.map(judgeFolder),
    ...(holder === undefined
      ? []
      : [
          {
            says: `the branch ${branch} is checked out in ${holder.path}`,
            cure: `git -C ${holder.path} switch ${holder.path === root ? await mainBranch(git) : '--detach'}`,
          },
        ]),
    ...(await Promise.all(pipelineFolders(files, home, issue).map(judgePipeline))),
  ];
  const stays = found.find((find) => 'says' in find) ?? null;
  return {
    stays,
    async clear() {
      if (stays !== null) throw new Error(stays.says);
      for (const find of found) if ('remove' in find) await find.remove();
      // factory would reuse the branch as it is, on its old base.
      if ((await countCommits(`refs/heads/${branch}`)) === 0)
        await must('branch', '--delete', '--force', branch);
    },
  };
}

interface Worktree {
  readonly path: string;
  readonly head: string;
  /** Its branch without refs/heads/; empty when it has none. */
  readonly branch: string;
  /** Why it is locked; null when it is not. */
  readonly locked: string | null;
}

/** @param text what `git worktree list --porcelain` prints: the main checkout first */
function parseWorktrees(text: string): Worktree[] {
  return text
    .split('\n\n')
    .filter((entry) => entry.trim() !== '')
    .map((entry) => {
      const field = (key: string) => new RegExp(`^${key}(?: (.*))?$`, 'm').exec(entry);
      const locked = field('locked');
      return {
        path: field('worktree')?.[1] ?? '',
        head: field('HEAD')?.[1] ?? '',
        branch: (field('branch')?.[1] ?? '').replace('refs/heads/', ''),
        locked: locked === null ? null : (locked[1] ?? ''),
      };
    });
}

/** A process working in a folder or below: a setup command outlives the check-in that was killed. */
function processAt(
  { files, processes }: Pick<Effects, 'files' | 'processes'>,
  path: string,
): InTheWay | null {
  const pid = processes
    .find(() => true)
    .find((candidate) => `${files.realPath(`/proc/${candidate}/cwd`)}/`.startsWith(`${path}/`));
  return pid === undefined
    ? null
    : { says: `a program still works in ${path} (process ${pid})`, cure: `kill ${pid}`, passes: true };
}

/** A: `pipelines/N`; B: `pipelines/OWNER/REPO/N`. */
export function pipelineFolders(
  files: Pick<Effects['files'], 'exists' | 'list'>,
  home: string,
  issue: number,
): string[] {
  const top = join(home, '.factory', 'pipelines');
  const projects = files
    .list(top)
    .filter((owner) => !/^\d+$/.test(owner))
    .flatMap((owner) => files.list(join(top, owner)).map((repo) => join(top, owner, repo)));
  return [top, ...projects].map((folder) => join(folder, `${issue}`)).filter(files.exists);
}

async function mainBranch(git: (...args: string[]) => Promise<{ readonly stdout: string }>): Promise<string> {
  const { stdout } = await git('symbolic-ref', '--short', 'refs/remotes/origin/HEAD');
  return stdout.trim().replace('origin/', '') || 'main';
}
