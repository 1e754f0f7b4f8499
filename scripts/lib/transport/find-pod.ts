/** Finds the pod of a worker, or says why there is none. */
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Cluster, kubectl } from './kubectl.ts';
import { kubectlError } from './kubectl-errors.ts';
import { getOrNull } from './objects.ts';
import { choosePod, type PodFacts, type PodObject, podFacts } from './pods.ts';
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
  const lists = new Map<string, Promise<readonly PodObject[] | TransportError>>();
  return async (worker) => {
    const key = JSON.stringify([worker.kubeconfig, worker.context, worker.namespace]);
    const listing = lists.get(key) ?? listPods(cluster, worker);
    lists.set(key, listing);
    const pods = await listing;
    // If listing is forbidden, `get pod P` may still work, which is enough when `pod:` names a pod.
    const pod =
      pods instanceof TransportError ? await podItself(cluster, worker, pods) : choosePod(pods, worker.pod);
    if (pod !== null) return { kind: 'pod', pod: podFacts(pod, worker.container, cluster.now()) };
    return explainAbsence(cluster, worker);
  };
}

/** The pods of a namespace; or the error when listing them is forbidden, since reading a single pod may not be. */
async function listPods(
  cluster: Cluster,
  worker: ClusterWorker,
): Promise<readonly PodObject[] | TransportError> {
  const result = await kubectl(cluster, worker, ['get', 'pods', '--output=json']);
  if (result.code === 0)
    return readAnswer<{ items: PodObject[] }>('list', worker.name, result.stdout.toString('utf8')).items;
  const error = kubectlError(result, worker, 'list the pods of');
  if (error.kind === 'forbidden') return error;
  throw error;
}

/**
 * The pod whose name is in `pod:`.
 *
 * @throws the given error when there is none: a Deployment's pod can be found only in a list
 */
async function podItself(
  cluster: Cluster,
  worker: ClusterWorker,
  refused: TransportError,
): Promise<PodObject> {
  const pod = await getOrNull<PodObject>(cluster, worker, 'pod', worker.pod, 'look up the pod of').catch(
    (error: unknown) => {
      if (error instanceof TransportError && error.kind === 'forbidden') return null;
      throw error;
    },
  );
  if (pod === null) throw refused;
  return pod;
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
async function explainAbsence(cluster: Cluster, worker: ClusterWorker): Promise<PodSearch> {
  const missing = { kind: 'none', status: 'missing', reason: `no pod or Deployment ${worker.pod}` } as const;
  let deployment: DeploymentObject | null;
  try {
    deployment = await getOrNull<DeploymentObject>(
      cluster,
      worker,
      'deployment',
      worker.pod,
      'look up the deployment of',
    );
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
