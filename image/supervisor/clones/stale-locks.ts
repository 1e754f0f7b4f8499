/**
 * The lock files of a git process that was killed. They stay, and every later git call fails. Only the list of processes
 * shows that a lock has no holder any more.
 */
import { basename, join } from 'node:path';
import type { Effects, Files, Processes } from '../effects/effects.ts';

type Needs = Pick<Effects, 'files' | 'processes'>;

/** Branches are not nested deeper; a symbolic link to a parent would recurse for ever. */
const DEEPEST = 12;

/**
 * Removes every lock file of a clone in which no git runs: those of its index, HEAD, refs and configuration, and the same
 * of its worktrees and submodules. What `git worktree lock` has locked stays locked.
 *
 * @returns their paths
 */
export async function removeStaleLocks({ files, processes }: Needs, clone: string): Promise<string[]> {
  const found = locksIn(files, join(clone, '.git')).map((path) => ({ path, identity: files.identity(path) }));
  if (found.length === 0 || gitRuns(files, processes, clone)) return [];
  const removed: string[] = [];
  for (const { path, identity } of found) {
    // The lock that was found is gone, and this one belongs to another git process.
    if (files.identity(path) !== identity) continue;
    await files.remove(path);
    removed.push(path);
  }
  return removed;
}

/** Whether a git process works on a clone or on one of its worktrees, which are inside it. */
function gitRuns(files: Files, processes: Processes, clone: string): boolean {
  const home = files.realPath(clone);
  const isInside = (path: string) => path === home || path.startsWith(`${home}/`);
  const isGit = ([program = '']: readonly string[]) => /^git(?:-.+)?$/.test(basename(program));
  return (
    processes.find((argv) => isGit(argv) && argv.some((word) => word.includes(clone) || word.includes(home)))
      .length > 0 || processes.find(isGit).some((pid) => isInside(files.realPath(`/proc/${pid}/cwd`)))
  );
}

/** @param gitDir of a clone, a worktree or a submodule */
function locksIn(files: Files, gitDir: string): string[] {
  const inside = (folder: string) =>
    files.list(join(gitDir, folder)).map((name) => join(gitDir, folder, name));
  return [
    ...[...inside('.'), ...inside('objects')].filter(isLock),
    // Not all of `objects`, which has a file for each object.
    ...['refs', 'logs', 'reftable', 'objects/info', 'objects/pack'].flatMap((folder) =>
      walk(files, join(gitDir, folder), DEEPEST),
    ),
    ...inside('worktrees').flatMap((worktree) => locksIn(files, worktree)),
    ...submodulesIn(files, join(gitDir, 'modules'), DEEPEST).flatMap((module) => locksIn(files, module)),
  ];
}

/** Nothing else has this ending: git forbids it for refs. */
function isLock(path: string): boolean {
  return path.endsWith('.lock');
}

function walk(files: Files, folder: string, depth: number): string[] {
  if (depth === 0) return [];
  return files
    .list(folder)
    .map((name) => join(folder, name))
    .flatMap((path) => (isLock(path) ? [path] : walk(files, path, depth - 1)));
}

/** A submodule's name may have slashes; its folder is the one with a HEAD. */
function submodulesIn(files: Files, folder: string, depth: number): string[] {
  if (depth === 0) return [];
  return files
    .list(folder)
    .map((name) => join(folder, name))
    .flatMap((path) => (files.exists(join(path, 'HEAD')) ? [path] : submodulesIn(files, path, depth - 1)));
}
