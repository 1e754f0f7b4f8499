/** The volume and the Secret of a worker that is to be retired: who owns them, and whether they stay. */

import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { kubectlError } from '../transport/kubectl-errors.ts';
import { type ClaimObject, getOrNull, isHelms, type Metadata } from '../transport/objects.ts';
import type { Workload } from '../worker/workload.ts';
import type { Belonging, VolumeState } from './plan.ts';

interface VolumeObject {
  readonly spec?: { readonly persistentVolumeReclaimPolicy?: string };
}

/** @param install from its Deployment; null when that is gone, and the chart's own names are looked up */
export async function seeBelongings(
  cluster: Cluster,
  worker: ClusterWorker,
  install: Workload | null,
): Promise<{ readonly volume: VolumeState | null; readonly secret: Belonging | null }> {
  const [volume, secret] = await Promise.all([
    seeVolume(cluster, worker, install === null ? `${worker.pod}-data` : install.claim),
    seeSecret(cluster, worker, install === null ? `${worker.pod}-secrets` : install.secret),
  ]);
  return { volume, secret };
}

async function seeVolume(
  cluster: Cluster,
  worker: ClusterWorker,
  name: string | null,
): Promise<VolumeState | null> {
  const claim =
    name === null ? null : await getOrNull<ClaimObject>(cluster, worker, 'persistentvolumeclaim', name);
  if (name === null || claim === null || claim.metadata.deletionTimestamp !== undefined) return null;
  const volumeName = claim.spec?.volumeName;
  // A PersistentVolume is cluster-scoped: the operator may have access to the namespace only.
  const volume =
    volumeName === undefined
      ? null
      : await getOrNull<VolumeObject>(cluster, worker, 'persistentvolume', volumeName).catch(() => null);
  return {
    ...belonging(name, `${worker.pod}-data`, claim.metadata),
    size: claim.spec?.resources?.requests?.storage ?? '?',
    retained: volume?.spec?.persistentVolumeReclaimPolicy === 'Retain' ? (volumeName ?? null) : null,
  };
}

async function seeSecret(
  cluster: Cluster,
  worker: ClusterWorker,
  name: string | null,
): Promise<Belonging | null> {
  if (name === null) return null;
  // Only its metadata: values do not leave the cluster.
  const result = await kubectl(cluster, worker, [
    'get',
    'secret',
    name,
    '--ignore-not-found',
    '--output=jsonpath={.metadata.labels.app\\.kubernetes\\.io/managed-by}{"\\n"}',
  ]);
  if (result.code !== 0) throw kubectlError(result, worker, `look up the Secret ${name} of`);
  const text = result.stdout.toString('utf8');
  if (text === '') return null;
  const labels = { 'app.kubernetes.io/managed-by': text.trim() };
  return belonging(name, `${worker.pod}-secrets`, { labels });
}

function belonging(name: string, ownName: string, metadata: Metadata): Belonging {
  return {
    name,
    own: name === ownName,
    goes:
      name === ownName && isHelms(metadata) && metadata.annotations?.['helm.sh/resource-policy'] !== 'keep',
  };
}
