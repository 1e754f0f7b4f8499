/** `dispatch auto`: probes all workers at the same time and chooses one. */
import type { Context } from '../cli/command.ts';
import { UsageError } from '../cli/errors.ts';
import type { WorkerEntry, WorkersFile } from '../config/worker-entry.ts';
import { observe, unexpected } from '../health/observe.ts';
import { CONCURRENCY, fanOut, guarded } from '../worker/fan-out.ts';
import type { Reach } from '../worker/observe.ts';
import { chooseLeastLoaded } from './least-loaded.ts';

/** The word to give instead of a worker's name. */
export const AUTO = 'auto';

/** How long each may take: a dead cluster must not delay a dispatch. */
const LOOK_MS = 15_000;

/** Whether the word means the choice, not a worker with that name. */
export function meansAuto(word: string | undefined, { workers }: WorkersFile): boolean {
  return word === AUTO && !workers.some(({ name }) => name === AUTO);
}

/**
 * Chooses the worker to dispatch to, and says on stderr why that one.
 *
 * @throws UsageError without a project; CliError when no worker is suitable
 */
export async function chooseAuto(
  context: Context,
  reach: Reach,
  workers: readonly WorkerEntry[],
  project: string | undefined,
  issues: readonly number[],
): Promise<WorkerEntry> {
  if (project === undefined)
    throw new UsageError('--project is missing: auto chooses among the workers that have it');
  const look = (worker: WorkerEntry) => observe(reach, worker, 'brief', context, LOOK_MS);
  const seen = await fanOut(workers, CONCURRENCY, guarded(look, unexpected));
  const { worker, because } = chooseLeastLoaded(seen, project, issues);
  context.stderr.write(`auto chooses ${because}\n`);
  return worker;
}
