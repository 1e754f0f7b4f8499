/** What stop and start do to a release: look what else would change, then the upgrade. */
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Change, chartPath, type Helm } from '../helm/helm.ts';
import { setValueCommand } from '../helm/set-value.ts';
import type { Cluster } from '../transport/kubectl.ts';
import { expectSeen } from '../transport/objects.ts';
import { findWorkload } from '../worker/workload.ts';
import type { WorkerState } from './look.ts';
import { described } from './replicas.ts';

function change(replicas: 0 | 1): Change {
  return { chart: chartPath(), set: { replicas }, description: described(replicas) };
}

/**
 * The lines of the manifest that setting the replicas would change besides them, when the chart here is not the release's.
 * Nothing is asked where there is nothing to set.
 */
export async function driftOf(
  helm: Helm,
  { worker, workload, release }: WorkerState,
  replicas: 0 | 1,
): Promise<string[]> {
  if (!release?.ours || release.pending || workload?.replicas === replicas) return [];
  // Loads yaml, for which --help need not wait.
  const { manifestChanges } = await import('../release/manifest-diff.ts');
  const place = { name: release.name, worker };
  const [now, then] = await Promise.all([helm.manifest(place), helm.render(place, change(replicas))]);
  return manifestChanges(now, then, []).filter((line) => !/: [-+] replicas: \d+$/.test(line));
}

/** @throws CliError when Helm refuses, or the Deployment does not have that number afterwards */
export async function scaleRelease(
  helm: Helm,
  release: string,
  worker: ClusterWorker,
  replicas: 0 | 1,
  cluster: Cluster,
): Promise<void> {
  await helm.upgrade({ name: release, worker }, change(replicas));
  await expectSeen(
    {
      failed: `${worker.name} was not scaled to ${replicas}`,
      by: 'helm',
      look: async () => {
        const workload = await findWorkload(cluster, worker);
        if (workload === null) return `there is no Deployment ${worker.pod}`;
        return workload.replicas === replicas
          ? null
          : `its ${workload.kind} ${workload.name} has replicas: ${workload.replicas}`;
      },
      hints: [setValueCommand(worker, `replicas=${replicas}`)],
    },
    cluster,
  );
}
