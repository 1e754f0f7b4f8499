/** What `resize` needs to know of a worker: its pod, its Deployment and its ReplicaSet, and what the cluster says to the change. */
import type { Context } from '../cli/command.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { kubectlError, kubectlMessage } from '../transport/kubectl-errors.ts';
import { getJson, getOrNull, type KubernetesObject } from '../transport/objects.ts';
import { finished } from '../transport/pods.ts';
import { TransportError } from '../transport/transport.ts';
import { parseMemory } from '../worker/memory.ts';
import { createReach } from '../worker/observe.ts';
import { currentPod, readPods } from '../worker/workload.ts';
import type { Resources } from './resources.ts';

/** The annotation of a Deployment that `resize` has paused. */
export const PAUSED_BY = 'factory-worker/paused-by';

/** A pod template, as a Deployment and its ReplicaSet have it. */
export interface Template {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: {
    readonly containers?: readonly { readonly name: string; readonly resources?: Resources }[];
  };
}

interface WithTemplate extends KubernetesObject {
  readonly metadata: KubernetesObject['metadata'] & { readonly generation?: number };
  readonly spec?: { readonly paused?: boolean; readonly template?: Template };
  readonly status?: { readonly observedGeneration?: number };
}

export interface RunningPod {
  readonly name: string;
  readonly container: string;
  readonly node: string | null;
  /** Its ReplicaSet; null when a Deployment does not own it. */
  readonly owner: string | null;
  /** As asked for in its spec. */
  readonly resources: Resources;
  /** As the kubelet has applied them; null before Kubernetes 1.33. */
  readonly applied: Resources | null;
  /** Conditions of a resize that is not done: `Deferred: …`. */
  readonly pending: readonly { readonly type: string; readonly reason: string; readonly message: string }[];
}

export interface DeploymentState {
  readonly template: Template;
  readonly paused: boolean;
  /** Whether an earlier `resize` paused it. */
  readonly pausedByResize: boolean;
  /** Whether its controller has seen its newest version. */
  readonly observed: boolean;
}

export interface ReplicaSetState {
  readonly name: string;
  readonly template: Template;
}

export interface ResizeState {
  /** Null: the worker is stopped, or its pod is not running. */
  readonly pod: RunningPod | null;
  readonly deployment: DeploymentState | null;
  /** Of the pod; null when a Deployment does not own it. */
  readonly replicaSet: ReplicaSetState | null;
  /** What the node can give to pods; null when it may not be read. */
  readonly allocatable: Readonly<Record<string, string | number>> | null;
  /** Memory that the worker uses now; null when it cannot be entered. */
  readonly usedBytes: number | null;
}

/** @throws TransportError when the cluster does not answer */
export async function lookForResize(
  cluster: Cluster,
  worker: ClusterWorker,
  container: string,
  context: Context,
): Promise<ResizeState> {
  const [deployment, pod, usedBytes] = await Promise.all([
    readDeployment(cluster, worker),
    runningPod(cluster, worker, container),
    memoryInUse(cluster, worker, context),
  ]);
  const [replicaSet, allocatable] = await Promise.all([
    readReplicaSet(cluster, worker, pod?.owner ?? null),
    pod?.node ? allocatableOf(cluster, worker, pod.node) : null,
  ]);
  return { pod, deployment, replicaSet, allocatable, usedBytes };
}

export async function readDeployment(
  cluster: Cluster,
  worker: ClusterWorker,
): Promise<DeploymentState | null> {
  const found = await getOrNull<WithTemplate>(cluster, worker, 'deployment', worker.pod);
  if (found === null) return null;
  return {
    template: found.spec?.template ?? {},
    paused: found.spec?.paused === true,
    pausedByResize: found.metadata.annotations?.[PAUSED_BY] === 'resize',
    observed: found.metadata.generation === found.status?.observedGeneration,
  };
}

/** @param name the owner of the worker's pod */
export async function readReplicaSet(
  cluster: Cluster,
  worker: ClusterWorker,
  name: string | null,
): Promise<ReplicaSetState | null> {
  if (name === null) return null;
  const found = await getOrNull<WithTemplate>(cluster, worker, 'replicaset', name);
  return found === null ? null : { name, template: found.spec?.template ?? {} };
}

/** The worker's pod, if its container runs and it is not being deleted. */
export async function runningPod(
  cluster: Cluster,
  worker: ClusterWorker,
  container: string,
): Promise<RunningPod | null> {
  const pod = currentPod(await readPods(cluster, worker), worker);
  if (pod === null || finished(pod) || pod.metadata.deletionTimestamp !== undefined) return null;
  const status = pod.status?.containerStatuses?.find(({ name }) => name === container);
  if (status?.state?.running === undefined) return null;
  return {
    name: pod.metadata.name ?? '',
    container,
    node: pod.spec?.nodeName ?? null,
    owner: pod.metadata.ownerReferences?.find(({ kind }) => kind === 'ReplicaSet')?.name ?? null,
    resources: pod.spec?.containers?.find(({ name }) => name === container)?.resources ?? {},
    applied: status.resources ?? null,
    pending: (pod.status?.conditions ?? [])
      .filter(({ type, status: value }) => type.startsWith('PodResize') && value === 'True')
      .map(({ type, reason = '', message = '' }) => ({ type, reason, message })),
  };
}

/** Nodes belong to no namespace, and an operator often may not read them. */
async function allocatableOf(cluster: Cluster, worker: ClusterWorker, node: string) {
  try {
    const found = await getJson<{ readonly status?: { readonly allocatable?: Record<string, string> } }>(
      cluster,
      worker,
      ['node', node],
      'object',
    );
    return found.status?.allocatable ?? null;
  } catch (error) {
    if (error instanceof TransportError && (error.kind === 'forbidden' || error.kind === 'missing'))
      return null;
    throw error;
  }
}

async function memoryInUse(
  cluster: Cluster,
  worker: ClusterWorker,
  context: Context,
): Promise<number | null> {
  try {
    const { transport } = await createReach(context, cluster.timeoutMs).enter(worker);
    const frame = await transport.run({
      script: 'look',
      args: ['memory'],
      timeoutMs: cluster.timeoutMs,
      signal: cluster.signal,
    });
    const memory = parseMemory(frame.parts.get('memory')?.text ?? '').get('pod');
    return memory === undefined ? null : memory.usedBytes - memory.idleBytes || null;
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    return null;
  }
}

/** The arguments, after `kubectl`, that give a running pod other resources. */
export function resizeArgs(
  { name, container }: Pick<RunningPod, 'name' | 'container'>,
  resources: Resources,
): string[] {
  const patch = { spec: { containers: [{ name: container, resources }] } };
  return ['patch', 'pod', name, '--subresource=resize', `--patch=${JSON.stringify(patch)}`];
}

/**
 * Asks the cluster whether it would accept the change; nothing is changed.
 *
 * @returns null when it would, otherwise its reason
 * @throws TransportError when it does not answer
 */
export async function refusalOf(
  cluster: Cluster,
  worker: ClusterWorker,
  pod: RunningPod,
  resources: Resources,
): Promise<string | null> {
  const result = await kubectl(cluster, worker, [...resizeArgs(pod, resources), '--dry-run=server']);
  if (result.code === 0) return null;
  const error = kubectlError(result, worker, 'resize the pod of');
  if (error.unanswered || error.kind === 'unauthorized') throw error;
  return kubectlMessage(result.stderr) || error.message;
}
