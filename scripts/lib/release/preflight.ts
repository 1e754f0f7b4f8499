/** Looks at a worker before a release: workload, Helm release, pod, the worker itself. Changes nothing. */

import type { Context } from '../cli/command.ts';
import { CliError } from '../cli/errors.ts';
import { pause } from '../cli/pause.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import {
  type Change,
  chartPath,
  findHelm,
  type Helm,
  isPending,
  lastDeployed,
  type Release,
  type Revision,
} from '../helm/helm.ts';
import { manifestChanges, rolledBy } from '../helm/manifest-diff.ts';
import { takeBackHints } from '../helm/set-value.ts';
import { parseReference } from '../registry/reference.ts';
import { type Cluster, clusterOf } from '../transport/kubectl.ts';
import { kubectlInNamespace } from '../transport/kubectl-errors.ts';
import { type ClaimObject, getJson, getOrNull } from '../transport/objects.ts';
import { podFacts } from '../transport/pods.ts';
import { type Transport, TransportError, type TransportErrorKind } from '../transport/transport.ts';
import { createReach } from '../worker/observe.ts';
import { itemName, openItems } from '../worker/queue.ts';
import { workSessions } from '../worker/sessions.ts';
import {
  affinityText,
  isCordoned,
  isLocal,
  type NodeObject,
  nodesFor,
  unmountable,
  type VolumeObject,
} from '../worker/volume-nodes.ts';
import { currentPod, type ReleasePod, readPods, readWorkload, type Workload } from '../worker/workload.ts';
import { type Facts, readFacts, type Seen } from './plan.ts';

/** Helm and the release of one worker. */
export interface Helmed {
  readonly helm: Helm;
  readonly release: Release;
  readonly status: Revision;
  readonly history: readonly Revision[];
}

export interface Target {
  readonly worker: ClusterWorker;
  readonly workload: Workload;
  /** Null for a workload that was not installed with the chart. */
  readonly helmed: Helmed | null;
  readonly pod: ReleasePod | null;
  /** Null when every node can mount its volume, or nothing is known of that. */
  readonly volume: PlacedVolume | null;
  /** Null when the worker cannot be entered. */
  readonly facts: Facts | null;
}

/** A volume that only some nodes can mount, and all nodes. */
export interface PlacedVolume {
  readonly object: VolumeObject;
  readonly nodes: readonly NodeObject[];
}

/** What a release command needs; shared by all its workers. */
export interface ReleaseContext {
  readonly context: Context;
  readonly cluster: Cluster;
  /** How long one answer of a worker may take. */
  readonly timeoutMs: number;
  /** Enters a worker's current pod; never reuse the transport, since a release replaces the pod. */
  readonly enter: (worker: ClusterWorker) => Promise<Transport>;
}

export function releaseContext(context: Context, timeoutMs: number): ReleaseContext {
  return {
    context,
    cluster: clusterOf(context, timeoutMs),
    timeoutMs,
    enter: async (worker) => (await createReach(context, timeoutMs).enter(worker)).transport,
  };
}

/**
 * How often a worker is looked at, after each failure of its transport that may be its container's end: that is gone a second or
 * two before the list of pods says so, and where it ends while it answers, the answer is cut.
 */
const LOOKS: Partial<Record<TransportErrorKind, number>> = { 'not-running': 10, broken: 3 };
const LOOK_MS = 1_000;

/**
 * Looks at a worker. Its container may end between the list of pods and the end of the look inside; then the list is read again.
 *
 * @throws CliError when the cluster or Helm does not answer
 */
export async function lookAt(worker: ClusterWorker, around: ReleaseContext): Promise<Target> {
  for (let looks = 1; ; looks += 1) {
    try {
      return await look(worker, around);
    } catch (error) {
      const most = error instanceof TransportError ? LOOKS[error.kind] : undefined;
      if (most === undefined || looks >= most) throw error;
      await pause(LOOK_MS, around.context.signal);
    }
  }
}

async function look(worker: ClusterWorker, around: ReleaseContext): Promise<Target> {
  const { cluster, context, timeoutMs } = around;
  const [workload, pods] = await Promise.all([readWorkload(cluster, worker), readPods(cluster, worker)]);
  const pod = currentPod(pods, worker);
  const enterable = pod !== null && podFacts(pod, worker.container, context.now()).enterable;
  const entering = enterable
    ? around.enter(worker).then((transport) => readFacts(transport, timeoutMs, context.signal))
    : Promise.resolve(null);
  // Awaited below. Should Helm fail first, the rejection would otherwise be unhandled.
  entering.catch(() => {});
  const [helmed, volume] = await Promise.all([
    workload.release === null ? null : lookAtHelm(context, { name: workload.release, worker }),
    lookAtVolume(cluster, worker, workload.claim),
  ]);
  const facts = await entering.catch((error: unknown) => {
    // Its pod may be stopping or starting; `repair` looks again once the release is fixed.
    if (helmed !== null && isPending(helmed.status) && error instanceof TransportError) return null;
    throw error;
  });
  return { worker, workload, helmed, pod, volume, facts };
}

/** Volumes and nodes are of no namespace: an operator may have access to the namespace only. */
async function lookAtVolume(
  cluster: Cluster,
  worker: ClusterWorker,
  claim: string | null,
): Promise<PlacedVolume | null> {
  if (claim === null) return null;
  try {
    const { spec } = (await getOrNull<ClaimObject>(cluster, worker, 'persistentvolumeclaim', claim)) ?? {};
    if (spec?.volumeName === undefined) return null;
    const object = await getOrNull<VolumeObject>(cluster, worker, 'persistentvolume', spec.volumeName);
    if (object === null || affinityText(object) === '') return null;
    const { items } = await getJson<{ items: NodeObject[] }>(cluster, worker, ['nodes']);
    return { object, nodes: items };
  } catch (error) {
    if (error instanceof TransportError && error.kind === 'forbidden') return null;
    throw error;
  }
}

function seeVolume({ worker, volume }: Pick<Target, 'worker' | 'volume'>): Seen['volume'] {
  if (volume === null) return null;
  const { object, nodes } = volume;
  const stuck = unmountable(object, nodes);
  if (stuck === null) return null;
  const cordoned = nodesFor(object, nodes).filter(isCordoned);
  return {
    name: object.metadata.name ?? '',
    local: isLocal(object),
    stuck,
    hints: [
      ...cordoned.map(
        ({ metadata }) => `lift it: ${kubectlInNamespace(worker, 'uncordon', metadata.name ?? '')}`,
      ),
      `nodes: ${kubectlInNamespace(worker, 'get', 'nodes')}`,
    ],
  };
}

async function lookAtHelm(context: Context, release: Release): Promise<Helmed> {
  const helm = await findHelm(context);
  const [status, history] = await Promise.all([helm.status(release), helm.history(release)]);
  if (status === null) {
    throw new CliError(
      `${release.worker.name}: Helm has no release ${release.name} in namespace ${release.worker.namespace}, though its workload names it`,
      { hints: ['existing releases: helm list --all', 'install it again; its volume is kept'] },
    );
  }
  return { helm, release, status, history };
}

/** The upgrade that changes a release's image and nothing else. */
export function imageChange(image: string, id: string): Change {
  const { repository, digest } = parseReference(image);
  return {
    chart: chartPath(),
    set: { 'image.repository': repository, 'image.digest': digest ?? '' },
    description: `factory-worker release ${id}`,
  };
}

/** The state that the plan is made from. @param image what the pod is to run */
export async function see(target: Target, image: string | null): Promise<Seen> {
  const { worker, workload, helmed, pod, facts } = target;
  return {
    name: worker.name,
    helm: helmed === null ? null : await seeHelm(helmed, workload),
    specImage: workload.image,
    replicas: workload.replicas,
    taken: workload.taken,
    takeBack: takeBackHints(worker),
    pod:
      pod === null || facts === null
        ? null
        : {
            uid: pod.metadata.uid ?? '',
            image: pod.spec?.containers?.find(({ name }) => name === workload.container)?.image ?? '',
            ready: podFacts(pod, worker.container, new Date()).ready,
          },
    drain: facts?.snapshot.drain ?? null,
    // Helm renders no upgrade of a pending release; `repair` compares afterwards.
    manifestChanges:
      helmed === null || image === null || isPending(helmed.status)
        ? []
        : await changesOf(target, helmed, image),
    rows: { count: facts?.state.rows ?? null, newest: facts?.state.newest ?? null },
    database: facts?.state.database ?? null,
    volume: seeVolume(target),
    open: facts === null ? [] : openItems(facts.snapshot).map(itemName),
  };
}

async function seeHelm(
  { helm, release, status, history }: Helmed,
  workload: Target['workload'],
): Promise<Seen['helm']> {
  const pending = isPending(status);
  const last = lastDeployed(history)?.revision ?? null;
  // A revision brings its own number of replicas along, and a worker that was scaled to 0 by hand is to stay so.
  const isAsked = pending && last !== null && workload.replicas === 0;
  const again = isAsked ? rolledBy(await helm.manifest(release, last), workload.container) : null;
  return { pending, lastDeployed: last, replicasAgain: again?.replicas ?? null };
}

/** What an upgrade to that image would change besides the image, line by line. */
export async function changesOf(
  { workload }: Target,
  { helm, release, status, history }: Helmed,
  image: string,
): Promise<string[]> {
  const revision = status.status === 'failed' ? lastDeployed(history)?.revision : undefined;
  const before = await helm.manifest(release, revision);
  const after = await helm.render(release, imageChange(image, 'preflight'));
  const imageIn = (manifest: string) => rolledBy(manifest, workload.container)?.image;
  const images = [image, workload.image, imageIn(before), imageIn(after)];
  return manifestChanges(
    before,
    after,
    images.filter((name) => name !== undefined),
  );
}

/** What a worker that is about to be rolled is doing, for the confirmation and for `--dry-run`. */
export function describeTarget({ facts, workload }: Target): string[] {
  if (workload.replicas === 0) return ['stopped'];
  if (facts === null) return ['cannot be entered just now'];
  const { pipelines, sessions, drain } = facts.snapshot;
  const running = pipelines.filter(({ status }) => status === 'in_progress');
  const attached = workSessions(sessions).filter((session) => session.attached > 0);
  return [
    running.length === 0
      ? 'nothing runs'
      : `at work: ${running.map(({ issue, stage }) => `#${issue} at stage ${stage}`).join(', ')}`,
    ...(attached.length > 0 ? [`attached: ${attached.map(({ name }) => name).join(', ')}`] : []),
    ...(drain === null ? [] : [`drained by ${drain.by}@${drain.host}`]),
  ];
}
