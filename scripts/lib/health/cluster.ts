/** What Kubernetes reports about a worker, for `why`: two kubectl calls, each of which may be partly forbidden. */

import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { kubectlMessage } from '../transport/kubectl-errors.ts';
import { belongsTo, choosePod, type PodObject } from '../transport/pods.ts';
import { readAnswer } from '../transport/read-answer.ts';
import type { NodeObject, VolumeObject } from '../worker/volume-nodes.ts';

interface Named {
  readonly kind?: string;
  readonly metadata: { readonly name?: string };
}

export interface ClaimObject extends Named {
  readonly spec?: { readonly storageClassName?: string; readonly volumeName?: string };
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

export interface Toleration {
  readonly key?: string;
  readonly operator?: string;
  readonly value?: string;
  readonly effect?: string;
}

interface PodVolumes {
  readonly spec?: {
    readonly tolerations?: readonly Toleration[];
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
  /** The volumes of the claims, if no node takes the pod: the scheduler does not say where they can be mounted. */
  readonly volumes: readonly VolumeObject[];
  /** All nodes, if no node takes the pod because of taints, of a cordon or of a volume; the scheduler does not say which. */
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
  const nodeName = pod?.spec?.nodeName;
  const node =
    nodeName === undefined ? NOT_LOOKED : await lookAt<NodeObject>(cluster, worker, 'node', nodeName);
  const unscheduled = unscheduledBecause(pod);
  const volumeNames = unscheduled === null ? [] : claims.flatMap(({ spec }) => spec?.volumeName ?? []);
  const volumes = await Promise.all(
    volumeNames.map((name) => lookAt<VolumeObject>(cluster, worker, 'persistentvolume', name)),
  );
  const byNodes = /taint|unschedulable|volume/i.test(unscheduled ?? '');
  const nodes = byNodes ? await kubectl(cluster, worker, ['get', 'nodes', '--output=json']) : null;
  const said = [listing, nodes].map((answer) =>
    answer === null || answer.code === 0 ? '' : kubectlMessage(answer.stderr),
  );
  return {
    pod,
    pods,
    claims,
    warnings,
    node: node.object,
    volumes: volumes.flatMap(({ object }) => (object === null || object === 'gone' ? [] : object)),
    nodes: nodes === null ? [] : (parseItems(nodes.stdout) as NodeObject[]),
    unreadable: [...said, node.complaint, ...volumes.map(({ complaint }) => complaint)].filter(
      (text) => text !== '',
    ),
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

interface Looked<T> {
  /** Null: not asked, or forbidden. */
  readonly object: T | 'gone' | null;
  readonly complaint: string;
}

const NOT_LOOKED = { object: null, complaint: '' };

/** Looks at an object that is of no namespace, which not every operator may. */
async function lookAt<T>(
  cluster: Cluster,
  worker: ClusterWorker,
  kind: string,
  name: string,
): Promise<Looked<T>> {
  const result = await kubectl(cluster, worker, ['get', kind, name, '--output=json', '--ignore-not-found']);
  if (result.code !== 0) return { object: null, complaint: kubectlMessage(result.stderr) };
  const text = result.stdout.toString('utf8').trim();
  return { object: text === '' ? 'gone' : readAnswer<T>('object', worker.name, text), complaint: '' };
}

function parseItems(stdout: Buffer): readonly Named[] {
  try {
    return readAnswer<{ items: Named[] }>('list', 'the cluster', stdout.toString('utf8')).items;
  } catch {
    // Nothing could be read; stderr says why.
    return [];
  }
}
