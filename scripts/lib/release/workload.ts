/** The workload behind a worker and its pods, as a release needs to see them. */
import { CliError } from '../cli/errors.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { base, type Cluster, kubectl } from '../transport/kubectl.ts';
import { kubectlCommand, kubectlError } from '../transport/kubectl-errors.ts';
import { belongsTo, choosePod, type PodObject } from '../transport/pods.ts';

export type ReleasePod = PodObject & {
  readonly metadata: { readonly uid?: string };
};

export interface Workload {
  readonly kind: 'Deployment' | 'StatefulSet';
  readonly name: string;
  /** The Helm release it belongs to; null when Helm knows nothing of it. */
  readonly release: string | null;
  readonly container: string;
  readonly image: string;
  readonly replicas: number;
  /** What a pod beside the worker's own needs to be pulled and placed like it. */
  readonly pod: {
    readonly imagePullSecrets: readonly object[];
    readonly tolerations: readonly object[];
    readonly nodeSelector: Readonly<Record<string, string>>;
  };
  /** Why no pod can be made, as its controller says it; null when it says nothing. */
  readonly failure: string | null;
}

interface WorkloadObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly replicas?: number;
    readonly template: {
      readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> };
      readonly spec: {
        readonly containers: readonly { readonly name: string; readonly image: string }[];
        readonly imagePullSecrets?: readonly object[];
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
 * @throws CliError when the worker has neither Deployment nor StatefulSet
 */
export async function readWorkload(cluster: Cluster, worker: ClusterWorker): Promise<Workload> {
  const list = await getJson<{ items: WorkloadObject[] }>(cluster, worker, [
    'deployments,statefulsets',
    `--field-selector=metadata.name=${worker.pod}`,
  ]);
  const [object] = list.items;
  if (object === undefined) {
    throw new CliError(
      `${worker.name} has no Deployment or StatefulSet ${worker.pod} in namespace ${worker.namespace}: only those can be given a new image`,
      {
        hints: [
          `what there is: ${kubectlCommand(worker, `-n ${worker.namespace} get deployments,statefulsets,pods`)}`,
        ],
      },
    );
  }
  return parseWorkload(object, worker.container);
}

/** @param wanted the `container:` of workers.yaml, else the pod's own default, else the first */
export function parseWorkload({ kind, metadata, spec, status }: WorkloadObject, wanted?: string): Workload {
  const { containers, imagePullSecrets = [], tolerations = [], nodeSelector = {} } = spec.template.spec;
  const chosen = wanted ?? spec.template.metadata?.annotations?.['kubectl.kubernetes.io/default-container'];
  const container = containers.find(({ name }) => name === chosen) ?? containers[0];
  const failure = status?.conditions?.find(
    ({ type, status: value }) => type === 'ReplicaFailure' && value === 'True',
  );
  return {
    kind: kind === 'StatefulSet' ? 'StatefulSet' : 'Deployment',
    name: metadata.name,
    release: metadata.annotations?.['meta.helm.sh/release-name'] ?? null,
    container: container?.name ?? 'worker',
    image: container?.image ?? '',
    replicas: spec.replicas ?? 1,
    pod: { imagePullSecrets, tolerations, nodeSelector },
    failure: failure?.message ?? null,
  };
}

/** The pods of a worker, those on their way out among them. */
export async function readPods(cluster: Cluster, worker: ClusterWorker): Promise<ReleasePod[]> {
  const { items } = await getJson<{ items: ReleasePod[] }>(cluster, worker, ['pods']);
  return items.filter((pod) => belongsTo(pod, worker.pod));
}

/** The pod a command would enter. */
export function currentPod(pods: readonly ReleasePod[], worker: ClusterWorker): ReleasePod | null {
  return choosePod(pods, worker.pod) as ReleasePod | null;
}

export async function getJson<T>(
  cluster: Cluster,
  worker: ClusterWorker,
  args: readonly string[],
): Promise<T> {
  const result = await kubectl(cluster, worker, ['get', ...args, '--output=json']);
  if (result.code !== 0) throw kubectlError(result, worker, `look up ${args[0]} of`);
  try {
    return JSON.parse(result.stdout.toString('utf8')) as T;
  } catch {
    throw new CliError(`the connection to the cluster of ${worker.name} broke before its answer was whole`);
  }
}

/** Runs a kubectl that changes something. @throws TransportError when it fails */
export async function change(
  cluster: Cluster,
  worker: ClusterWorker,
  args: readonly string[],
  input?: string,
): Promise<string> {
  const result = await kubectl(cluster, worker, args, input === undefined ? {} : { input });
  if (result.code !== 0) throw kubectlError(result, worker, `${args[0]} for`);
  return result.stdout.toString('utf8');
}

/** The argv of a call, for `--dry-run`. */
export function kubectlArgv(
  cluster: Pick<Cluster, 'env'>,
  worker: ClusterWorker,
  args: readonly string[],
): string[] {
  return [...base(cluster, worker), ...args];
}
