/** What there is already of a worker that is to be installed. Reads only; of Secrets only the names of their keys. */

import type { ClusterWorker } from '../config/worker-entry.ts';
import { KEYS_TEMPLATE, keysWithValues } from '../health/release.ts';
import type { Helm } from '../helm/helm.ts';
import { isHelms } from '../helm/ownership.ts';
import { isReady, releaseState } from '../lifecycle/look.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { kubectlError, kubectlMessage } from '../transport/kubectl-errors.ts';
import { getOrNull } from '../transport/objects.ts';
import { readAnswer } from '../transport/read-answer.ts';
import type { Brought } from './manifest.ts';
import type { SeenClaim, SeenCluster, SeenNamespace, SeenOwner } from './plan.ts';

interface KubernetesObject {
  readonly metadata: {
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

interface ClaimObject extends KubernetesObject {
  readonly spec?: {
    readonly volumeName?: string;
    readonly resources?: { readonly requests?: { readonly storage?: string } };
  };
  readonly status?: { readonly phase?: string };
}

/** @param place the worker as it is to be */
export async function observeCluster(
  cluster: Cluster,
  helm: Helm,
  place: ClusterWorker,
  brought: Brought,
): Promise<SeenCluster> {
  const namespace = await seeNamespace(cluster, place);
  if (namespace.state === 'missing') {
    return {
      namespace,
      release: null,
      deployment: null,
      ready: false,
      secretKeys: null,
      pullSecrets: new Map(brought.pullSecrets.map((name) => [name, false])),
      claim: null,
    };
  }
  const [release, deployment, secretKeys, claim, pullSecrets] = await Promise.all([
    releaseState(helm, { name: place.name, worker: place }),
    getOrNull<KubernetesObject>(cluster, place, 'deployment', place.pod),
    brought.secret === null ? null : seeSecret(cluster, place, brought.secret),
    brought.claim === null
      ? null
      : getOrNull<ClaimObject>(cluster, place, 'persistentvolumeclaim', brought.claim),
    Promise.all(
      brought.pullSecrets.map(
        async (name) => [name, (await seeSecret(cluster, place, name)) !== null] as const,
      ),
    ),
  ]);
  return {
    namespace,
    release,
    deployment: deployment && ownerOf(deployment),
    ready: deployment !== null && (await isReady(cluster, place)),
    secretKeys,
    pullSecrets: new Map(pullSecrets),
    claim: claim && seenClaim(claim),
  };
}

async function seeNamespace(cluster: Cluster, place: ClusterWorker): Promise<SeenNamespace> {
  const result = await kubectl(cluster, place, ['get', 'namespace', place.namespace, '--output=json']);
  if (result.code !== 0) {
    if (/\(NotFound\)/.test(result.stderr)) return { state: 'missing' };
    const error = kubectlError(result, place, 'look up the namespace of');
    // Who may work in a namespace need not be allowed to look at it.
    if (error.kind === 'forbidden') return { state: 'unknown', why: kubectlMessage(result.stderr) };
    throw error;
  }
  const { metadata } = readAnswer<KubernetesObject>('object', place.name, result.stdout.toString('utf8'));
  if (metadata.deletionTimestamp !== undefined)
    return { state: 'deleting', since: metadata.deletionTimestamp };
  return { state: 'there', labels: metadata.labels ?? {} };
}

async function seeSecret(cluster: Cluster, place: ClusterWorker, name: string): Promise<string[] | null> {
  const result = await kubectl(cluster, place, [
    'get',
    'secret',
    name,
    '--ignore-not-found',
    `--output=go-template=${KEYS_TEMPLATE}{{"\\n"}}`,
  ]);
  if (result.code !== 0) throw kubectlError(result, place, `look up the Secret ${name} of`);
  return result.stdout.length === 0 ? null : keysWithValues(result.stdout.toString('utf8'));
}

/** What Helm goes by when it is to take up an object that is there: the three marks of its own. */
function ownerOf({ metadata: { labels, annotations } }: KubernetesObject): SeenOwner {
  const ours = isHelms({ labels });
  return {
    release: (ours && annotations?.['meta.helm.sh/release-name']) || null,
    namespace: (ours && annotations?.['meta.helm.sh/release-namespace']) || null,
  };
}

function seenClaim(claim: ClaimObject): SeenClaim {
  return {
    owner: ownerOf(claim),
    phase: claim.status?.phase ?? '',
    size: claim.spec?.resources?.requests?.storage ?? '?',
    since: claim.metadata.creationTimestamp ?? '',
    deleting: claim.metadata.deletionTimestamp !== undefined,
  };
}
