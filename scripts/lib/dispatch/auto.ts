/** `dispatch auto`: probes all workers at the same time and chooses one. */
import type { Context } from '../cli/command.ts';
import { CliError, UsageError } from '../cli/errors.ts';
import { count } from '../cli/text.ts';
import type { WorkerEntry, WorkersFile } from '../config/worker-entry.ts';
import { isLive } from '../factory.ts';
import { type Observation, observe, unexpected } from '../health/observe.ts';
import { CONCURRENCY, fanOut, guarded } from '../worker/fan-out.ts';
import type { Reach } from '../worker/observe.ts';
import { isQueueUnknown, openItems } from '../worker/queue.ts';
import type { Snapshot } from '../worker/snapshot.ts';

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

export interface Choice {
  readonly worker: WorkerEntry;
  /** Why this one, as a sentence. */
  readonly because: string;
}

/** Statuses in which a queued issue is not worked on soon. */
const UNFIT = new Set(['draining', 'drained', 'stuck', 'stopped', 'starting']);

/**
 * Chooses the worker with the fewest open issues among those that have a clone of the project and take work; of equals, the
 * one with the fewest problems, then the first in workers.yaml. A worker that has one of the issues already comes before all
 * others: the same issue must not be done twice.
 *
 * @param observations in the order of workers.yaml
 * @throws CliError when no worker is suitable, with the reason for each
 */
export function chooseLeastLoaded(
  observations: readonly Observation[],
  project: string,
  issues: readonly number[],
): Choice {
  const known = observations.find(
    ({ snapshot }) => snapshot !== null && knownIssue(snapshot, project, issues) !== null,
  );
  if (known?.snapshot) {
    return {
      worker: known.worker,
      because: `${known.worker.name}: it has ${project}#${knownIssue(known.snapshot, project, issues)} already`,
    };
  }
  const maybe = observations.find(({ lastSeen }) =>
    issues.some((issue) => lastSeen?.items.some(({ name }) => name === `${project}#${issue}`)),
  );
  if (maybe !== undefined) {
    throw new CliError(
      `${maybe.worker.name} cannot be reached, and had this issue when it last answered; nothing was queued`,
      {
        hints: ['an issue on two workers is done twice; to dispatch anyway, name the worker instead of auto'],
      },
    );
  }
  const fit = observations.filter((seen) => unfitness(seen, project, issues) === null);
  const loads = fit.map((seen) => ({ seen, load: loadOf(seen) }));
  const [best, ...others] = loads.toSorted(
    (a, b) => a.load - b.load || a.seen.problems.length - b.seen.problems.length,
  );
  if (best === undefined) {
    throw new CliError(`no worker can take ${project} now; nothing was queued`, {
      hints: observations.map((seen) => `${seen.worker.name}: ${unfitness(seen, project, issues)}`),
    });
  }
  const beside =
    others.length === 0
      ? `the only one of ${observations.length} that can take ${project}`
      : others.map(({ seen, load }) => `${seen.worker.name} has ${load}`).join(', ');
  const load = best.load === 0 ? 'nothing to do' : `${count(best.load, 'open issue')}`;
  return { worker: best.seen.worker, because: `${best.seen.worker.name}: it has ${load}; ${beside}` };
}

/** Why a worker is not suitable; null when it is. */
function unfitness({ status, problems, snapshot }: Observation, project: string, issues: readonly number[]) {
  if (snapshot === null) return `${status}: ${problems[0]?.cause ?? 'cannot be asked'}`;
  if (UNFIT.has(status)) return `${status}: ${problems[0]?.cause ?? ''}`;
  if (isQueueUnknown(snapshot)) return 'its queue cannot be read';
  if (!snapshot.clones.some((clone) => clone.project === project)) return `it has no clone of ${project}`;
  const taken = issues.find((issue) => snapshot.queue.some((row) => row.issue === issue));
  if (taken !== undefined) return `the number ${taken} belongs to another project there`;
  return null;
}

/** One of the issues that is open on this worker for this project. */
function knownIssue(snapshot: Snapshot, project: string, issues: readonly number[]): number | null {
  const open = openItems(snapshot).filter(({ owner }) => owner === project);
  return issues.find((issue) => open.some((row) => row.issue === issue)) ?? null;
}

/** Open rows, and live pipelines without a row. */
function loadOf({ snapshot }: Observation): number {
  if (snapshot === null) return Number.POSITIVE_INFINITY;
  const rows = new Set(openItems(snapshot).map(({ issue }) => issue));
  const stray = snapshot.pipelines.filter((pipeline) => isLive(pipeline) && !rows.has(pipeline.issue));
  return rows.size + stray.length;
}
