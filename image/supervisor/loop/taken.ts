/**
 * The rows that check-ins have taken from the queue. The program writes row and pipeline one after the other, and never
 * handles what a check-in leaves behind that dies in between. Both cases occurred when a container was killed at that moment
 * (test/e2e/work.test.ts):
 *
 * - the row is active, and there is no pipeline: the issue never starts. The leftovers (leftovers.ts) and the row are
 *   removed, and the row is added again.
 * - the pipeline is completed, and the row is active: issues that depend on it wait for ever. The row is removed, since a
 *   dependency that is not in the queue counts as done.
 *
 * The program has no command for a row's status. A row is recorded before a check-in takes it, since an operator can also
 * leave rows of both kinds, and until its issue has ended: when it cannot be put back yet, the next row is taken meanwhile.
 */
import { FILES, type TakenRow } from '../../../scripts/lib/contract.ts';
import { type Dialect, isBehind, isLive } from '../../../scripts/lib/factory.ts';
import { readJson } from '../../../scripts/lib/read-contract.ts';
import type { Argv, Effects } from '../effects/effects.ts';
import type { Environment } from '../environment.ts';
import type { Factory } from './factory.ts';
import { findLeftovers } from './leftovers.ts';
import type { Place, Store } from './view.ts';

const REPAIRED = 'no repair is needed any more';

/** Records a row that is about to be taken, whose issue has no pipeline yet; replaces an earlier record of the issue. */
export function noteTaken(
  { paths }: Environment,
  { files }: Effects,
  { issue, intent, configPath, dependsOn }: Omit<TakenRow, 'removed'>,
  removed: boolean,
): void {
  const note: TakenRow = { issue, intent, configPath, dependsOn, removed };
  const others = readTaken(files.read(paths.taken)).filter((row) => row.issue !== issue);
  files.write(paths.taken, `${JSON.stringify([...others, note])}\n`);
}

/** @param text of `taken.json`; null when there is none. An earlier version wrote one row, and no list */
export function readTaken(text: string | null): readonly TakenRow[] {
  try {
    return text === null ? [] : readJson('taken', FILES.taken, text.startsWith('{') ? `[${text}]` : text);
  } catch {
    return [];
  }
}

/** Drops the records of rows with which nothing is left to do. Only valid while the check-in lock is free. */
export async function forgetSettled(
  { paths }: Environment,
  { files }: Effects,
  { taken, store }: { readonly taken: readonly TakenRow[]; readonly store: Store },
): Promise<void> {
  const open = taken.filter((row) => fateOfRow(row, store) !== 'settled');
  if (open.length === taken.length) return;
  if (open.length === 0) await files.remove(paths.taken);
  else files.write(paths.taken, `${JSON.stringify(open)}\n`);
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
 * Puts a row that was taken back at the end of the queue, also when an earlier call was interrupted. Checks again first,
 * since a `dispatch --requeue` that is half done looks the same.
 *
 * @throws Error with the program's message
 */
export async function putBack(
  environment: Environment,
  effects: Effects,
  factory: Factory,
  { directory, project }: Place,
  issue: number,
): Promise<string> {
  const dialect = await factory.dialect();
  if (dialect === null) throw new Error('the dialect of factory cannot be detected');
  return factory.alone(directory, async (queue) => {
    const taken = recordOf(issue, environment, effects);
    const store = await queue.look();
    if (taken === undefined || fateOfRow(taken, store) !== 'not-begun') return REPAIRED;
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
  environment: Environment,
  effects: Effects,
  factory: Factory,
  { directory }: Place,
  issue: number,
): Promise<string> {
  return factory.alone(directory, async (queue) => {
    const taken = recordOf(issue, environment, effects);
    if (taken === undefined || fateOfRow(taken, await queue.look()) !== 'behind') return REPAIRED;
    await queue.call(removal(issue));
    return 'removed the row';
  });
}

function recordOf(
  issue: number,
  { paths }: Pick<Environment, 'paths'>,
  { files }: Pick<Effects, 'files'>,
): TakenRow | undefined {
  return readTaken(files.read(paths.taken)).find((row) => row.issue === issue);
}

const removal = (issue: number): Argv => ['factory', 'queue', 'remove', `${issue}`];
