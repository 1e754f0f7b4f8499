/** The plan of `resize`. */
import { describe, expect, it } from 'vitest';
import type { WorkerState } from '../../scripts/lib/lifecycle/look.ts';
import type { Plan } from '../../scripts/lib/plan.ts';
import type { ResizeState, Template } from '../../scripts/lib/resize/look.ts';
import { planResize, sameTemplate } from '../../scripts/lib/resize/plan.ts';
import type { Limits, Resources } from '../../scripts/lib/resize/resources.ts';
import { nothing, TOOLS } from '../provision/lines.ts';
import { release, STOPPED, state, WORKLOAD } from '../provision/states.ts';

const GIB = 2 ** 30;
const RESOURCES: Resources = { requests: { cpu: '2', memory: '4Gi' }, limits: { cpu: '4', memory: '8Gi' } };
const LARGER: Resources = { ...RESOURCES, limits: { cpu: '4', memory: '12Gi' } };

const template = (resources: Resources, labels: Record<string, string> = {}): Template => ({
  metadata: { labels: { app: 'factory', ...labels } },
  spec: { containers: [{ name: 'worker', resources }] },
});

const POD = {
  name: 'factory-worker-1-5d9-x',
  container: 'worker',
  node: 'node-1',
  owner: 'factory-worker-1-5d9',
  resources: RESOURCES,
  applied: RESOURCES,
  pending: [],
};
const DEPLOYMENT = { template: template(RESOURCES), paused: false, pausedByResize: false, observed: true };
const REPLICA_SET = { name: 'factory-worker-1-5d9', template: template(RESOURCES) };

const FOUND: ResizeState = {
  pod: POD,
  deployment: DEPLOYMENT,
  replicaSet: REPLICA_SET,
  allocatable: { cpu: '8', memory: '32Gi' },
  usedBytes: 3 * GIB,
};

const ACT = { applied: nothing, unchanged: nothing, check: nothing };

function plan(
  changes: Partial<ResizeState> = {},
  limits: Limits = { memory: '12Gi' },
  worker: Partial<WorkerState> = {},
  drift: string[] = [],
  refused: string | null = null,
) {
  return planResize(state(worker), { ...FOUND, ...changes }, limits, drift, refused, TOOLS, ACT);
}

const names = (planned: Plan) =>
  planned.kind === 'go' ? planned.steps.map(({ name }) => name).join(' ') : `${planned.kind}: ${planned.why}`;
const commands = (planned: Plan) =>
  planned.kind === 'go' ? planned.steps.flatMap((step) => step.commands) : [];

describe('resize', () => {
  it('changes the pod, then the release, and keeps the pod', () => {
    expect(commands(plan())).toEqual([
      'kubectl patch pod factory-worker-1-5d9-x --subresource=resize --patch={"spec":{"containers":[{"name":"worker","resources":{"limits":{"memory":"12Gi"}}}]}}',
      'kubectl patch deployment factory-worker-1 --type=merge --patch={"metadata":{"annotations":{"factory-worker/paused-by":"resize"}},"spec":{"paused":true}}',
      expect.stringMatching(
        /^helm upgrade worker-1 \S+ --reset-then-reuse-values --set-string=resources.limits.memory=12Gi --description=resize$/,
      ),
      'kubectl patch replicaset factory-worker-1-5d9 --patch={"spec":{"template":{"spec":{"containers":[{"name":"worker","resources":{"limits":{"memory":"12Gi"}}}]}}}}',
      'kubectl patch deployment factory-worker-1 --type=merge --patch={"metadata":{"annotations":{"factory-worker/paused-by":null}},"spec":{"paused":null}}',
      'kubectl get pod factory-worker-1-5d9-x',
    ]);
  });

  it.each<[string, Partial<ResizeState>, Limits, string]>([
    ['limits it has already', {}, { memory: '8192Mi' }, 'nothing: worker-1 has these limits already'],
    [
      'a value below the use',
      { usedBytes: 6 * GIB },
      { memory: '5Gi' },
      'refuse: worker-1 uses 6.0GiB of memory now, more than 5Gi',
    ],
    [
      'a value below the request',
      { usedBytes: GIB },
      { memory: '3Gi' },
      'refuse: worker-1 requests 4Gi of memory, more than 3Gi',
    ],
    [
      'more than the node has, where the request follows',
      {
        pod: { ...POD, resources: { requests: { memory: '8Gi' }, limits: { memory: '8Gi' } } },
        allocatable: { memory: '10Gi' },
      },
      { memory: '12Gi' },
      'refuse: the node node-1 has 10Gi of memory for all pods together, less than 12Gi',
    ],
    [
      'a Deployment that an operator has paused',
      { deployment: { ...DEPLOYMENT, paused: true } },
      { memory: '12Gi' },
      'refuse: the Deployment factory-worker-1 is paused, and not by resize',
    ],
  ])('%s', (_, changes, limits, expected) => expect(names(plan(changes, limits))).toBe(expected));

  it.each<[string, Partial<ResizeState>, RegExp[]]>([
    [
      'after the pod',
      { pod: { ...POD, resources: LARGER } },
      [/patch deployment .*true/, /helm upgrade/, /patch replicaset/, /patch deployment .*null/, /get pod/],
    ],
    [
      'after the upgrade',
      {
        pod: { ...POD, resources: LARGER },
        deployment: { ...DEPLOYMENT, template: template(LARGER), paused: true, pausedByResize: true },
      },
      [/patch deployment .*true/, /patch replicaset/, /patch deployment .*null/, /get pod/],
    ],
    [
      'before it goes on',
      {
        pod: { ...POD, resources: LARGER },
        deployment: { ...DEPLOYMENT, template: template(LARGER), paused: true, pausedByResize: true },
        replicaSet: { ...REPLICA_SET, template: template(LARGER) },
      },
      [/patch deployment .*true/, /patch deployment .*null/, /get pod/],
    ],
  ])('goes on where an earlier one was cut: %s', (_, changes, expected) => {
    expect(commands(plan(changes))).toEqual(expected.map((line) => expect.stringMatching(line)));
  });

  it('says why the cluster would not', () => {
    const planned = plan(
      {},
      { memory: '12Gi' },
      {},
      [],
      'Pod QOS Class may not change as a result of resizing',
    );
    expect(planned).toMatchObject({
      kind: 'refuse',
      why: 'the cluster does not resize the pod of worker-1: Pod QOS Class may not change as a result of resizing',
      hints: [/Kubernetes 1.33/, /resources.limits.memory=12Gi/].map((line) => expect.stringMatching(line)),
    });
  });

  it('never upgrades the chart by the way, since that would restart the worker', () => {
    expect(names(plan({}, { memory: '12Gi' }, {}, ['~ Deployment/x: + image: y']))).toBe(
      "refuse: worker-1 would change in more than its resources, since the chart of this checkout is not the release's: 1 lines differ",
    );
  });

  it('gives a stopped worker its limits for the next start', () => {
    const planned = plan({ pod: null, replicaSet: null }, { memory: '12Gi' }, STOPPED);
    expect(names(planned)).toBe('release');
    expect(commands(planned)).toEqual([expect.stringMatching(/^helm upgrade/)]);
    expect(planned).toMatchObject({ notes: [expect.stringContaining('from its next start')] });
  });

  it('needs a release of this chart', () => {
    expect(names(plan({}, { memory: '12Gi' }, { release: null }))).toMatch(
      /does not belong to a Helm release/,
    );
    expect(names(plan({}, { memory: '12Gi' }, { release: release('pending-upgrade') }))).toMatch(
      /another helm is running/,
    );
    const set: WorkerState['workload'] = { ...WORKLOAD, kind: 'StatefulSet' };
    expect(names(plan({}, { memory: '12Gi' }, { workload: set }))).toMatch(/only those can be resized/);
  });
});

it('templates are compared without the hash that the controller adds', () => {
  expect(sameTemplate(template(LARGER), template(LARGER, { 'pod-template-hash': '5d9' }))).toBe(true);
  expect(sameTemplate(template(LARGER), template(RESOURCES))).toBe(false);
});
