/** Waits for a worker's pod to be gone, or to be Ready, and reports what the cluster says meanwhile. */

import { CliError, ExitCode } from '../cli/errors.ts';
import { onlyNews } from '../cli/news.ts';
import { pause } from '../cli/pause.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { podFinder } from '../transport/find-pod.ts';
import type { Cluster } from '../transport/kubectl.ts';
import { kubectlCommand, kubectlInNamespace } from '../transport/kubectl-errors.ts';
import { finished, podFacts } from '../transport/pods.ts';
import { TransportError } from '../transport/transport.ts';
import { type ReleasePod, readPods } from '../worker/workload.ts';

const POLL_MS = 2_000;
/** The controllers have to notice that the release has changed; under load that takes seconds. */
const NOTICE_MS = 60_000;

/**
 * The pods of a worker, including those that are being deleted: until such a pod is gone, its volumes may still be mounted.
 * Without finished pods that nothing deletes: an evicted one stays for days.
 */
export async function livePods(cluster: Cluster, worker: ClusterWorker): Promise<ReleasePod[]> {
  const pods = await readPods(cluster, worker);
  return pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined || !finished(pod));
}

/**
 * Waits until no pod of the worker is left. The limit is the pod's own grace period.
 *
 * @param say called with what it waits for, whenever that changes
 * @throws CliError when a pod outlives its grace period (its node does not answer), or its controller does not stop it
 */
export async function waitGone(
  cluster: Cluster,
  worker: ClusterWorker,
  say: (what: string) => void,
): Promise<void> {
  const noticedBy = cluster.now().getTime() + NOTICE_MS;
  const tell = onlyNews(say);
  for (;;) {
    const [pod] = await patiently(() => livePods(cluster, worker), cluster, noticedBy);
    if (pod === undefined) return;
    const { state, reason, node, name } = podFacts(pod, worker.container, cluster.now());
    if (state === 'node-lost') {
      throw new CliError(`pod ${name} does not terminate: ${reason}`, {
        hints: [
          `its node: ${kubectlCommand(worker, 'get', 'node', ...(node === null ? [] : [node]))}`,
          `if that machine is gone for good: ${kubectlInNamespace(worker, 'delete', 'pod', name, '--force', '--grace-period=0')}`,
        ],
      });
    }
    const stopping = pod.metadata.deletionTimestamp !== undefined;
    if (!stopping && cluster.now().getTime() > noticedBy) {
      throw new CliError(`pod ${name} is not being stopped by its controller`, {
        hints: [kubectlInNamespace(worker, 'describe', 'deployment', worker.pod)],
      });
    }
    if (stopping) tell(reason);
    await pause(POLL_MS, cluster.signal);
  }
}

/**
 * Waits until the worker's pod is Ready.
 *
 * @param limitMs from now
 * @param look commands that show more, for the timeout message
 * @throws CliError (exit 124) with the pod's state
 */
export async function waitReady(
  cluster: Cluster,
  worker: ClusterWorker,
  limitMs: number,
  look: readonly string[],
  say: (what: string) => void,
): Promise<void> {
  const end = cluster.now().getTime() + limitMs;
  const tell = onlyNews(say);
  for (;;) {
    // A new finder each time: it looks only once.
    const search = await patiently(() => podFinder(cluster)(worker), cluster, end);
    const now =
      search.kind === 'none'
        ? `${search.status}: ${search.reason}`
        : `${search.pod.state}${search.pod.reason === '' ? ', not Ready yet' : `: ${search.pod.reason}`}`;
    if (search.kind === 'pod' && search.pod.ready && search.pod.state === 'running') return;
    if (cluster.now().getTime() > end) {
      throw new CliError(`${worker.name} is not Ready after ${limitMs / 1000}s: ${now}`, {
        exitCode: ExitCode.timeout,
        hints: look,
      });
    }
    tell(now);
    await pause(POLL_MS, cluster.signal);
  }
}

/** Retries while the cluster does not answer: a short outage must not end a wait of minutes. */
async function patiently<T>(ask: () => Promise<T>, cluster: Cluster, end: number): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const passing = error instanceof TransportError && error.unanswered;
      if (!passing || cluster.now().getTime() > end) throw error;
      await pause(POLL_MS, cluster.signal);
    }
  }
}
