/** Finds the pod of a worker, or says why there is none. */
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { RunResult } from '../exec.ts';
import type { ClusterClient } from './client.ts';
import { clientOf } from './connections.ts';
import type { Cluster } from './kubectl.ts';
import { kubectlError } from './kubectl-errors.ts';
import { choosePod, type PodFacts, type PodList, type PodObject, podFacts } from './pods.ts';
import { readAnswer } from './read-answer.ts';
import { TransportError } from './transport.ts';

/** The result of the search for a worker's pod. */
export type PodSearch =
  | { readonly kind: 'pod'; readonly pod: PodFacts }
  | { readonly kind: 'none'; readonly status: 'missing' | 'stopped' | 'pending'; readonly reason: string };

/**
 * Resolves workers to pods for the duration of one command.
 *
 * @returns a function that finds the pod of a worker; workers with the same context and namespace share a single `get pods`.
 *   It throws TransportError when the cluster does not answer.
 */
export function podFinder(cluster: Cluster): (worker: ClusterWorker) => Promise<PodSearch> {
  const client = clientOf(cluster);
  const lists = new Map<string, Promise<Listing>>();
  return async (worker) => {
    const key = JSON.stringify([worker.kubeconfig, worker.context, worker.namespace]);
    const listing = lists.get(key) ?? listPods(client, worker);
    lists.set(key, listing);
    const answer = await listing;
    const pods = 'pods' in answer ? answer.pods : refusedList(answer.failed, worker);
    // If listing is forbidden, `get pod P` may still work, which is enough when `pod:` names a pod.
    const pod =
      pods instanceof TransportError ? await podItself(client, worker, pods) : choosePod(pods, worker.pod);
    if (pod !== null) return { kind: 'pod', pod: podFacts(pod, worker.container, cluster.now()) };
    return explainAbsence(client, worker);
  };
}

/** The pods of a namespace, or the call that failed: each of its workers gets an error with its own name. */
type Listing = { readonly pods: readonly PodObject[] } | { readonly failed: RunResult };

async function listPods(client: ClusterClient, worker: ClusterWorker): Promise<Listing> {
  const watched = client.watchedPods?.(worker);
  if (watched) return { pods: watched };
  const result = await client.read(worker, { kind: 'pods' });
  if (result.code !== 0) return { failed: result };
  const list = readAnswer<PodList>('list', worker.name, result.stdout.toString('utf8'));
  client.watchPods?.(worker, list);
  return { pods: list.items };
}

/**
 * The error when listing the pods is forbidden, since reading a single pod may not be.
 *
 * @throws every other error
 */
function refusedList(failed: RunResult, worker: ClusterWorker): TransportError {
  const error = kubectlError(failed, worker, 'list the pods of');
  if (error.kind === 'forbidden') return error;
  throw error;
}

/**
 * The pod whose name is in `pod:`.
 *
 * @throws the given error when there is none: a Deployment's pod can be found only in a list
 */
async function podItself(
  client: ClusterClient,
  worker: ClusterWorker,
  refused: TransportError,
): Promise<PodObject> {
  const pod = await readOrNull<PodObject>(client, worker, 'pod').catch((error: unknown) => {
    if (error instanceof TransportError && error.kind === 'forbidden') return null;
    throw error;
  });
  if (pod === null) throw refused;
  return pod;
}

/** What has the name in `pod:`; null when there is none. */
async function readOrNull<T>(
  client: ClusterClient,
  worker: ClusterWorker,
  kind: 'pod' | 'deployment',
): Promise<T | null> {
  const result = await client.read(worker, { kind, name: worker.pod });
  if (result.code !== 0) throw kubectlError(result, worker, `look up the ${kind} of`);
  return result.stdout.length === 0
    ? null
    : readAnswer<T>('object', worker.name, result.stdout.toString('utf8'));
}

interface DeploymentObject {
  readonly spec?: { readonly replicas?: number };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message?: string;
    }[];
  };
}

/** Why there is no pod: scaled to 0, not created yet, or nothing with that name at all. */
async function explainAbsence(client: ClusterClient, worker: ClusterWorker): Promise<PodSearch> {
  const missing = { kind: 'none', status: 'missing', reason: `no pod or Deployment ${worker.pod}` } as const;
  let deployment: DeploymentObject | null;
  try {
    deployment = await readOrNull<DeploymentObject>(client, worker, 'deployment');
  } catch (error) {
    if (error instanceof TransportError && error.kind === 'forbidden') return missing;
    throw error;
  }
  if (deployment === null) return missing;
  if (deployment.spec?.replicas === 0) {
    return { kind: 'none', status: 'stopped', reason: `Deployment ${worker.pod} is scaled to 0` };
  }
  const failure = deployment.status?.conditions?.find(
    ({ type, status }) => type === 'ReplicaFailure' && status === 'True',
  );
  return { kind: 'none', status: 'pending', reason: failure?.message ?? 'its pod has not been created yet' };
}
