/** The plan of `retire`. */
import { describe, expect, it } from 'vitest';
import type { Plan } from '../../scripts/lib/plan.ts';
import {
  destroys,
  planRetire,
  planRetireLocal,
  type RetireRequest,
  type RetireState,
  type RetireStep,
} from '../../scripts/lib/retire/plan.ts';
import { JUST_NOW, LINES, NOW, nothing, TOOLS } from './lines.ts';
import { BUSY, IDLE, release, SHUT, STOPPED, state } from './states.ts';

const SEEN: RetireState = {
  now: NOW,
  state: state(),
  volume: { name: 'factory-worker-1-data', size: '20Gi', own: true, goes: false, retained: null },
  secret: { name: 'factory-worker-1-secrets', own: true, goes: false },
  entry: { path: '~/.factory/workers.yaml', diff: '-  - name: worker-1\n' },
};
const REQUEST: RetireRequest = { purge: false, backup: null, now: false };

const ACT = {
  drain: nothing,
  backup: nothing,
  uninstalled: nothing,
  'stop-now': nothing,
  wait: nothing,
  entry: nothing,
  stop: nothing,
  folder: nothing,
};

const plan = (seen: Partial<RetireState> = {}, request: Partial<RetireRequest> = {}) =>
  planRetire({ ...SEEN, ...seen }, { ...REQUEST, ...request }, TOOLS, ACT);

const marks = (result: Plan) =>
  result.kind === 'go'
    ? result.steps.map(({ mark, name }) => `${mark}${name}`).join(' ')
    : `${result.kind}: ${result.why}`;

const step = (result: Plan, wanted: RetireStep) =>
  result.kind === 'go' ? result.steps.find(({ name }) => name === wanted) : undefined;

const GONE = state({ workload: null, release: null, pods: [], inside: SHUT });
const { volume, secret } = SEEN;

describe('retire', () => {
  it.each<[string, Partial<RetireState>, Partial<RetireRequest>, string]>([
    ['a worker', {}, {}, '·drain -release ·wait =volume =secret -entry'],
    ['with a backup', {}, { backup: '/b' }, '·drain ·backup -release ·wait =volume =secret -entry'],
    ['--purge', {}, { purge: true }, '·drain -release ·wait -volume -secret -entry'],
    [
      '--now',
      { state: state({ inside: BUSY }) },
      { now: true },
      '-release ·stop-now ·wait =volume =secret -entry',
    ],
    ['one that is stopped', { state: state(STOPPED) }, {}, '-release =volume =secret -entry'],
    [
      'one that cannot be entered',
      { state: state({ inside: SHUT }) },
      {},
      '-release ·wait =volume =secret -entry',
    ],
    [
      'whose release is gone, its pod not yet',
      { state: { ...GONE, pods: ['p'] } },
      {},
      '·wait =volume =secret -entry',
    ],
    ['of which only the entry is left', { state: GONE, volume: null, secret: null }, {}, '-entry'],
    [
      'of which the volume is left, --purge',
      { state: GONE, entry: null },
      { purge: true },
      '-volume -secret',
    ],
    [
      'of which the volume is left',
      { state: GONE, entry: null },
      {},
      'nothing: worker-1 is already retired: no release, no pod, no entry in workers.yaml',
    ],
    [
      'whose volume goes with the release',
      { volume: volume && { ...volume, goes: true } },
      {},
      '·drain -release ·wait -volume =secret -entry',
    ],
    [
      'with a volume and a Secret of theirs, --purge',
      { volume: volume && { ...volume, own: false }, secret: secret && { ...secret, own: false } },
      { purge: true },
      '·drain -release ·wait =volume =secret -entry',
    ],
    [
      'with tokens as values',
      { secret: secret && { ...secret, goes: true } },
      { purge: true },
      '·drain -release ·wait -volume ·secret -entry',
    ],
    [
      'a release that was killed long ago',
      { state: state({ release: release('pending-upgrade'), inside: SHUT }) },
      {},
      '-release ·wait =volume =secret -entry',
    ],
    [
      'a release that a Helm is at',
      { state: state({ release: release('pending-upgrade', JUST_NOW) }) },
      {},
      `refuse: release worker-1 is pending-upgrade since ${JUST_NOW}: another helm is running, or was killed`,
    ],
    [
      'a Deployment of no release',
      { state: state({ release: null }) },
      {},
      'refuse: deployment/factory-worker-1 is not a Helm release; retire only works on those',
    ],
    [
      'with a backup of a worker that cannot be entered',
      { state: state({ inside: SHUT }) },
      { backup: '/b' },
      'refuse: worker-1 cannot be backed up: worker-1 is crash-looping: Error',
    ],
  ])('%s', (_, seen, request, expected) => {
    expect(marks(plan(seen, request))).toBe(expected);
  });

  it('says the name of the volume that stays, and how to use and to delete it', () => {
    expect(step(plan(), 'volume')?.what).toBe(
      `factory-worker-1-data (20Gi) stays
to use it again: factory-worker provision worker-1 --namespace factory --context do-nyc1-factory
to delete it: kubectl delete persistentvolumeclaim factory-worker-1-data`,
    );
  });

  it('says what is not finished in the queue', () => {
    expect(plan({ state: state({ inside: BUSY }) })).toMatchObject({
      notes: ['not finished in its queue: demo#23, demo#24'],
    });
  });

  it('says that a PersistentVolume outlives its claim', () => {
    const retained = { volume: volume && { ...volume, retained: 'pvc-1' } };
    expect(step(plan(retained, { purge: true }), 'volume')?.what).toBe(
      'factory-worker-1-data (20Gi) is deleted; its PersistentVolume pvc-1 stays, with queue, clones and logs (reclaim policy Retain)',
    );
  });

  it.each<[string, Partial<RetireState>, Partial<RetireRequest>, boolean]>([
    ['stays', {}, {}, false],
    ['is purged', {}, { purge: true }, true],
    ['goes with the release', { volume: volume && { ...volume, goes: true } }, {}, true],
    ['is theirs', { volume: volume && { ...volume, own: false } }, { purge: true }, false],
  ])('asks for the name where the volume %s: %s', (_, seen, request, expected) => {
    const result = plan(seen, request);
    expect(result.kind === 'go' && destroys(result.steps)).toBe(expected);
  });

  it('says every command line', () => {
    const result = plan({}, { purge: true, backup: '/b.tar.gz' });
    expect(result.kind === 'go' && result.steps.flatMap(({ commands }) => commands)).toEqual([
      'factory-worker drain worker-1 --wait',
      'factory-worker backup worker-1 /b.tar.gz',
      'helm uninstall worker-1',
      'kubectl delete pod factory-worker-1-test --ignore-not-found --wait=false',
      'kubectl wait --for=delete --timeout=30m pod/factory-worker-1-5d9-x',
      'kubectl delete persistentvolumeclaim factory-worker-1-data --ignore-not-found --wait=false',
      'kubectl delete secret factory-worker-1-secrets --ignore-not-found --wait=false',
      'factory-worker workers remove worker-1 --yes',
    ]);
  });
});

describe('retire of a local worker', () => {
  const local = { runtime: 'local', name: 'laptop', home: '/home/me/laptop' } as const;
  const entry = { path: 'workers.yaml', diff: '-  - name: laptop\n' };
  const local1 = (lives: boolean, request: Partial<RetireRequest>, waitMs = 90_000) =>
    planRetireLocal(local, lives, waitMs, lives ? IDLE : SHUT, entry, { ...REQUEST, ...request }, LINES, ACT);

  it.each<[string, boolean, Partial<RetireRequest>, string]>([
    ['that runs', true, {}, '-release =volume -entry'],
    ['that runs, with a backup', true, { backup: '/b' }, '-release ·backup =volume -entry'],
    ['that is stopped', false, {}, '=volume -entry'],
    ['that is stopped, with a backup', false, { backup: '/b' }, '·backup =volume -entry'],
    ['that is stopped, --purge', false, { purge: true }, '-volume -entry'],
  ])('%s', (_, lives, request, expected) => {
    expect(marks(local1(lives, request))).toBe(expected);
  });

  it.each([
    [90_000, 'factory-worker local down laptop --wait --wait-timeout 90s'],
    [0, 'factory-worker local down laptop'],
  ])('waits for its stage: %i ms', (waitMs, expected) => {
    expect(step(local1(true, {}, waitMs), 'release')?.commands).toEqual([expected]);
  });
});
