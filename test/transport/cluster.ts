/** Kubernetes objects as `kubectl get … -o json` prints them, cut to a worker's size. */
import type { PodObject } from '../../scripts/lib/transport/pods.ts';

export const NOW = new Date('2026-03-02T12:00:00Z');
export const IMAGE = 'registry.example.com/factory-worker@sha256:1111';

type Metadata = PodObject['metadata'];
type Status = NonNullable<PodObject['status']>;

export interface PodOptions {
  /** Name of the Deployment; the pod and its ReplicaSet are called after it. */
  readonly of?: string;
  readonly hash?: string;
  readonly suffix?: string;
  /** Takes the place of fields of the usual metadata. */
  readonly metadata?: Metadata;
  readonly containers?: readonly { readonly name: string; readonly image?: string }[];
  readonly node?: string | null;
  readonly restartPolicy?: string;
  readonly status?: Status;
}

/** A running, Ready pod of a Deployment, unless told otherwise. */
export function pod(options: PodOptions = {}): PodObject {
  const { of = 'factory-worker-1', hash = '7d9f8b6c5d', suffix = 'x2x4z', node = 'node-a' } = options;
  const containers = options.containers ?? [{ name: 'worker', image: IMAGE }];
  return {
    metadata: {
      name: `${of}-${hash}-${suffix}`,
      creationTimestamp: '2026-03-01T08:00:00Z',
      labels: {
        'app.kubernetes.io/name': 'factory-worker',
        'app.kubernetes.io/instance': of.replace(/^factory-/, ''),
        'pod-template-hash': hash,
      },
      ownerReferences: [{ kind: 'ReplicaSet', name: `${of}-${hash}` }],
      ...options.metadata,
    },
    spec: {
      containers,
      ...(node === null ? {} : { nodeName: node }),
      ...(options.restartPolicy === undefined ? {} : { restartPolicy: options.restartPolicy }),
    },
    status: options.status ?? running(containers[0]?.name ?? 'worker'),
  };
}

export function running(container = 'worker', ready: 'True' | 'False' | 'Unknown' = 'True'): Status {
  return {
    phase: 'Running',
    conditions: [
      { type: 'PodScheduled', status: 'True' },
      { type: 'Ready', status: ready, ...(ready === 'False' ? { reason: 'ContainersNotReady' } : {}) },
    ],
    containerStatuses: [
      { name: container, restartCount: 0, state: { running: { startedAt: '2026-03-01T08:00:10Z' } } },
    ],
  };
}

/** As the node controller leaves a pod that was Ready when its node fell silent: no reason, and the rest as it was. */
export function nodeSilent(): Status {
  const { conditions, ...rest } = running();
  return {
    ...rest,
    conditions: [
      { type: 'PodScheduled', status: 'True' },
      { type: 'ContainersReady', status: 'True' },
      { type: 'Ready', status: 'False' },
    ],
  };
}

/** A container that waits for something. */
export function waiting(reason: string, message?: string, restartCount = 0): Status {
  return {
    phase: 'Pending',
    conditions: [
      { type: 'PodScheduled', status: 'True' },
      { type: 'Ready', status: 'False', reason: 'ContainersNotReady' },
    ],
    containerStatuses: [
      {
        name: 'worker',
        restartCount,
        state: { waiting: { reason, ...(message === undefined ? {} : { message }) } },
      },
    ],
  };
}

/** The pod is being deleted; it should be gone by the given moment. */
export function deleted(by: string): Metadata {
  return { deletionTimestamp: by, deletionGracePeriodSeconds: 30 };
}

/** What `kubectl get pods -o json` prints. */
export function podList(...items: readonly PodObject[]): string {
  return listAt('', ...items);
}

/** What the API server answers. @param version of the list, from which it can be watched */
export function listAt(version: string, ...items: readonly PodObject[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: version }, items });
}
