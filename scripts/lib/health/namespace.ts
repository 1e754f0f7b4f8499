/** Checks the namespace of workers: whether it exists and admits their pods, and which storage classes the cluster has. */
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { kubectlCommand, kubectlMessage } from '../transport/kubectl-errors.ts';
import { readAnswer } from '../transport/read-answer.ts';
import type { Workload } from '../worker/workload.ts';
import { type Check, found } from './check.ts';

/** Pod Security levels, from strict to permissive. */
const LEVELS = ['restricted', 'baseline', 'privileged'] as const;
export type Level = (typeof LEVELS)[number];

const ENFORCE = 'pod-security.kubernetes.io/enforce';

/** The labels by which a namespace admits pods of a level. */
export const securityLabels = (level: Level): Record<string, string> =>
  Object.fromEntries(
    ['enforce', 'audit', 'warn'].map((mode) => [`pod-security.kubernetes.io/${mode}`, level]),
  );

/** The arguments of the `kubectl label` that sets them. */
export function labelArgs(namespace: string, level: Level): string[] {
  const labels = Object.entries(securityLabels(level)).map(([key, value]) => `${key}=${value}`);
  return ['label', 'namespace', namespace, '--overwrite', ...labels];
}

/**
 * @param labels of the namespace
 * @returns whether its labels admit pods of the level; null without such a label: the cluster's default decides
 */
export function admits(labels: Readonly<Record<string, string>>, level: Level): boolean | null {
  const enforced = LEVELS.indexOf(labels[ENFORCE] as Level);
  return enforced < 0 ? null : enforced >= LEVELS.indexOf(level);
}

/**
 * The level that the workers of a namespace need: `privileged` if one of them has Docker, or may have.
 *
 * @param workloads of its workers; null for one that does not exist or could not be read
 */
export function neededLevel(workloads: readonly (Pick<Workload, 'privileged'> | null)[]): Level {
  const none = workloads.length > 0 && workloads.every((workload) => workload?.privileged === false);
  return none ? 'baseline' : 'privileged';
}

/** A pod of the level, for a dry run only. */
function probePod(level: Level): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'factory-worker-doctor' },
    spec: {
      containers: [
        {
          name: 'worker',
          image: 'none',
          ...(level === 'privileged' ? { securityContext: { privileged: true } } : {}),
        },
      ],
    },
  });
}

/** @param level what the workers there need: with Docker, `privileged` */
export async function checkNamespace(
  cluster: Cluster,
  place: ClusterWorker,
  level: Level,
  provision: string,
): Promise<Check[]> {
  const { namespace } = place;
  const result = await kubectl(cluster, place, ['get', 'namespace', namespace, '--output=json']);
  if (result.code !== 0) {
    if (/\(NotFound\)/.test(result.stderr)) {
      return [
        found('namespace', 'fail', `there is no namespace ${namespace} in context ${place.context}`, [
          `the first worker's ${provision} creates it`,
        ]),
      ];
    }
    const why = kubectlMessage(result.stderr);
    return [
      found('namespace', 'unknown', `its labels cannot be read: ${why}`),
      await triedPod(cluster, place, level),
    ];
  }
  const { metadata } = readAnswer<{
    metadata: { labels?: Record<string, string>; deletionTimestamp?: string };
  }>('object', place.name, result.stdout.toString());
  if (metadata.deletionTimestamp !== undefined) {
    return [
      found(
        'namespace',
        'fail',
        `namespace ${namespace} is being deleted, since ${metadata.deletionTimestamp}`,
        [kubectlCommand(place, 'get', 'namespace', namespace, '--output=yaml')],
      ),
    ];
  }
  const there = found('namespace', 'ok', namespace);
  const admitted = admits(metadata.labels ?? {}, level);
  if (admitted === true) {
    return [
      there,
      found('pod-security', 'ok', `${ENFORCE}=${metadata.labels?.[ENFORCE]} admits ${level} pods`),
    ];
  }
  if (admitted === null) {
    return [there, await triedPod(cluster, place, level)];
  }
  const workers =
    level === 'privileged'
      ? 'which a worker with Docker is'
      : 'which the workers here are, since none has Docker; provision asks for more when one does';
  const reason = `${ENFORCE}=${metadata.labels?.[ENFORCE]} refuses ${level} pods, ${workers}`;
  return [there, refused(cluster, place, level, reason)];
}

async function triedPod(cluster: Cluster, place: ClusterWorker, level: Level): Promise<Check> {
  const tried = await tryPod(cluster, place, level);
  return tried.state === 'fail' ? refused(cluster, place, level, tried.reason) : tried;
}

function refused(cluster: Cluster, place: ClusterWorker, level: Level, reason: string): Check {
  const args = labelArgs(place.namespace, level);
  return found('pod-security', 'fail', reason, [kubectlCommand(place, ...args)], async () => {
    const result = await kubectl(cluster, place, args);
    if (result.code !== 0) throw new Error(kubectlMessage(result.stderr));
  });
}

/** Asks the API server with a dry run: the cluster's default level cannot be read anywhere. */
async function tryPod(cluster: Cluster, place: ClusterWorker, level: Level): Promise<Check> {
  const result = await kubectl(
    cluster,
    place,
    ['create', '--dry-run=server', '--filename=-', '--output=name'],
    {
      input: probePod(level),
    },
  );
  if (result.code === 0) return found('pod-security', 'ok', `the API server would admit a ${level} pod`);
  const why = kubectlMessage(result.stderr);
  return /violates PodSecurity/.test(why)
    ? found(
        'pod-security',
        'fail',
        `the API server refuses a ${level} pod: ${why.replace(/^.*violates/s, 'it violates')}`,
      )
    : found('pod-security', 'unknown', `whether ${level} pods are admitted is unknown: ${why}`);
}

interface StorageClassList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
    readonly provisioner: string;
    readonly reclaimPolicy?: string;
    readonly allowVolumeExpansion?: boolean;
  }[];
}

/** Whether a claim without a storage class, the chart's default, gets a volume. */
export async function checkStorage(cluster: Cluster, place: ClusterWorker): Promise<Check> {
  const result = await kubectl(cluster, place, ['get', 'storageclasses', '--output=json']);
  if (result.code !== 0) {
    return found('storage-class', 'unknown', kubectlMessage(result.stderr));
  }
  const { items } = readAnswer<StorageClassList>('list', place.name, result.stdout.toString());
  const standard = items.find(
    ({ metadata }) => metadata.annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true',
  );
  const names = items.map(({ metadata }) => metadata.name).join(', ');
  if (standard === undefined) {
    return found(
      'storage-class',
      'warn',
      items.length === 0
        ? 'the cluster has no storage class'
        : `no storage class is the default (existing: ${names})`,
      ['set one in the values of each worker: persistence.storageClass'],
    );
  }
  const { metadata, reclaimPolicy, allowVolumeExpansion } = standard;
  const notes = [
    `the default is ${metadata.name} (${standard.provisioner})`,
    reclaimPolicy === 'Delete' ? 'a deleted claim deletes its volume' : `reclaim policy ${reclaimPolicy}`,
    allowVolumeExpansion ? 'volumes can grow' : 'volumes cannot grow',
  ];
  return found('storage-class', 'ok', notes.join('; '));
}
