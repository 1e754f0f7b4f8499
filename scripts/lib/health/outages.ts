/** Sorts out workers that one failure of their cluster keeps us from, so that it is told once. Pure. */
import { count, enumerate } from '../cli/text.ts';
import type { ClusterWorker, WorkerEntry } from '../config/worker-entry.ts';

/** Why a worker was not entered. */
export interface Miss {
  readonly worker: WorkerEntry;
  /** `unreachable`, `unauthorized` … */
  readonly status: string;
  /** The cluster's failure, without whom it hits; null when it is the worker's own. */
  readonly reason: string | null;
  readonly next: readonly string[];
}

/** At least two workers, the same failure of the same cluster. */
export interface Outage {
  readonly workers: readonly [ClusterWorker, ...ClusterWorker[]];
  readonly status: string;
  readonly reason: string;
  readonly next: readonly string[];
}

/** The outages among the misses, in the order of their first workers. */
export function outagesOf(misses: readonly Miss[]): Outage[] {
  const groups = new Map<string, Outage>();
  for (const { worker, status, reason, next } of misses) {
    if (worker.runtime === 'local' || reason === null) continue;
    const key = JSON.stringify([worker.kubeconfig, worker.context, status, reason]);
    const group = groups.get(key);
    groups.set(
      key,
      group === undefined
        ? { workers: [worker], status, reason, next }
        : { ...group, workers: [...group.workers, worker] },
    );
  }
  return [...groups.values()].filter(({ workers }) => workers.length > 1);
}

/** `20 workers`. */
export function outageSubject({ workers }: Outage): string {
  return count(workers.length, 'worker');
}

/** `unreachable (context prod, namespace factory): connection refused`, which follows {@link outageSubject}. */
export function describeOutage({ workers, status, reason }: Outage): string {
  const namespaces = [...new Set(workers.map(({ namespace }) => namespace))];
  const word = namespaces.length === 1 ? 'namespace' : 'namespaces';
  return `${status} (context ${workers[0].context}, ${word} ${enumerate(namespaces)}): ${reason}`;
}

/** Whether the outage has hit the worker of this name. */
export function isHit({ workers }: Outage, worker: string): boolean {
  return workers.some(({ name }) => name === worker);
}
