/** What becomes of a dispatched issue, for the commands that wait for it. Pure. */
import { isBehind, type Pipeline } from '../factory.ts';
import { isBlocked } from './account.ts';
import { failedDependencies } from './queue.ts';
import type { QueueItem, Snapshot } from './snapshot.ts';

export type Fate =
  | { readonly kind: 'open'; readonly stage: string | null }
  | { readonly kind: 'completed' }
  /** It will not be completed without the operator; `reason` completes the sentence "demo#23 …". */
  | { readonly kind: 'lost'; readonly reason: string };

/**
 * What is looked up is collected once, since a queue may have ten thousand rows.
 *
 * @returns a function for issues that were in the queue when the wait began
 */
export function fates(snapshot: Snapshot): (issue: number) => Fate {
  const rows = firstByIssue(snapshot.queue);
  const pipelines = firstByIssue(snapshot.pipelines);
  const failedDependency = failedDependencies(snapshot.queue);
  return (issue) => fateOf(rows.get(issue), pipelines.get(issue), snapshot, failedDependency);
}

const firstByIssue = <T extends { readonly issue: number }>(all: readonly T[]): ReadonlyMap<number, T> =>
  new Map(all.map((one) => [one.issue, one] as const).reverse());

function fateOf(
  row: QueueItem | undefined,
  pipeline: Pipeline | undefined,
  snapshot: Snapshot,
  failedDependency: (row: QueueItem) => QueueItem | undefined,
): Fate {
  const completed =
    row === undefined
      ? pipeline?.status === 'completed'
      : row.status === 'completed' || isBehind(row, snapshot.pipelines);
  if (completed) return { kind: 'completed' };
  if (row?.status === 'failed') return { kind: 'lost', reason: 'has failed' };
  if (row === undefined) return { kind: 'lost', reason: 'was taken out of the queue' };
  if (pipeline !== undefined && isBlocked(snapshot, pipeline))
    return { kind: 'lost', reason: `is blocked at stage ${pipeline.stage}` };
  // Failing or aborting a pipeline by hand leaves its row active.
  if (pipeline?.status === 'failed') return { kind: 'lost', reason: `has failed at stage ${pipeline.stage}` };
  const failed = failedDependency(row);
  if (failed !== undefined) return { kind: 'lost', reason: `waits for #${failed.issue}, which has failed` };
  return { kind: 'open', stage: pipeline?.stage ?? null };
}
