/** The pre-pull: the new image runs its self-check in its own pod on the worker's node, before the worker is touched. */

import { CliError } from '../cli/errors.ts';
import { onlyNews } from '../cli/news.ts';
import type { LiveText } from '../cli/output.ts';
import { pause } from '../cli/pause.ts';
import { age, shellLine } from '../cli/text.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { Build } from '../contract.ts';
import type { RunResult } from '../exec.ts';
import { dialectName, parseDialect } from '../factory.ts';
import { readJson } from '../read-contract.ts';
import { shortReference } from '../registry/reference.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { kubectlError, kubectlInNamespace } from '../transport/kubectl-errors.ts';
import { change, expectSeen, getJson } from '../transport/objects.ts';
import { podFacts } from '../transport/pods.ts';
import { plainScript } from '../transport/scripts.ts';
import { TransportError } from '../transport/transport.ts';
import type { NodeSelector } from '../worker/volume-nodes.ts';
import type { ReleasePod } from '../worker/workload.ts';
import type { Target } from './preflight.ts';

/** What the new image says about itself. */
export interface Checked {
  readonly build: Build;
  readonly schema: number | null;
  /** Null when its factory did not say. */
  readonly dialect: string | null;
  readonly postgres: boolean;
}

const LABEL = 'factory-worker/prepull';
/** Name of the container. A webhook may add others, which go on when it has ended: then the pod never does. */
const CHECK = 'check';

/** As far as this project reads it. */
interface PrepullPod {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly restartPolicy: string;
    readonly nodeName?: string;
    readonly affinity?: { readonly nodeAffinity: object };
  };
}

/** Where the worker's pod can be scheduled, when it is on no node: where its volume can be mounted. */
function placeOf({ workload, volume }: Pick<Target, 'workload' | 'volume'>) {
  const required: NodeSelector | undefined = volume?.object.spec?.nodeAffinity?.required;
  return {
    nodeSelector: workload.pod.nodeSelector,
    ...(required && {
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } },
    }),
  };
}

/** The pod. It has none of the worker's labels, volumes or secrets, and no permissions. */
export function prepullPod(
  target: Pick<Target, 'worker' | 'workload' | 'pod' | 'volume'>,
  image: string,
  limitSeconds: number,
): PrepullPod {
  const { worker, workload } = target;
  const node = target.pod?.spec?.nodeName;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      // Generated: a fixed name may belong to a pod that is still being deleted.
      generateName: `${workload.name.slice(0, 48)}-prepull-`,
      namespace: worker.namespace,
      labels: { 'app.kubernetes.io/name': 'factory-worker-prepull', [LABEL]: workload.name },
    },
    spec: {
      restartPolicy: 'Never',
      activeDeadlineSeconds: limitSeconds,
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      // The node itself, not a selector: it must be this node, however full it is.
      ...(node === undefined ? placeOf(target) : { nodeName: node }),
      tolerations: workload.pod.tolerations,
      imagePullSecrets: workload.pod.imagePullSecrets,
      containers: [
        {
          name: CHECK,
          image,
          command: [...plainScript('release-prepull', [])],
          resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '1Gi' } },
          securityContext: { allowPrivilegeEscalation: false, seccompProfile: { type: 'RuntimeDefault' } },
        },
      ],
    },
  };
  return pod;
}

/** The kubelet retries a failed pull: the registry may just have been restarted. */
const PULL_PATIENCE_MS = 45_000;
/** Reasons that a retry does not fix. */
export const HOPELESS =
  /not found|manifest unknown|unauthorized|denied|no match for platform|InvalidImageName|no such host/i;
const POLL_MS = 700;

/**
 * Runs the pre-pull.
 *
 * @param say called with progress messages
 * @param live shows how long the pull has been going on; nothing does by default
 * @throws CliError with the reason when the image cannot be pulled, does not run on that node or fails its self-check
 */
export async function prepull(
  cluster: Cluster,
  worker: ClusterWorker,
  pod: PrepullPod,
  image: string,
  limitMs: number,
  say: (text: string) => void,
  live: LiveText = { update: () => {}, clear: () => {} },
): Promise<Checked> {
  const failed = (why: string, ...hints: string[]) =>
    new CliError(`the new image does not work on the node of ${worker.name}: ${why}`, { hints });
  // An earlier run may have left a pod behind.
  await kubectl(cluster, worker, removal(pod));
  try {
    const created = await change(cluster, worker, CREATION, JSON.stringify(pod)).catch((error: unknown) => {
      // A quota, a limit range or a webhook of the namespace, which this pod meets and the worker does not.
      if (!(error instanceof TransportError) || error.kind !== 'forbidden') throw error;
      throw new CliError(error.message, { hints: [...error.hints, 'without this check: --no-prepull'] });
    });
    const name = created.trim().replace(/^pod\//, '');
    const until = Date.now() + limitMs;
    const tell = onlyNews((reason) => say(`pre-pull: ${reason}`));
    let pullFailing: number | null = null;
    let pullingSince: number | null = null;
    for (; ; await pause(POLL_MS, cluster.signal)) {
      const object = await getJson<ReleasePod>(cluster, worker, ['pod', name], 'object');
      const { state, reason } = podFacts(object, CHECK, cluster.now());
      const result = resultOf(object);
      if (result === 'passed') {
        const said = await logs(cluster, worker, name);
        if (said.code !== 0)
          throw kubectlError(said, worker, 'read what the new image says of itself on the node of');
        return parseResult(said.stdout.toString('utf8'), worker);
      }
      if (result === 'failed') {
        // Without its words, its node's say enough.
        const { stdout } = await logs(cluster, worker, name);
        throw failed(describeFailure(object, stdout.toString('utf8')));
      }
      if (state === 'image-pull') {
        pullFailing ??= Date.now();
        if (HOPELESS.test(reason) || Date.now() - pullFailing > PULL_PATIENCE_MS)
          throw failed(`it cannot be pulled: ${reason}`, ...pullHints(worker, image, reason));
      } else if (!/ContainerCreating/.test(reason)) pullFailing = null;
      if (Date.now() > until)
        throw failed(
          `not within ${Math.round(limitMs / 1000)}s: ${reason || object.status?.phase}`,
          '--prepull-timeout 30m waits longer',
        );
      if (isPulling(object)) {
        pullingSince ??= Date.now();
        const seconds = (Date.now() - pullingSince) / 1000;
        live.update(`${worker.name}: pulling ${shortReference(image)} … ${age(seconds)}\n`);
      } else {
        live.clear();
        pullingSince = null;
        if (reason !== '') tell(reason);
      }
    }
  } finally {
    live.clear();
    // Also after Ctrl-C, which aborts the command's own signal.
    const still = { ...cluster, signal: AbortSignal.timeout(10_000), timeoutMs: 10_000 };
    await clearAway(still, worker, pod).catch((error: Error) => {
      const command = kubectlInNamespace(worker, ...removal(pod));
      say(`pre-pull: its pod may be left behind (${error.message}); to delete it: ${command}`);
    });
  }
}

/** Arguments for `kubectl` that create the pod from stdin and print its name. */
export const CREATION = ['create', '--filename=-', '--output=name'] as const;

const selectorOf = ({ metadata }: PrepullPod) => `--selector=${LABEL}=${metadata.labels[LABEL]}`;

/** Arguments for `kubectl` that delete every pre-pull pod of the worker. */
export const removal = (pod: PrepullPod) => [
  'delete',
  'pod',
  selectorOf(pod),
  '--ignore-not-found',
  '--wait=false',
  '--grace-period=1',
];

async function clearAway(cluster: Cluster, worker: ClusterWorker, pod: PrepullPod): Promise<void> {
  await change(cluster, worker, removal(pod));
  await expectSeen(
    {
      failed: 'it was not deleted',
      by: 'kubectl',
      look: async () => {
        const { items } = await getJson<{ items: ReleasePod[] }>(cluster, worker, ['pods', selectorOf(pod)]);
        const left = items.find(({ metadata }) => metadata.deletionTimestamp === undefined);
        return left === undefined ? null : `${left.metadata.name} is still there`;
      },
      hints: [],
    },
    cluster,
  );
}

const endOf = ({ status }: ReleasePod) =>
  status?.containerStatuses?.find(({ name }) => name === CHECK)?.state?.terminated;

/**
 * Whether its node pulls the image: nothing else is left to do once the sandbox is ready, since it has no volumes. Without the
 * pod's events, which not everybody may read. Before Kubernetes 1.29 a pod does not tell.
 */
export function isPulling({ status }: ReleasePod): boolean {
  const sandbox = status?.conditions?.find(({ type }) => type === 'PodReadyToStartContainers');
  const check = status?.containerStatuses?.find(({ name }) => name === CHECK);
  return sandbox?.status === 'True' && check?.state?.waiting?.reason === 'ContainerCreating';
}

/** How the self-check ended; null while it has not. */
export function resultOf(pod: ReleasePod): 'passed' | 'failed' | null {
  const end = endOf(pod);
  if (end !== undefined) return end.exitCode === 0 ? 'passed' : 'failed';
  // A pod that its node refused has no containers.
  const results: Readonly<Record<string, 'passed' | 'failed'>> = { Succeeded: 'passed', Failed: 'failed' };
  return results[pod.status?.phase ?? ''] ?? null;
}

function logs(cluster: Cluster, worker: ClusterWorker, pod: string): Promise<RunResult> {
  return kubectl(cluster, worker, ['logs', pod, `--container=${CHECK}`, '--tail=200']);
}

/** @param text what scripts/remote/release-prepull.sh printed */
export function parseResult(text: string, worker: Pick<ClusterWorker, 'name'>): Checked {
  const line = text.split('\n').findLast((candidate) => candidate.startsWith('RESULT '));
  if (line === undefined) throw new CliError(`the self-check for ${worker.name} passed but said nothing`);
  const said = `the self-check for ${worker.name}`;
  const { build, schema, postgres, help } = readJson('selfCheck', said, line.slice('RESULT '.length));
  const dialect = help === '' ? null : dialectName(parseDialect(help, postgres));
  return { build, schema, dialect, postgres };
}

function describeFailure(pod: ReleasePod, said: string): string {
  if (/exec format error/.test(said))
    return 'it was built for another architecture than the node’s (exec format error)';
  const line =
    said
      .trim()
      .split('\n')
      .findLast((text) => text.startsWith('fail: '))
      ?.slice('fail: '.length) ?? said.trim();
  const { status } = pod;
  const end = endOf(pod);
  return (
    line ||
    [status?.reason ?? end?.reason, status?.message ?? end?.message].filter(Boolean).join(': ') ||
    'its self-check said nothing'
  );
}

function pullHints(worker: ClusterWorker, image: string, reason: string): string[] {
  const look = `is it there? ${shellLine(['docker', 'buildx', 'imagetools', 'inspect', image])}`;
  if (/unauthorized|denied|authorization/i.test(reason))
    return [
      `the cluster needs a login: ${kubectlInNamespace(worker, 'create', 'secret', 'docker-registry')} …, and imagePullSecrets in the values`,
      look,
    ];
  return [look];
}
