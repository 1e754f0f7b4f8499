/** Waiting for a worker's pod: to be gone, or to be Ready. Says on the way what the cluster says. */

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
/** After the release has changed, its controllers have to notice; under load that takes seconds. */
const NOTICE_MS = 60_000;

/**
 * The pods of a worker that are there or on their way out. One that has ended and that nobody deletes, as an evicted one stays
 * for days, is not waited for; one that is being deleted is, for until it is gone its volumes may still be mounted.
 */
export async function livePods(cluster: Cluster, worker: ClusterWorker): Promise<ReleasePod[]> {
  const pods = await readPods(cluster, worker);
  return pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined || !finished(pod));
}

/**
 * Waits until no pod of the worker is left. How long that takes says the pod: it has its grace period.
 *
 * @param say hears what is waited for, whenever it changes
 * @throws CliError when a pod outlives its grace period (its node does not answer), or nobody stops it
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
      throw new CliError(`pod ${name} does not end: ${reason}`, {
        hints: [
          `its node: ${kubectlCommand(worker, 'get', 'node', ...(node === null ? [] : [node]))}`,
          `when that machine is gone for good: ${kubectlInNamespace(worker, 'delete', 'pod', name, '--force', '--grace-period=0')}`,
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
 * @param look what to type to see more, for the message when the time is over
 * @throws CliError (exit 124) that says what the pod was at
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
    // Anew each time: a finder looks once.
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

/** A cluster that is away for a moment is no reason to give up a wait of minutes. */
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
