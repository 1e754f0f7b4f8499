/**
 * The row that a check-in has taken from the queue. The program writes row and pipeline one after the other, and never
 * handles what a check-in leaves behind that dies in between. Both cases occurred when a container was killed at that moment
 * (test/e2e/work.test.ts):
 *
 * - the row is active, and there is no pipeline: the issue never starts. The leftovers (leftovers.ts) and the row are
 *   removed, and the row is added again.
 * - the pipeline is completed, and the row is active: issues that depend on it wait for ever. The row is removed, since a
 *   dependency that is not in the queue counts as done.
 *
 * The program has no command for a row's status. The row is recorded before a check-in takes it, since an operator can also
 * leave rows of both kinds.
 */
import { FILES, type TakenRow } from '../../../scripts/lib/contract.ts';
import { type Dialect, isBehind, isLive } from '../../../scripts/lib/factory.ts';
import { readJson } from '../../../scripts/lib/read-contract.ts';
import type { Argv, Effects } from '../effects/effects.ts';
import type { Environment } from '../environment.ts';
import type { Factory } from './factory.ts';
import { findLeftovers } from './leftovers.ts';
import type { Place, Store } from './tick.ts';

const REPAIRED = 'no repair is needed any more';

/** Records a row that is about to be taken, whose issue has no pipeline yet. */
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
    return text === null ? null : readJson('taken', FILES.taken, text);
  } catch {
    return null;
  }
}

/**
 * What became of a row that was taken: its issue never started (`not-begun`), is being worked on, or is completed while the
 * row is still active (`behind`); or there is nothing left to do (`settled`).
 */
export type RowFate = 'not-begun' | 'at-work' | 'behind' | 'settled';

/** Only valid while the check-in lock is free. */
export function fateOfRow(
  { issue, removed }: TakenRow,
  { rows, pipelines }: Pick<Store, 'rows' | 'pipelines'>,
): RowFate {
  const [row, ...others] = rows.filter((candidate) => candidate.issue === issue);
  const begun = pipelines.filter((candidate) => candidate.issue === issue);
  // If two projects have a row with this number, the program would remove whichever comes first.
  if (others.length > 0) return 'settled';
  if (row === undefined) return removed && begun.length === 0 ? 'not-begun' : 'settled';
  if (row.status !== 'active') return 'settled';
  if (begun.length === 0) return 'not-begun';
  if (begun.some(isLive)) return 'at-work';
  return isBehind(row, begun) ? 'behind' : 'settled';
}

/** The command that adds the row again, to be run in the project's own directory. */
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
 * Puts the row that was taken back at the end of the queue, also when an earlier call was interrupted. Checks again first,
 * since a `dispatch --requeue` that is half done looks the same.
 *
 * @throws Error with the program's message
 */
export async function putBack(
  environment: Environment,
  effects: Effects,
  factory: Factory,
  { directory, project }: Place,
): Promise<string> {
  const dialect = await factory.dialect();
  if (dialect === null) throw new Error('the dialect of factory cannot be detected');
  return factory.alone(directory, async (queue) => {
    const taken = readTaken(effects.files.read(environment.paths.taken));
    const store = await queue.look();
    if (taken === null || fateOfRow(taken, store) !== 'not-begun') return REPAIRED;
    const { issue } = taken;
    await (await findLeftovers(effects, { home: environment.home, directory, issue })).clear();
    noteTaken(environment, effects, taken, true);
    if (store.rows.some((row) => row.issue === issue)) await queue.call(removal(issue));
    await queue.call(addition(taken, dialect, project));
    return 'put back into the queue';
  });
}

/**
 * Removes the row of an issue that is completed. Checks again first, since it may have been requeued meanwhile.
 *
 * @throws Error with the program's message
 */
export function removeRow(
  { paths }: Environment,
  { files }: Effects,
  factory: Factory,
  { directory }: Place,
): Promise<string> {
  return factory.alone(directory, async (queue) => {
    const taken = readTaken(files.read(paths.taken));
    if (taken === null || fateOfRow(taken, await queue.look()) !== 'behind') return REPAIRED;
    await queue.call(removal(taken.issue));
    return 'removed the row';
  });
}

const removal = (issue: number): Argv => ['factory', 'queue', 'remove', `${issue}`];
