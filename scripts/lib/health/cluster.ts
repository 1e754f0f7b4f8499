/** What Kubernetes reports about a worker, for `why`: two kubectl calls, each of which may be partly forbidden. */

import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { kubectlMessage } from '../transport/kubectl-errors.ts';
import { belongsTo, choosePod, type PodObject } from '../transport/pods.ts';
import { readAnswer } from '../transport/read-answer.ts';

interface Named {
  readonly kind?: string;
  readonly metadata: { readonly name?: string };
}

export interface ClaimObject extends Named {
  readonly spec?: { readonly storageClassName?: string };
  readonly status?: { readonly phase?: string };
}

export interface EventObject extends Named {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
  readonly count?: number;
  readonly involvedObject?: { readonly kind?: string; readonly name?: string };
}

export interface NodeObject extends Named {
  readonly spec?: {
    readonly unschedulable?: boolean;
    readonly taints?: readonly { readonly key: string }[];
  };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
  };
}

interface PodVolumes {
  readonly spec?: {
    readonly volumes?: readonly { readonly persistentVolumeClaim?: { readonly claimName: string } }[];
  };
}

export type WorkerPod = PodObject & PodVolumes;

export interface ClusterFacts {
  /** The worker's current pod. */
  readonly pod: WorkerPod | null;
  /** All of its pods, including finished ones: an evicted pod stays for days. */
  readonly pods: readonly WorkerPod[];
  /** The claims that its pods mount. */
  readonly claims: readonly ClaimObject[];
  /** Warnings about the worker, its pods and its claims, oldest first. */
  readonly warnings: readonly EventObject[];
  /** `gone`: the pod names a node that no longer exists; null: not asked, or forbidden. */
  readonly node: NodeObject | 'gone' | null;
  /** All nodes, if the scheduler says that taints keep the pod away; it does not say which taints. */
  readonly nodes: readonly NodeObject[];
  /** What could not be read, in kubectl's words. */
  readonly unreadable: readonly string[];
}

const KINDS = 'pods,persistentvolumeclaims,events';

/** @throws only InterruptedError: what cannot be read is named in the facts */
export async function lookAtCluster(cluster: Cluster, worker: ClusterWorker): Promise<ClusterFacts> {
  // One call for all kinds: kubectl reports the forbidden ones, and prints the others.
  const listing = await kubectl(cluster, worker, ['get', KINDS, '--output=json']);
  const items = parseItems(listing.stdout);
  const ofKind = <T extends Named>(kind: string) => items.filter((item) => item.kind === kind) as T[];
  const pods = ofKind<WorkerPod & Named>('Pod').filter((pod) => belongsTo(pod, worker.pod));
  const pod = choosePod(pods, worker.pod) as WorkerPod | null;
  const mounted = new Set(
    pods.flatMap(({ spec }) =>
      (spec?.volumes ?? []).map((volume) => volume.persistentVolumeClaim?.claimName),
    ),
  );
  const claims = ofKind<ClaimObject>('PersistentVolumeClaim').filter(({ metadata }) =>
    mounted.has(metadata.name),
  );
  const names = [
    worker.pod,
    ...pods.map(({ metadata }) => metadata.name),
    ...claims.map(({ metadata }) => metadata.name),
  ];
  const warnings = ofKind<EventObject>('Event')
    .filter(
      ({ type, involvedObject }) =>
        type === 'Warning' &&
        (names.includes(involvedObject?.name) || involvedObject?.name?.startsWith(`${worker.pod}-`) === true),
    )
    .sort((a, b) => timeOf(a).localeCompare(timeOf(b)));
  const { node, complaint } = await lookAtNode(cluster, worker, pod?.spec?.nodeName);
  const tainted = /taint/.test(unscheduledBecause(pod) ?? '');
  const nodes = tainted ? await kubectl(cluster, worker, ['get', 'nodes', '--output=json']) : null;
  const said = [listing, nodes].map((answer) =>
    answer === null || answer.code === 0 ? '' : kubectlMessage(answer.stderr),
  );
  return {
    pod,
    pods,
    claims,
    warnings,
    node,
    nodes: nodes === null ? [] : (parseItems(nodes.stdout) as NodeObject[]),
    unreadable: [...said, complaint].filter((text) => text !== ''),
  };
}

/** Why no node takes the pod, in the scheduler's words; null when it is scheduled, or scheduling has not started. */
export function unscheduledBecause(pod: WorkerPod | null): string | null {
  const condition = pod?.status?.conditions?.find(
    ({ type, status }) => type === 'PodScheduled' && status === 'False',
  );
  return condition === undefined ? null : (condition.message ?? '');
}

/** When an event last happened; newer events have only the second field. */
export function timeOf({ lastTimestamp, eventTime }: EventObject): string {
  return lastTimestamp ?? eventTime ?? '';
}

async function lookAtNode(
  cluster: Cluster,
  worker: ClusterWorker,
  name: string | undefined,
): Promise<{ node: ClusterFacts['node']; complaint: string }> {
  if (name === undefined) return { node: null, complaint: '' };
  const result = await kubectl(cluster, worker, ['get', 'node', name, '--output=json', '--ignore-not-found']);
  if (result.code !== 0) return { node: null, complaint: kubectlMessage(result.stderr) };
  const text = result.stdout.toString('utf8').trim();
  return { node: text === '' ? 'gone' : readAnswer<NodeObject>('object', worker.name, text), complaint: '' };
}

function parseItems(stdout: Buffer): readonly Named[] {
  try {
    return readAnswer<{ items: Named[] }>('list', 'the cluster', stdout.toString('utf8')).items;
  } catch {
    // Nothing could be read; stderr says why.
    return [];
  }
}
