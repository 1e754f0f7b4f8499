/** Chooses a worker's pod, and says what state it is in. Pure functions over `kubectl get … -o json`. */

/** The fields of Kubernetes objects that are read here. */
interface Meta {
  readonly name?: string;
  readonly resourceVersion?: string;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly { readonly kind: string; readonly name: string }[];
}

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: { readonly reason?: string; readonly exitCode?: number; readonly message?: string };
}

type Quantities = Readonly<Record<string, string | number>>;

export interface ContainerResources {
  readonly requests?: Quantities;
  readonly limits?: Quantities;
}

export interface PodObject {
  readonly metadata: Meta;
  readonly spec?: {
    readonly nodeName?: string;
    readonly restartPolicy?: string;
    readonly containers?: readonly {
      readonly name: string;
      readonly image?: string;
      /** Overrides the pod's; may have its own rules since Kubernetes 1.34. */
      readonly restartPolicy?: string;
      readonly resources?: ContainerResources;
    }[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly containerStatuses?: readonly ContainerStatus[];
    /** Those that start before: a webhook may add some, which may go on beside the others (native sidecars). */
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

/** The pods of a namespace. */
export interface PodList {
  /** Its version is empty when kubectl has made the list. */
  readonly metadata?: Meta;
  readonly items: readonly PodObject[];
}

export interface ContainerStatus {
  readonly name: string;
  readonly restartCount?: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
  /** As the kubelet has applied them; missing before Kubernetes 1.33. */
  readonly resources?: ContainerResources;
}

/** The state of a pod, in the words of the STATUS column. */
export type PodState =
  | 'running'
  | 'starting'
  | 'pending'
  | 'image-pull'
  | 'crash-looping'
  | 'node-lost'
  | 'draining'
  | 'stopped';

/** What is entered. */
export interface ContainerName {
  /** Of the pod. */
  readonly name: string;
  readonly container: string;
}

/** What we need to know about a worker's pod. */
export interface PodFacts extends ContainerName {
  readonly state: PodState;
  /** Whether there is a running container to enter, Ready or not. */
  readonly enterable: boolean;
  readonly ready: boolean;
  /** Why it is not running, in Kubernetes' own words; empty when it is. */
  readonly reason: string;
  readonly node: string | null;
  readonly image: string | null;
  readonly restarts: number;
  readonly startedAt: string | null;
}

/** The annotation that names a pod's default container. */
const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

/** How long a deleted pod may outlive its grace period before its node counts as lost. */
const LOST_AFTER_SECONDS = 60;

/**
 * Chooses the worker's pod in its namespace: owned by the Deployment's ReplicaSet (`P-` + the pod's own hash), by the
 * StatefulSet P, or named P. Not `kubectl exec deploy/P`, which uses labels and may choose a terminating pod
 * (kubernetes/kubernetes#112755, kubernetes/kubectl#1370).
 *
 * @param name the `pod:` of workers.yaml
 * @returns the best one: not being deleted, then Ready, then newest. One that is being deleted only when no other works; a
 *   finished one (an evicted pod stays for days) only when there is nothing else; one on a lost node when its replacement
 *   does not run either, since that waits for the same node or its volume
 */
export function choosePod(pods: readonly PodObject[], name: string): PodObject | null {
  const rank = (pod: PodObject) => [
    finished(pod) ? 1 : 0,
    pod.metadata.deletionTimestamp === undefined ? 0 : 1,
    isReady(pod) ? 0 : 1,
  ];
  const mine = pods.filter((pod) => belongsTo(pod, name));
  mine.sort((a, b) => {
    const [ranksA, ranksB] = [rank(a), rank(b)];
    const differing = ranksA.findIndex((value, index) => value !== ranksB[index]);
    if (differing >= 0) return (ranksA[differing] ?? 0) - (ranksB[differing] ?? 0);
    return (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? '');
  });
  const [best] = mine;
  if (best === undefined) return null;
  if (runs(best)) return best;
  return mine.find((pod) => !finished(pod) && isNodeSilent(pod.status)) ?? best;
}

function runs({ status }: PodObject): boolean {
  return status?.containerStatuses?.some(({ state }) => state?.running !== undefined) ?? false;
}

/** Whether a pod belongs to the Deployment or StatefulSet that `pod:` names, or is that pod. */
export function belongsTo({ metadata }: PodObject, name: string): boolean {
  if (metadata.name === name) return true;
  const hash = metadata.labels?.['pod-template-hash'];
  return (metadata.ownerReferences ?? []).some(
    (owner) =>
      (owner.kind === 'ReplicaSet' && hash !== undefined && owner.name === `${name}-${hash}`) ||
      (owner.kind === 'StatefulSet' && owner.name === name),
  );
}

/** The chart's name of a worker's container. */
const OWN_CONTAINER = 'worker';

/**
 * Chooses the container of a pod or a template, of which there may be several: service meshes and other webhooks add theirs.
 *
 * @param wanted the `container:` of workers.yaml, if any; otherwise the one of the pod's annotation, otherwise the chart's,
 *   otherwise the first
 */
export function containerName(
  { metadata, spec }: Partial<Pick<PodObject, 'metadata' | 'spec'>>,
  wanted: string | undefined,
): string {
  const [first, ...others] = spec?.containers?.map(({ name }) => name) ?? [];
  const named = wanted ?? metadata?.annotations?.[DEFAULT_CONTAINER];
  return named ?? (first === undefined || others.includes(OWN_CONTAINER) ? OWN_CONTAINER : first);
}

/**
 * @param container the `container:` of workers.yaml, if any
 * @param now the laptop's time, to tell a slow stop from a lost node
 */
export function podFacts(pod: PodObject, container: string | undefined, now: Date): PodFacts {
  const { metadata, spec, status } = pod;
  const chosen = containerName(pod, container);
  const current = status?.containerStatuses?.find(({ name }) => name === chosen);
  const running = current?.state?.running !== undefined;
  const { state, reason } = stateOf(pod, chosen, now);
  return {
    name: metadata.name ?? '',
    container: chosen,
    state,
    enterable: running && state !== 'node-lost',
    ready: isReady(pod),
    reason,
    node: spec?.nodeName ?? null,
    image: spec?.containers?.find(({ name }) => name === chosen)?.image ?? null,
    restarts: current?.restartCount ?? 0,
    startedAt: current?.state?.running?.startedAt ?? null,
  };
}

/** @param name the container that is entered */
function stateOf(pod: PodObject, name: string, now: Date): { state: PodState; reason: string } {
  const { metadata, status } = pod;
  const { state: container, restartCount: restarts = 0 } =
    status?.containerStatuses?.find((candidate) => candidate.name === name) ?? {};
  // Checked before deletion: the pod of a lost node is deleted too, with a grace period of many minutes.
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  if (isNodeSilent(status)) {
    return { state: 'node-lost', reason: ready?.message ?? 'its node does not answer' };
  }
  if (metadata.deletionTimestamp !== undefined) {
    // The API server sets this to the time by which the pod should be gone.
    const overdue = (now.getTime() - Date.parse(metadata.deletionTimestamp)) / 1000;
    return overdue > LOST_AFTER_SECONDS
      ? {
          state: 'node-lost',
          reason: `should have stopped ${Math.round(overdue)}s ago; its node does not answer`,
        }
      : {
          state: 'draining',
          reason: `pod ${metadata.name} is stopping, until ${metadata.deletionTimestamp} at the latest`,
        };
  }
  if (finished(pod)) {
    const disrupted = status?.conditions?.find(({ type }) => type === 'DisruptionTarget')?.message;
    const said = [status?.reason, status?.message ?? disrupted].filter(Boolean).join(': ');
    return { state: 'stopped', reason: said || `the pod has ended (${status?.phase})` };
  }
  const waiting = container?.waiting;
  const said = [waiting?.reason, waiting?.message].filter(Boolean).join(': ');
  if (/^(ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull)$/.test(waiting?.reason ?? '')) {
    return { state: 'image-pull', reason: said };
  }
  if (waiting?.reason === 'CrashLoopBackOff') return { state: 'crash-looping', reason: said };
  if (container?.running) return { state: 'running', reason: '' };
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False')
    return { state: 'pending', reason: scheduled.message ?? 'not scheduled' };
  const condition = (type: string) => status?.conditions?.find((candidate) => candidate.type === type);
  if (condition('AllContainersRestarting')?.status === 'True') {
    return { state: 'starting', reason: 'all containers of the pod are being restarted' };
  }
  if (container?.terminated) {
    const { reason = 'an exit', exitCode } = container.terminated;
    const policy = restartPolicyOf(pod, name);
    if (policy === 'Never' || (policy === 'OnFailure' && exitCode === 0)) {
      return {
        state: 'stopped',
        reason: `container ${name} ended with exit code ${exitCode ?? '?'} (${reason}) and is not restarted (restartPolicy ${policy})`,
      };
    }
    if (restarts > 0) return { state: 'starting', reason: `restarting after ${reason}` };
  }
  // Until the sandbox has its network and volumes, the kubelet explains the wait here, not at the container.
  const sandbox = condition('PodReadyToStartContainers');
  const detail = sandbox?.status === 'False' && !waiting?.message ? sandbox.message : blockedBy(status);
  return {
    state: 'starting',
    reason: [said, detail].filter(Boolean).join(': ') || 'the container is being created',
  };
}

/** The container that has to start first, and does not. */
function blockedBy(status: PodObject['status']): string | undefined {
  for (const { name, state } of status?.initContainerStatuses ?? []) {
    const { reason, message } = state?.waiting ?? {};
    if (reason !== undefined && !PASSING_REASONS.has(reason))
      return [`container ${name}`, reason, message].filter(Boolean).join(': ');
  }
  return undefined;
}

/** What a container waits for while its pod starts. */
export const PASSING_REASONS: ReadonlySet<string> = new Set(['PodInitializing', 'ContainerCreating']);

/** Kubernetes' default is Always, which is also the only one that a Deployment accepts. */
function restartPolicyOf({ spec }: PodObject, container: string): string {
  const own = spec?.containers?.find(({ name }) => name === container)?.restartPolicy;
  return own ?? spec?.restartPolicy ?? 'Always';
}

/**
 * Whether the cluster has given up on a pod's node. The node controller sets a Ready pod's condition to False and leaves the
 * rest alone (Kubernetes 1.34, MarkPodsNotReady), so it has no reason; the kubelet never sets False without one.
 */
function isNodeSilent(status: PodObject['status']): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status === 'Unknown' || status?.reason === 'NodeLost') return true;
  return ready?.status === 'False' && !ready.reason && status?.phase === 'Running';
}

function isReady({ status }: PodObject): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;
}

/** Whether its containers have ended permanently: evicted, or ended while it is being deleted. */
export function finished({ status }: PodObject): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
