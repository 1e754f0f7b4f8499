/** The queue of a worker: names of rows, and which still need work. */
import { isLive } from '../factory.ts';
import type { QueueItem, Snapshot } from './snapshot.ts';

/** `deathcookies#23`, or `?#23` when nothing says which project the row belongs to. */
export function itemName({ owner, issue }: Pick<QueueItem, 'owner' | 'issue'>): string {
  return `${owner ?? '?'}#${issue}`;
}

/** Whether the queue could not be read; then a snapshot without rows does not mean an empty queue. */
export function isQueueUnknown({ faults }: Pick<Snapshot, 'faults'>): boolean {
  return faults.some(({ part }) => part === 'queue');
}

/**
 * Rows that still need work: the one in progress first, then in queue order. A pipeline that was failed or aborted by hand
 * leaves its row active for ever; no one works on such a row any more.
 */
export function openItems({ queue }: Pick<Snapshot, 'queue'>): QueueItem[] {
  const open = queue.filter(
    ({ status, pipeline }) =>
      status === 'pending' || (status === 'active' && (pipeline === null || isLive(pipeline))),
  );
  const rank = ({ status }: QueueItem) => (status === 'active' ? 0 : 1);
  return open.sort((a, b) => rank(a) - rank(b) || a.position - b.position);
}

/**
 * The failed rows are collected once, since a queue may have ten thousand.
 *
 * @returns a function that finds the failed row of the same project that a row depends on; undefined when none has failed
 */
export function failedDependencies(queue: readonly QueueItem[]): (row: QueueItem) => QueueItem | undefined {
  const key = (namespace: string | null, issue: number) => `${issue} ${namespace}`;
  const failed = new Map(
    queue
      .filter(({ status, pipeline }) => status === 'failed' || pipeline?.status === 'failed')
      .map((row) => [key(row.namespace, row.issue), row]),
  );
  return ({ namespace, dependsOn }) => {
    for (const issue of dependsOn) {
      const row = failed.get(key(namespace, issue));
      if (row !== undefined) return row;
    }
    return undefined;
  };
}
