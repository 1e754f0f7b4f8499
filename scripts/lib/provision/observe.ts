/** What already exists of a worker that is to be installed. Only reads; of Secrets only the names of their keys. */

import type { ClusterWorker } from '../config/worker-entry.ts';
import type { Helm } from '../helm/helm.ts';
import { isReady, releaseState } from '../lifecycle/look.ts';
import { KEYS_TEMPLATE, keysWithValues } from '../secret/secret.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { kubectlError, kubectlMessage } from '../transport/kubectl-errors.ts';
import { type ClaimObject, getOrNull, isHelms, type KubernetesObject } from '../transport/objects.ts';
import { readAnswer } from '../transport/read-answer.ts';
import { claimSpec } from './claim.ts';
import type { Brought } from './manifest.ts';
import type { ClaimState, ClusterState, NamespaceState, ObjectOwner } from './plan.ts';

/** @param place the worker as it is to be */
export async function observeCluster(
  cluster: Cluster,
  helm: Helm,
  place: ClusterWorker,
  brought: Brought,
): Promise<ClusterState> {
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

async function seeNamespace(cluster: Cluster, place: ClusterWorker): Promise<NamespaceState> {
  const result = await kubectl(cluster, place, ['get', 'namespace', place.namespace, '--output=json']);
  if (result.code !== 0) {
    if (/\(NotFound\)/.test(result.stderr)) return { state: 'missing' };
    const error = kubectlError(result, place, 'look up the namespace of');
    // The operator may have access inside the namespace, but not to the namespace object.
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

/** The label and annotations by which Helm adopts an existing object. */
function ownerOf({ metadata }: KubernetesObject): ObjectOwner {
  const { annotations } = metadata;
  const ours = isHelms(metadata);
  return {
    release: (ours && annotations?.['meta.helm.sh/release-name']) || null,
    namespace: (ours && annotations?.['meta.helm.sh/release-namespace']) || null,
  };
}

function seenClaim(claim: ClaimObject): ClaimState {
  return {
    owner: ownerOf(claim),
    phase: claim.status?.phase ?? '',
    ...claimSpec(claim),
    since: claim.metadata.creationTimestamp ?? '',
    deleting: claim.metadata.deletionTimestamp !== undefined,
  };
}
