/** Makes the kubelet look at a pod's Secrets at once, which it does whenever the pod itself changes. */
import type { Context } from '../cli/command.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Cluster, kubectl, podFinder } from '../transport/kubectl.ts';

/** Where it is not allowed, or there is no pod, the kubelet's own minute goes by. */
export async function nudge(
  cluster: Cluster,
  worker: ClusterWorker,
  { now }: Pick<Context, 'now'>,
): Promise<void> {
  const search = await podFinder(cluster)(worker);
  if (search.kind === 'none') return;
  const annotation = `factory-worker/secret-rotated-at=${now().toISOString()}`;
  await kubectl(cluster, worker, ['annotate', 'pod', search.pod.name, '--overwrite', annotation]);
}
