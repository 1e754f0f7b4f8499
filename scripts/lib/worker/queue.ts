/** The queue of a worker, as people write it. */
import { isLive } from '../factory.ts';
import type { QueueItem, Snapshot } from './snapshot.ts';

/** `deathcookies#23`, or `?#23` when nothing says which project the row belongs to. */
export function itemName({ owner, issue }: Pick<QueueItem, 'owner' | 'issue'>): string {
  return `${owner ?? '?'}#${issue}`;
}

/** Whether the queue could not be read, so that a snapshot without rows says nothing. */
export function isQueueUnknown({ faults }: Pick<Snapshot, 'faults'>): boolean {
  return faults.some(({ part }) => part === 'queue');
}

/**
 * Rows that still need work: the one in progress first, then in the order of the queue. A pipeline that was failed or aborted
 * by hand leaves its row active for ever; nothing works on such a row any more.
 */
export function openItems({ queue }: Pick<Snapshot, 'queue'>): QueueItem[] {
  const open = queue.filter(
    ({ status, pipeline }) =>
      status === 'pending' || (status === 'active' && (pipeline === null || isLive(pipeline))),
  );
  const rank = ({ status }: QueueItem) => (status === 'active' ? 0 : 1);
  return open.sort((a, b) => rank(a) - rank(b) || a.position - b.position);
}

/** The first of the rows it waits for that has failed, of the same project; undefined when none has. */
export function failedDependency(row: QueueItem, queue: readonly QueueItem[]): QueueItem | undefined {
  return queue.find(
    (other) =>
      row.dependsOn.includes(other.issue) &&
      other.namespace === row.namespace &&
      (other.status === 'failed' || other.pipeline?.status === 'failed'),
  );
}
