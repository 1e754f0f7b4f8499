/**
 * A row of the queue that a check-in took and never began: it died between its two writes, the row that is now active and
 * the pipeline that is not there. The program never looks at such a row again, and goes on with the next; seen when a
 * container was killed at that moment (test/e2e/work.test.ts). It has no verb for it either, so the row is removed and added.
 *
 * Which row a check-in is to take is noted before: an active row without a pipeline can also be one that somebody has done
 * with by hand.
 */
import { join } from 'node:path';
import type { TakenRow } from '../../../scripts/lib/contract.ts';
import type { Dialect } from '../../../scripts/lib/factory.ts';
import type { Argv, Effects } from '../effects/effects.ts';
import type { Environment } from '../environment.ts';
import type { Factory } from './factory.ts';
import type { Place, Store } from './tick.ts';

/** Writes down what is about to happen to a row. */
export function noteTaken(
  { paths }: Environment,
  { files }: Effects,
  { issue, intent, configPath, dependsOn }: Omit<TakenRow, 'removed'>,
  removed: boolean,
): void {
  const note: TakenRow = { issue, intent, configPath, dependsOn, removed };
  files.write(paths.taken, `${JSON.stringify(note)}\n`);
}

/** @param text of `taken.json`; null when there is none */
export function readTaken(text: string | null): TakenRow | null {
  try {
    return text === null ? null : (JSON.parse(text) as TakenRow);
  } catch {
    return null;
  }
}

/** Whether a row that was taken has neither come back nor been begun. To be asked while nobody holds the check-in lock. */
export function isLost(
  { issue, removed }: TakenRow,
  { rows, pipelines }: Pick<Store, 'rows' | 'pipelines'>,
): boolean {
  if (pipelines.some((pipeline) => pipeline.issue === issue)) return false;
  const [row, ...others] = rows.filter((candidate) => candidate.issue === issue);
  // Of two projects' rows of one number the program would remove whichever comes first.
  return row === undefined ? removed : others.length === 0 && row.status === 'active';
}

/** The call that adds the row again, to be made in the project's own directory. */
export function addition(
  { issue, intent, configPath, dependsOn }: TakenRow,
  { addByProject, dependsOn: dependable }: Dialect,
  project: string,
): Argv {
  return [
    'factory',
    'queue',
    'add',
    ...(addByProject ? ['--project', project, '--issue', `${issue}`] : [`${issue}`]),
    ...(configPath === '' ? [] : ['--config', configPath]),
    ...(intent === '' ? [] : ['--intent', intent]),
    ...(dependable && dependsOn.length > 0 ? ['--depends-on', dependsOn.join(',')] : []),
  ];
}

/**
 * Puts the row that was taken back, at the end of the queue; again, where the call before was cut off. It is looked at once
 * more, since a `dispatch --requeue` that is half-way looks the same.
 *
 * @throws Error in the program's own words
 */
export async function putBack(
  environment: Environment,
  effects: Effects,
  factory: Factory,
  { directory, project }: Place,
): Promise<string> {
  const taken = readTaken(effects.files.read(environment.paths.taken));
  const dialect = await factory.dialect();
  const store = await factory.store(directory);
  if (dialect === null) throw new Error('factory does not say how it wants to be spoken to');
  if (typeof store === 'string') throw new Error(store);
  if (taken === null || !isLost(taken, store)) return 'it is in order again';
  const { issue } = taken;
  noteTaken(environment, effects, taken, true);
  if (store.rows.some((row) => row.issue === issue))
    await factory.change(['factory', 'queue', 'remove', `${issue}`], directory);
  await removeWorktree(effects, directory, issue);
  await factory.change(addition(taken, dialect, project), directory);
  return 'put back into the queue';
}

/**
 * Removes the worktree of an issue, over which the program could not begin: one as it was checked out, or one that git was
 * still making when it was killed (worktree.c locks it for so long; before that there is nothing but its `.git`). Any other
 * one stays: somebody may have worked in it. A dispatch by hand does the same (remove_worktree in scripts/remote/dispatch.sh).
 */
export async function removeWorktree(
  { files, processes }: Pick<Effects, 'files' | 'processes'>,
  directory: string,
  issue: number,
): Promise<void> {
  const name = `worktrees/issue-${issue}`;
  const git = (...args: string[]) =>
    processes.run(['git', 'worktree', ...args], { cwd: directory, timeoutMs: 60_000 });
  const known = (await git('list', '--porcelain')).stdout
    .split('\n\n')
    .find((worktree) => worktree.split('\n')[0]?.endsWith(`/${name}`));
  if (known !== undefined) {
    const unfinished = /^locked initializing$/m.test(known);
    await git('remove', ...(unfinished ? ['--force', '--force'] : []), name);
  } else if (files.list(join(directory, name)).every((file) => file === '.git')) {
    await files.remove(join(directory, name));
  }
}
