/** The workload behind a worker, and its pods, as the chart created them. */
import { CliError } from '../cli/errors.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { Cluster } from '../transport/kubectl.ts';
import { kubectlInNamespace } from '../transport/kubectl-errors.ts';
import { getJson, getOrNull, getPods } from '../transport/objects.ts';
import { belongsTo, choosePod, containerName, type PodObject } from '../transport/pods.ts';
import { checkAnswer } from '../transport/read-answer.ts';
import { type ManagedFields, type TakenField, takenFromHelm } from './field-owners.ts';

export type ReleasePod = PodObject & {
  readonly metadata: { readonly uid?: string };
};

export interface Workload {
  readonly kind: 'Deployment' | 'StatefulSet';
  readonly name: string;
  /** The Helm release it belongs to; null when Helm did not install it. */
  readonly release: string | null;
  readonly container: string;
  readonly image: string;
  readonly replicas: number;
  /** Whether its container is privileged: then it has a Docker. */
  readonly privileged: boolean;
  /** The Secret with its tokens, and the claim of its state; null when none is mounted. */
  readonly secret: string | null;
  readonly claim: string | null;
  /** What another pod needs to be pulled and scheduled like the worker's. */
  readonly pod: {
    readonly imagePullSecrets: readonly { readonly name: string }[];
    readonly tolerations: readonly object[];
    readonly nodeSelector: Readonly<Record<string, string>>;
  };
  /** What an upgrade by Helm 4 would be refused for. */
  readonly taken: readonly TakenField[];
  /** Why no pod can be created, in its controller's words; null when it says nothing. */
  readonly failure: string | null;
}

export interface WorkloadObject {
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
    /** Only where it was asked for. */
    readonly managedFields?: readonly ManagedFields[];
  };
  readonly spec: {
    readonly replicas?: number;
    readonly template: {
      readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> };
      readonly spec: {
        readonly containers: readonly {
          readonly name: string;
          readonly image?: string;
          readonly securityContext?: { readonly privileged?: boolean };
          readonly env?: readonly { readonly name: string; readonly value?: string }[];
        }[];
        readonly volumes?: readonly {
          readonly name: string;
          readonly secret?: { readonly secretName: string };
          readonly persistentVolumeClaim?: { readonly claimName: string };
        }[];
        readonly imagePullSecrets?: readonly { readonly name: string }[];
        readonly tolerations?: readonly object[];
        readonly nodeSelector?: Readonly<Record<string, string>>;
      };
    };
  };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message?: string;
    }[];
  };
}

/**
 * @returns null when the worker has neither Deployment nor StatefulSet
 * @throws TransportError when the cluster does not answer
 */
export async function findWorkload(cluster: Cluster, worker: ClusterWorker): Promise<Workload | null> {
  const { items } = await getJson<{ items: WorkloadObject[] }>(cluster, worker, [
    'deployments,statefulsets',
    `--field-selector=metadata.name=${worker.pod}`,
    '--show-managed-fields',
  ]);
  return items[0] === undefined ? null : parseWorkload(items[0], worker.container);
}

/**
 * Finds only a Deployment, which is what the chart creates: this needs no permission to list.
 *
 * @returns null when there is none with that name
 * @throws TransportError when the cluster does not answer
 */
export async function findDeployment(cluster: Cluster, worker: ClusterWorker): Promise<Workload | null> {
  const object = await getOrNull<WorkloadObject>(cluster, worker, 'deployment', worker.pod);
  return object === null ? null : parseWorkload(object, worker.container);
}

/** @throws CliError when the worker has neither Deployment nor StatefulSet */
export async function readWorkload(cluster: Cluster, worker: ClusterWorker): Promise<Workload> {
  const workload = await findWorkload(cluster, worker);
  if (workload !== null) return workload;
  throw new CliError(
    `${worker.name} has no Deployment or StatefulSet ${worker.pod} in namespace ${worker.namespace}: only those can be given a new image`,
    {
      hints: [`what exists: ${kubectlInNamespace(worker, 'get', 'deployments,statefulsets,pods')}`],
    },
  );
}

/** @param wanted the `container:` of workers.yaml, if any; its pods' container is chosen alike */
export function parseWorkload(object: WorkloadObject, wanted?: string): Workload {
  const { kind, metadata, spec, status } = checkAnswer<WorkloadObject>('workload', 'its workload', object);
  const { containers, volumes = [], ...pod } = spec.template.spec;
  const { imagePullSecrets = [], tolerations = [], nodeSelector = {} } = pod;
  const name = containerName(spec.template, wanted);
  const container = containers.find((one) => one.name === name);
  const volume = (wantedVolume: string) => volumes.find((one) => one.name === wantedVolume);
  const failure = status?.conditions?.find(
    ({ type, status: value }) => type === 'ReplicaFailure' && value === 'True',
  );
  return {
    kind: kind === 'StatefulSet' ? 'StatefulSet' : 'Deployment',
    name: metadata.name,
    release: metadata.annotations?.['meta.helm.sh/release-name'] ?? null,
    container: name,
    image: container?.image ?? '',
    replicas: spec.replicas ?? 1,
    privileged: container?.securityContext?.privileged === true,
    secret: volume('secrets')?.secret?.secretName ?? null,
    claim: volume('state')?.persistentVolumeClaim?.claimName ?? null,
    pod: { imagePullSecrets, tolerations, nodeSelector },
    taken: takenFromHelm(metadata.managedFields, name),
    failure: failure?.message ?? null,
  };
}

/** The pods of a worker, including those that are being deleted. */
export async function readPods(cluster: Cluster, worker: ClusterWorker): Promise<ReleasePod[]> {
  const pods = await getPods<ReleasePod>(cluster, worker);
  return pods.filter((pod) => belongsTo(pod, worker.pod));
}

/** The pod a command would enter. */
export function currentPod(pods: readonly ReleasePod[], worker: ClusterWorker): ReleasePod | null {
  return choosePod(pods, worker.pod) as ReleasePod | null;
}
