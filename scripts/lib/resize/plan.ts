/**
 * `resize` in two steps: the running pod first (its `resize` subresource: a second, no restart), then the release, so that the
 * next pod has the same. Pure.
 *
 * The upgrade of the release changes the Deployment's pod template, and the Deployment controller would replace the pod. It
 * does not when the pod's ReplicaSet already has that template (it compares templates, pod-template-hash aside:
 * k8s.io/kubernetes, pkg/controller/deployment/util, FindNewReplicaSet). So the Deployment is paused, upgraded, its ReplicaSet
 * is given the same resources, and it goes on. Seen with Kubernetes 1.34 and 1.37.
 */
import { isDeepStrictEqual } from 'node:util';
import { bytes } from '../cli/text.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Change, chartPath, keepStopped, upgradeArgs } from '../helm/helm.ts';
import { setValueCommand } from '../helm/set-value.ts';
import type { ReleaseState, WorkerState } from '../lifecycle/look.ts';
import { usableRelease } from '../lifecycle/replicas.ts';
import type { Tools } from '../lifecycle/tools.ts';
import { action, type Plan, type Refusal, type Run, refuse, type Step, step } from '../plan.ts';
import { PAUSED_BY, type ResizeState, type RunningPod, resizeArgs, type Template } from './look.ts';
import { asValues, changeText, type Limits, parseQuantity, type Resources, resized } from './resources.ts';

export type ResizeStep = 'pod' | 'release' | 'check';

/** `applied`: the kubelet has done it; `unchanged`: ReplicaSet and Deployment agree; `check`: the same pod runs. */
export type ResizeActions = Readonly<Record<'applied' | 'unchanged' | 'check', Run>>;

/** The upgrade of the release. */
export function resizing(resources: Resources, chart = chartPath()): Change {
  return { chart, set: asValues(resources), description: 'resize' };
}

/** The resources of the worker's container in a template. */
export function resourcesIn({ spec }: Template, container: string): Resources {
  return spec?.containers?.find(({ name }) => name === container)?.resources ?? {};
}

/** Whether both templates give the same pod. */
export function sameTemplate(a: Template, b: Template): boolean {
  return isDeepStrictEqual(withoutHash(a), withoutHash(b));
}

function withoutHash(template: Template): Template {
  const { 'pod-template-hash': _, ...labels } = template.metadata?.labels ?? {};
  return { ...template, metadata: { ...template.metadata, labels } };
}

/**
 * @param drift lines of the manifest that the upgrade would change besides the resources
 * @param refused why the cluster would not resize the pod; null when it would, or was not asked
 */
export function planResize(
  found: WorkerState,
  { pod, deployment, replicaSet, allocatable, usedBytes }: ResizeState,
  limits: Limits,
  drift: readonly string[],
  refused: string | null,
  tools: Tools,
  act: ResizeActions,
): Plan<Step<ResizeStep>> {
  const { worker, workload } = found;
  const release = usableRelease(found, drift, { chartUpgrade: false, changes: 'resources' }, tools);
  if ('kind' in release) return release;
  if (workload === null || workload.kind !== 'Deployment' || deployment === null) {
    return refuse(`${worker.name} has no Deployment ${worker.pod}; only those can be resized`);
  }
  if (deployment.paused && !deployment.pausedByResize) {
    return refuse(
      `the Deployment ${worker.pod} is paused, and not by resize`,
      `go on with it first: ${tools.kubectl('rollout', 'resume', `deployment/${worker.pod}`)}`,
    );
  }
  const inSpec = resourcesIn(deployment.template, workload.container);
  const ofPod = pod === null ? null : resized(pod.resources, limits);
  const ofRelease = resized(inSpec, limits);
  const ofReplicaSet =
    replicaSet === null ? null : resized(resourcesIn(replicaSet.template, workload.container), limits);
  if (ofPod === null && ofRelease === null && ofReplicaSet === null && !deployment.paused) {
    return { kind: 'nothing', why: `${worker.name} has these limits already` };
  }
  const objection =
    (pod !== null && ofPod !== null
      ? objectionTo(worker, pod, ofPod, { allocatable, usedBytes, refused }, tools)
      : null) ?? belowRequests(worker, inSpec, limits);
  if (objection !== null) return objection;

  const steps: Step<ResizeStep>[] = [];
  if (pod !== null && ofPod !== null) {
    const what = `${pod.name}: ${changeText(pod.resources, ofPod)}, without a restart`;
    steps.push(step('pod', '~', what, tools.runKubectl(...resizeArgs(pod, ofPod)), action(act.applied)));
  }
  steps.push(
    releaseStep(release, worker, { ofRelease, ofReplicaSet, inSpec }, replicaSet?.name, found, tools, act),
  );
  if (pod !== null) {
    const get = tools.kubectl('get', 'pod', pod.name);
    steps.push(step('check', '·', 'the same pod still runs, with the new limits', action(act.check, get)));
  }
  const notes =
    workload.replicas === 0
      ? [`${worker.name} is stopped; it has the new limits from its next start`]
      : pod === null
        ? ['its pod is not running: the Deployment replaces it']
        : [];
  return { kind: 'go', steps, notes };
}

interface Differences {
  readonly ofRelease: Resources | null;
  readonly ofReplicaSet: Resources | null;
  readonly inSpec: Resources;
}

function releaseStep(
  release: ReleaseState,
  worker: ClusterWorker,
  { ofRelease, ofReplicaSet, inSpec }: Differences,
  replicaSet: string | undefined,
  { workload }: WorkerState,
  tools: Tools,
  act: ResizeActions,
): Step<ResizeStep> {
  const upgrade =
    ofRelease === null
      ? []
      : [tools.runHelm(upgradeArgs(release, keepStopped(resizing(ofRelease), workload?.replicas ?? 1)))];
  const what = `${release.name}: ${ofRelease === null ? 'has them already' : `resources.limits: ${changeText(inSpec, ofRelease)}`}`;
  // A stopped worker has no pod to keep.
  if (replicaSet === undefined) return step('release', '~', what, ...upgrade);
  const patch = (kind: string, name: string, change: unknown) =>
    tools.runKubectl('patch', kind, name, '--type=merge', `--patch=${JSON.stringify(change)}`);
  const pause = (by: string | null) =>
    patch('deployment', worker.pod, {
      metadata: { annotations: { [PAUSED_BY]: by } },
      spec: { paused: by === null ? null : true },
    });
  const sameForReplicaSet =
    ofReplicaSet === null
      ? []
      : [
          tools.runKubectl(
            'patch',
            'replicaset',
            replicaSet,
            `--patch=${JSON.stringify({
              spec: {
                template: { spec: { containers: [{ name: workload?.container, resources: ofReplicaSet }] } },
              },
            })}`,
          ),
        ];
  return step(
    'release',
    '~',
    `${what}; the pod is not replaced`,
    pause('resize'),
    ...upgrade,
    ...sameForReplicaSet,
    action(act.unchanged),
    pause(null),
  );
}

/** Why the pod cannot have them, as far as can be known before. */
function objectionTo(
  worker: ClusterWorker,
  pod: RunningPod,
  change: Resources,
  {
    allocatable,
    usedBytes,
    refused,
  }: Pick<ResizeState, 'allocatable' | 'usedBytes'> & { refused: string | null },
  { ours }: Tools,
): Refusal | null {
  const memory = parseQuantity(change.limits?.['memory'] ?? '');
  if (memory !== null && usedBytes !== null && memory < usedBytes) {
    return refuse(
      `${worker.name} uses ${bytes(usedBytes)} of memory now, more than ${change.limits?.['memory']}`,
      `what uses how much: ${ours('usage', worker.name)}`,
    );
  }
  for (const [name, value] of Object.entries(change.requests ?? {})) {
    const has = allocatable?.[name];
    if (has !== undefined && (parseQuantity(value) ?? 0) > (parseQuantity(has) ?? Number.POSITIVE_INFINITY)) {
      return refuse(`the node ${pod.node} has ${has} of ${name} for all pods together, less than ${value}`);
    }
  }
  if (refused === null) return null;
  return refuse(
    `the cluster does not resize the pod of ${worker.name}: ${refused}`,
    'running pods can be resized since Kubernetes 1.33, by kubectl 1.32 or later, with the verb patch on pods/resize',
    `in the release alone, which restarts the worker: ${setValueCommand(worker, assignments(change))}`,
  );
}

const assignments = (change: Resources) =>
  Object.entries(asValues(change))
    .map(([name, value]) => `${name}=${value}`)
    .join(',');

/** A limit below the request is not valid in Kubernetes. */
function belowRequests(worker: ClusterWorker, current: Resources, limits: Limits): Refusal | null {
  for (const [name, value] of Object.entries(limits)) {
    const request = resized(current, limits)?.requests?.[name] ?? current.requests?.[name];
    if (request === undefined || (parseQuantity(request) ?? 0) <= (parseQuantity(value) ?? 0)) continue;
    return refuse(
      `${worker.name} requests ${request} of ${name}, more than ${value}`,
      `request less first, which restarts it: ${setValueCommand(worker, `resources.requests.${name}=${value}`)}`,
    );
  }
  return null;
}
