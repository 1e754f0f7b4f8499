/**
 * What an earlier begin of an issue has left and the program cannot begin over ("already exists", for ever): its worktree,
 * the branch in another worktree, its pipeline folder. Only asked about an issue of ours that has no pipeline, so no agent
 * has worked on it: what is there comes from git and from the project's setup commands, and is removed by force. Commits,
 * locks and what git does not know are somebody's work: they stay, and the operator is told what to type.
 *
 * A dispatch by hand does the same (scripts/remote/leftovers.sh).
 */
import { join } from 'node:path';
import type { Effects } from '../effects/effects.ts';

/** What setup commands have installed may take minutes to remove. */
const TIMEOUT_MS = 5 * 60_000;

/** Why an issue cannot begin. */
export interface InTheWay {
  readonly says: string;
  /** What clears it, to be typed in the worker; empty for the laptop's `cleanup --issue N`. */
  readonly cure: string;
  /** It mostly goes by itself. */
  readonly passes?: boolean;
}

export interface Leftovers {
  /** Null when everything that is left may go. */
  readonly stays: InTheWay | null;
  /**
   * Removes what may go.
   *
   * @throws Error when something stays: nothing is removed then; or in git's words
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

  /** Commits that are neither in the main checkout nor on the remote; null when that cannot be told. */
  const countCommits = async (commit: string): Promise<number | null> => {
    const { code, stdout } = await git('rev-list', '--count', commit, '--not', 'HEAD', '--remotes');
    return code === 0 ? Number(stdout) : null;
  };

  const judgeWorktree = async ({ path, head, locked }: Worktree): Promise<Find> => {
    const remove = (...force: string[]) => ({ remove: () => must('worktree', 'remove', ...force, path) });
    // git locks a worktree for as long as it makes it (worktree.c).
    if (locked === 'initializing') return remove('--force', '--force');
    if (locked !== null)
      return { says: `the worktree ${path} is locked${locked && ` (${locked})`}`, cure: '' };
    if (!files.exists(path)) return remove();
    const busy = processAt(effects, path);
    if (busy !== null) return busy;
    if ((await countCommits(head)) === 0) return remove('--force');
    const status = await git('-C', path, 'status', '--porcelain');
    // Its commits stay on the branch.
    if (status.code === 0 && status.stdout === '') return remove();
    return { says: `the worktree ${path} has commits and files that are not committed`, cure: '' };
  };

  const judgeFolder = (path: string): Find => {
    // Before git has written down that it makes one, there is nothing but the link to it.
    if (files.list(path).every((file) => file === '.git')) return { remove: () => files.remove(path) };
    return { says: `the folder ${path} is no worktree that git knows`, cure: '' };
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
    ...(await Promise.all(pipelineFolders(effects, home, issue).map(judgePipeline))),
  ];
  const stays = found.find((find) => 'says' in find) ?? null;
  return {
    stays,
    async clear() {
      if (stays !== null) throw new Error(stays.says);
      for (const find of found) if ('remove' in find) await find.remove();
      // It would be taken as it is, on the base of then.
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

/** A program that was started in a folder or below: a setup command outlives the check-in that was killed. */
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
function pipelineFolders({ files }: Pick<Effects, 'files'>, home: string, issue: number): string[] {
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
