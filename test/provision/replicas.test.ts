/** The plans of `stop` and `start`. */
import { describe, expect, it } from 'vitest';
import type { WorkerState } from '../../scripts/lib/lifecycle/look.ts';
import {
  planStart,
  planStartLocal,
  planStop,
  planStopLocal,
  type ReplicaRequest,
} from '../../scripts/lib/lifecycle/replicas.ts';
import type { Plan } from '../../scripts/lib/plan.ts';
import { LINES, nothing, TOOLS } from './lines.ts';
import { BUSY, release, SHUT, STOPPED, state, WORKLOAD } from './states.ts';

const REQUEST: ReplicaRequest = { chart: 'charts/factory-worker', chartUpgrade: false, now: false };

const names = (plan: Plan) =>
  plan.kind === 'go' ? plan.steps.map(({ name }) => name).join(' ') : `${plan.kind}: ${plan.why}`;

const commands = (plan: Plan) => (plan.kind === 'go' ? plan.steps.flatMap((step) => step.commands) : []);

const STOP = { drain: nothing, scaled: nothing, stopNow: nothing, wait: nothing };
const START = { scaled: nothing, wait: nothing, resume: nothing, health: nothing };

const LOCAL = { runtime: 'local', name: 'laptop', home: '/home/me/laptop' } as const;

describe('stop', () => {
  it.each<[string, Partial<WorkerState>, Partial<ReplicaRequest>, string]>([
    ['an idle worker', {}, {}, 'drain release wait'],
    ['one at work', { inside: BUSY }, {}, 'drain release wait'],
    ['--now', { inside: BUSY }, { now: true }, 'release stop-now wait'],
    ['one that cannot be entered', { inside: SHUT }, {}, 'release wait'],
    ['--now, and it cannot be entered', { inside: SHUT }, { now: true }, 'release wait'],
    ['replicas are 0, its pod still stops', { ...STOPPED, pods: ['p'] }, {}, 'wait'],
    ['replicas are 0, no pod', STOPPED, {}, 'nothing: worker-1 is stopped already'],
    [
      'no Deployment',
      { workload: null, release: null },
      {},
      'refuse: worker-1 has no Deployment factory-worker-1 in namespace factory of context do-nyc1-factory',
    ],
    [
      'no release',
      { release: null },
      {},
      'refuse: Deployment factory-worker-1 does not belong to a Helm release; stop, start and resize work only on those',
    ],
    [
      'one whose image was set by hand',
      { workload: { ...WORKLOAD, taken: [{ field: 'image', manager: 'kubectl-set' }] } },
      {},
      'refuse: worker-1 was changed by hand, and Helm would refuse to upgrade it: image (set by kubectl-set)',
    ],
    [
      'a release of another chart',
      {
        release: {
          ...release(),
          ours: false,
          revision: { ...release().revision, chart: 'nginx-1.0.0' },
        },
      },
      {},
      'refuse: release worker-1 belongs to the chart nginx-1.0.0, not to factory-worker',
    ],
    [
      'a release that another Helm is at',
      { release: release('pending-upgrade') },
      {},
      'refuse: release worker-1 is pending-upgrade since 2026-11-21T20:00:00Z: another helm is running, or was killed',
    ],
  ])('%s', (_, changes, request, expected) => {
    expect(names(planStop(state(changes), [], { ...REQUEST, ...request }, TOOLS, STOP))).toBe(expected);
  });

  it('says every command line', () => {
    expect(commands(planStop(state(), [], REQUEST, TOOLS, STOP))).toEqual([
      'factory-worker drain worker-1 --wait',
      'helm upgrade worker-1 charts/factory-worker --reset-then-reuse-values --set=replicas=0 --description=stop',
      'kubectl wait --for=delete --timeout=30m pod/factory-worker-1-5d9-x',
    ]);
  });

  it('says what --now interrupts, and why a worker is not drained', () => {
    expect(planStop(state({ inside: BUSY }), [], { ...REQUEST, now: true }, TOOLS, STOP)).toMatchObject({
      notes: ['demo#23 at stage qa is interrupted; it continues after the next start'],
    });
    expect(planStop(state({ inside: SHUT }), [], REQUEST, TOOLS, STOP)).toMatchObject({
      notes: ['it cannot be entered, so it is not drained first: worker-1 is crash-looping: Error'],
    });
  });

  it('does not take another chart along unless told to', () => {
    const drift = ['~ Deployment/factory-worker-1: + image: new'];
    expect(planStop(state(), drift, REQUEST, TOOLS, STOP)).toMatchObject({
      kind: 'refuse',
      hints: ['upgrade the chart as well: --chart-upgrade', ...drift],
    });
    expect(planStop(state(), drift, { ...REQUEST, chartUpgrade: true }, TOOLS, STOP).kind).toBe('go');
  });

  it.each([
    ['pending-upgrade', 'helm rollback worker-1 2'],
    ['pending-install', 'helm uninstall worker-1'],
  ])('a release that is %s is set right with: %s', (status, cure) => {
    const plan = planStop(state({ release: release(status) }), [], REQUEST, TOOLS, STOP);
    expect(plan.kind === 'refuse' && plan.hints.join('\n')).toContain(`if it was killed: ${cure}`);
  });

  it('of a local worker is local down, waiting unless --now', () => {
    expect(commands(planStopLocal(LOCAL, true, 90_000, LINES.ours, nothing))).toEqual([
      'factory-worker local down laptop --wait --wait-timeout 90s',
    ]);
    expect(commands(planStopLocal(LOCAL, true, 0, LINES.ours, nothing))).toEqual([
      'factory-worker local down laptop',
    ]);
    expect(planStopLocal(LOCAL, false, 0, LINES.ours, nothing).kind).toBe('nothing');
  });
});

describe('start', () => {
  const drain = { schema: 1, by: 'me', host: 'laptop', since: '', reason: '', release: 'stop' };
  it.each<[string, Partial<WorkerState>, boolean, string]>([
    ['a stopped worker', STOPPED, false, 'release wait resume health'],
    ['one that runs', {}, true, 'nothing: worker-1 runs already'],
    ['one that runs, drained by a stop', { inside: { ...BUSY, drain } }, true, 'resume health'],
    [
      'one that runs, drained by a person',
      { inside: { ...BUSY, drain: { ...drain, release: null } } },
      true,
      'nothing: worker-1 runs already',
    ],
    ['one that is starting', { inside: SHUT }, false, 'wait resume health'],
    [
      'none at all',
      { workload: null, release: null },
      false,
      'refuse: worker-1 has no Deployment factory-worker-1 in namespace factory of context do-nyc1-factory',
    ],
  ])('%s', (_, changes, ready, expected) => {
    expect(names(planStart(state(changes), ready, [], REQUEST, TOOLS, START))).toBe(expected);
  });

  it('sets the replicas through the release', () => {
    expect(commands(planStart(state(STOPPED), false, [], REQUEST, TOOLS, START))[0]).toBe(
      'helm upgrade worker-1 charts/factory-worker --reset-then-reuse-values --set=replicas=1 --description=start',
    );
  });

  it('says whose drain stays, and how to lift it', () => {
    const inside = { ...BUSY, drain: { ...drain, release: null } };
    expect(planStart(state({ inside }), true, [], REQUEST, TOOLS, START)).toMatchObject({
      hints: ['it is drained by me@laptop', 'take up work again: factory-worker resume worker-1'],
    });
  });

  it('says how to install a worker that is not there', () => {
    const plan = planStart(state({ workload: null, release: null }), false, [], REQUEST, TOOLS, START);
    expect(plan).toMatchObject({
      hints: ['what exists: kubectl get deployments,pods', 'install it: factory-worker provision worker-1'],
    });
  });

  it('of a local worker is local up', () => {
    expect(commands(planStartLocal(LOCAL, false, false, LINES.ours, nothing))).toEqual([
      'factory-worker local up laptop',
    ]);
    expect(planStartLocal(LOCAL, true, false, LINES.ours, nothing).kind).toBe('nothing');
    // An interrupted stop has left its drain.
    expect(commands(planStartLocal(LOCAL, true, true, LINES.ours, nothing))).toEqual([
      'factory-worker resume laptop --force',
    ]);
  });
});

it('a worker that is being stopped waits for all its pods', () => {
  const plan = planStop(
    state({ pods: ['old', 'new'], workload: { ...WORKLOAD, replicas: 0 } }),
    [],
    REQUEST,
    TOOLS,
    STOP,
  );
  expect(plan).toMatchObject({ steps: [{ name: 'wait', what: 'until old, new is gone' }] });
});
