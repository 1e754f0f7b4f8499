/** What becomes of a dispatched issue, for the commands that wait for it. Pure. */
import { isBehind } from '../factory.ts';
import { isBlocked } from './account.ts';
import { failedDependency } from './queue.ts';
import type { Snapshot } from './snapshot.ts';

export type Fate =
  | { readonly kind: 'open'; readonly stage: string | null }
  | { readonly kind: 'completed' }
  /** It will not be completed without the operator; `reason` completes the sentence "demo#23 …". */
  | { readonly kind: 'lost'; readonly reason: string };

/** @param issue an issue that was in the queue when the wait began */
export function fateOf(issue: number, snapshot: Snapshot): Fate {
  const { queue, pipelines } = snapshot;
  const row = queue.find((item) => item.issue === issue);
  const pipeline = pipelines.find((candidate) => candidate.issue === issue);
  const completed =
    row === undefined
      ? pipeline?.status === 'completed'
      : row.status === 'completed' || isBehind(row, pipelines);
  if (completed) return { kind: 'completed' };
  if (row?.status === 'failed') return { kind: 'lost', reason: 'has failed' };
  if (row === undefined) return { kind: 'lost', reason: 'was taken out of the queue' };
  if (pipeline !== undefined && isBlocked(snapshot, pipeline))
    return { kind: 'lost', reason: `is blocked at stage ${pipeline.stage}` };
  // Failing or aborting a pipeline by hand leaves its row active.
  if (pipeline?.status === 'failed') return { kind: 'lost', reason: `has failed at stage ${pipeline.stage}` };
  const failed = failedDependency(row, queue);
  if (failed !== undefined) return { kind: 'lost', reason: `waits for #${failed.issue}, which has failed` };
  return { kind: 'open', stage: pipeline?.stage ?? null };
}
