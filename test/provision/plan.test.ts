/** The plan of `provision`: what the cluster has, and what is left to do. */
import { describe, expect, it } from 'vitest';
import { createSink } from '../../scripts/lib/cli/sink.ts';
import { type Plan, runSteps } from '../../scripts/lib/plan.ts';
import { unchangeable } from '../../scripts/lib/provision/claim.ts';
import type { Brought } from '../../scripts/lib/provision/manifest.ts';
import {
  missingKeys,
  type ProvisionRequest,
  type ProvisionState,
  planProvision,
} from '../../scripts/lib/provision/plan.ts';
import type { Key, Token } from '../../scripts/lib/secret/tokens.ts';
import { Captured } from '../support/run-command.ts';
import { WORKER } from '../support/samples.ts';
import { JUST_NOW, NOW, nothing, TOOLS, toolsThat } from './lines.ts';
import { release } from './states.ts';

const PRIVILEGED = { 'pod-security.kubernetes.io/enforce': 'privileged' };

const BROUGHT: Brought = {
  objects: ['Deployment/factory-worker-1', 'PersistentVolumeClaim/factory-worker-1-data'],
  image: 'registry.example.com/factory-worker:1',
  replicas: 1,
  privileged: true,
  secret: 'factory-worker-1-secrets',
  inlineSecret: false,
  database: null,
  pullSecrets: [],
  claim: 'factory-worker-1-data',
  makesClaim: true,
  asked: { size: '20Gi', storageClass: null, accessMode: 'ReadWriteOncePod' },
};

const token = (key: Key): Token => ({ key, value: 'hush', source: 'a file' });
const ALL = (['CLAUDE_CODE_OAUTH_TOKEN', 'GH_TOKEN', 'GH_USER'] as const).map(token);
const KEYS = ALL.map(({ key }) => key);

/** An empty cluster. */
const NOTHING: ProvisionState = {
  now: NOW,
  namespace: { state: 'missing' },
  release: null,
  deployment: null,
  ready: false,
  secretKeys: null,
  pullSecrets: new Map(),
  claim: null,
  drift: [],
  asked: null,
  entry: { there: false, path: '~/.factory/workers.yaml', diff: '+  - name: worker-1\n' },
};

/** The worker is there and runs. */
const THERE: ProvisionState = {
  ...NOTHING,
  namespace: { state: 'there', labels: PRIVILEGED },
  release: release(),
  deployment: { release: 'worker-1', namespace: 'factory' },
  ready: true,
  secretKeys: KEYS,
  claim: {
    owner: { release: 'worker-1', namespace: 'factory' },
    phase: 'Bound',
    size: '20Gi',
    storageClass: 'do-block-storage',
    accessMode: 'ReadWriteOncePod',
    since: '2026-11-01T00:00:00Z',
    deleting: false,
  },
  entry: { there: true, path: '~/.factory/workers.yaml', diff: '' },
};

const REQUEST: ProvisionRequest = {
  worker: WORKER,
  brought: BROUGHT,
  tokens: ALL,
  noSecret: false,
  loginFile: null,
  valueArgs: ['--values=my.yaml'],
  chart: 'charts/factory-worker',
};

const ACT = {
  labelled: nothing,
  secret: nothing,
  pullSecret: nothing,
  entry: nothing,
  wait: nothing,
  resume: nothing,
  health: nothing,
};

const plan = (seen: Partial<ProvisionState> = {}, request: Partial<ProvisionRequest> = {}, base = NOTHING) =>
  planProvision({ ...base, ...seen }, { ...REQUEST, ...request }, TOOLS, ACT);

/** `+namespace =secret`, or why nothing is done. */
const marks = (result: Plan) =>
  result.kind === 'go'
    ? result.steps.map(({ mark, name }) => `${mark}${name}`).join(' ')
    : `${result.kind}: ${result.why}`;

const step = (result: Plan, wanted: string) =>
  result.kind === 'go' ? result.steps.find(({ name }) => name === wanted) : undefined;

const leftBehind = THERE.claim ?? null;

describe('what is left to do', () => {
  it.each<[string, Partial<ProvisionState>, Partial<ProvisionRequest>, string]>([
    ['in an empty cluster', {}, {}, '+namespace +secret +release +entry ·wait ·health'],
    [
      'after the namespace was made',
      { namespace: { state: 'there', labels: PRIVILEGED } },
      {},
      '=namespace +secret +release +entry ·wait ·health',
    ],
    [
      'after its claim was deleted',
      { ...THERE, ready: false, claim: null },
      {},
      '=namespace ~secret ~release =entry ·wait ·health',
    ],
    [
      'after the Secret was made, without giving the tokens again',
      { namespace: { state: 'there', labels: PRIVILEGED }, secretKeys: KEYS },
      { tokens: [] },
      '=namespace =secret +release +entry ·wait ·health',
    ],
    [
      'after the release was made',
      { ...THERE, ready: false, entry: NOTHING.entry },
      { tokens: [] },
      '=namespace =secret =release +entry ·wait ·resume ·health',
    ],
    ['when all is there', THERE, { tokens: [] }, '=namespace =secret =release =entry ·health'],
    ['when all is there, with new tokens', THERE, {}, '=namespace ~secret =release =entry ·health'],
    [
      'with a volume from before',
      { namespace: { state: 'there', labels: PRIVILEGED }, secretKeys: KEYS, claim: leftBehind },
      { tokens: [] },
      '=namespace =secret =volume +release +entry ·wait ·resume ·health',
    ],
    [
      'after an installation that was killed',
      { ...THERE, ready: false, release: release('pending-install') },
      { tokens: [] },
      '=namespace =secret -clear =volume +release =entry ·wait ·resume ·health',
    ],
    [
      'after an installation that failed',
      { ...THERE, ready: false, release: release('failed', JUST_NOW), claim: null },
      { tokens: [] },
      '=namespace =secret -clear +release =entry ·wait ·health',
    ],
    [
      'after an uninstallation that was killed',
      { ...THERE, ready: false, release: release('uninstalling') },
      { tokens: [] },
      '=namespace =secret -clear =volume +release =entry ·wait ·resume ·health',
    ],
    [
      'with --no-secret',
      {},
      { tokens: [], noSecret: true },
      '+namespace ·secret +release +entry ·wait ·health',
    ],
    [
      'with tokens as values',
      {},
      { tokens: [], brought: { ...BROUGHT, inlineSecret: true } },
      '+namespace +release +entry ·wait ·health',
    ],
    [
      'with a login for the registry',
      { pullSecrets: new Map([['registry', false]]) },
      { loginFile: '~/.docker/config.json' },
      '+namespace +secret +pull-secret +release +entry ·wait ·health',
    ],
    [
      'with a login that is there',
      { pullSecrets: new Map([['registry', true]]) },
      {},
      '+namespace +secret =pull-secret +release +entry ·wait ·health',
    ],
  ])('%s', (_, seen, request, expected) => {
    expect(marks(plan(seen, request))).toBe(expected);
  });

  it.each<[string, boolean, Record<string, string>, string]>([
    ['no label, privileged worker', true, {}, '~'],
    ['no label, unprivileged worker', false, {}, '='],
    ['baseline, privileged worker', true, { 'pod-security.kubernetes.io/enforce': 'baseline' }, '~'],
    ['baseline, unprivileged worker', false, { 'pod-security.kubernetes.io/enforce': 'baseline' }, '='],
    ['restricted, unprivileged worker', false, { 'pod-security.kubernetes.io/enforce': 'restricted' }, '~'],
    ['privileged, unprivileged worker', false, PRIVILEGED, '='],
  ])('namespace: %s', (_, privileged, labels, mark) => {
    const result = plan({ namespace: { state: 'there', labels } }, { brought: { ...BROUGHT, privileged } });
    expect(step(result, 'namespace')?.mark).toBe(mark);
  });
});

describe('what is refused', () => {
  const there = { namespace: THERE.namespace };
  it.each<[string, Partial<ProvisionState>, Partial<ProvisionRequest>, string, string]>([
    [
      'a namespace on its way out',
      { namespace: { state: 'deleting', since: JUST_NOW } },
      {},
      `namespace factory has been terminating since ${JUST_NOW}`,
      'kubectl get namespace factory --output=yaml',
    ],
    [
      'a name that another chart has',
      {
        ...there,
        release: { ...release(), ours: false, revision: { ...release().revision, chart: 'nginx-1.0.0' } },
      },
      {},
      'the name worker-1 is in use: a release of the chart nginx-1.0.0 has it in namespace factory',
      'use another name',
    ],
    [
      'a name that a Deployment of nobody has',
      { ...there, deployment: { release: null, namespace: null } },
      {},
      'the name worker-1 is in use: there is a Deployment factory-worker-1 in namespace factory, of no release',
      'factory-worker workers add worker-1 --pod factory-worker-1 --namespace factory --context do-nyc1-factory',
    ],
    [
      'a Helm that is at work',
      { ...there, release: release('pending-install', JUST_NOW) },
      {},
      `release worker-1 is pending-install since ${JUST_NOW}: another helm is running, or was killed`,
      'helm uninstall worker-1',
    ],
    [
      'an upgrade that was killed, however long ago',
      { ...there, release: release('pending-upgrade') },
      {},
      'release worker-1 is pending-upgrade since 2026-11-21T20:00:00Z: another helm is running, or was killed',
      'helm rollback worker-1 2',
    ],
    [
      'a volume of another release',
      {
        ...there,
        claim: leftBehind && { ...leftBehind, owner: { release: 'other', namespace: 'factory' } },
      },
      {},
      'a volume factory-worker-1-data is there already (20Gi, of 2026-11-01T00:00:00Z), of the release other: Helm does not adopt it',
      '--set persistence.existingClaim=factory-worker-1-data',
    ],
    [
      'a volume on its way out',
      { ...there, claim: leftBehind && { ...leftBehind, deleting: true } },
      {},
      'the volume factory-worker-1-data is being deleted',
      'kubectl describe persistentvolumeclaim factory-worker-1-data',
    ],
    [
      'a volume from before that is to be smaller, of another class and another mode',
      {
        ...there,
        claim: leftBehind,
        asked: { size: '10Gi', storageClass: 'fast', accessMode: 'ReadWriteOnce' },
      },
      {},
      'the volume factory-worker-1-data is there from before, and Kubernetes does not change it to these values: it has size 20Gi, not 10Gi; class do-block-storage, not fast; access mode ReadWriteOncePod, not ReadWriteOnce',
      'take it up as it is: --set persistence.size=20Gi,persistence.storageClass=do-block-storage,persistence.accessMode=ReadWriteOncePod\nor delete it, with its queue and clones, and start with a new one: kubectl delete persistentvolumeclaim factory-worker-1-data',
    ],
    [
      'a claim without its volume',
      { ...there, claim: leftBehind && { ...leftBehind, phase: 'Lost' } },
      {},
      'the claim factory-worker-1-data has lost its volume',
      'kubectl delete persistentvolumeclaim factory-worker-1-data',
    ],
    [
      'a claim of theirs that is not there',
      there,
      { brought: { ...BROUGHT, claim: 'mine', makesClaim: false } },
      'the values name the volume mine, and namespace factory has no such claim',
      'kubectl get persistentvolumeclaims',
    ],
    [
      'a login that is not there',
      { ...there, pullSecrets: new Map([['registry', false]]) },
      {},
      "the values name the registry's login registry, and namespace factory has no such Secret: the image could not be pulled",
      '--pull-secret-file',
    ],
  ])('%s', (_, seen, request, why, hint) => {
    const result = plan(seen, request);
    expect(result).toMatchObject({ kind: 'refuse', why });
    expect(result.kind === 'refuse' && result.hints.join('\n')).toContain(hint);
  });
});

describe('keys to ask for', () => {
  it.each<[string, Partial<ProvisionState>, Partial<ProvisionRequest>, readonly string[]]>([
    ['all, when nothing gives them', {}, { tokens: [] }, KEYS],
    [
      'those that are neither given nor there',
      { secretKeys: ['GH_USER'] },
      { tokens: ALL.slice(0, 1) },
      ['GH_TOKEN'],
    ],
    ['none with --no-secret', {}, { tokens: [], noSecret: true }, []],
    [
      'the URL too, of a database of the operator',
      { secretKeys: ['CLAUDE_CODE_OAUTH_TOKEN', 'GH_TOKEN', 'GH_USER'] },
      { tokens: [], brought: { ...BROUGHT, database: 'url' } },
      ['DATABASE_URL'],
    ],
    ['none with tokens as values', {}, { tokens: [], brought: { ...BROUGHT, inlineSecret: true } }, []],
    ['no SSH key', { secretKeys: KEYS }, { tokens: [] }, []],
  ])('%s', (_, seen, request, keys) => {
    expect(missingKeys({ ...NOTHING, ...seen }, { ...REQUEST, ...request })).toEqual(keys);
  });
});

it('names keys and where they come from, never a value, in plan and command lines', () => {
  const result = plan({}, { tokens: ALL.slice(0, 1) });
  expect(step(result, 'secret')?.what).toBe(
    'factory-worker-1-secrets: CLAUDE_CODE_OAUTH_TOKEN (from a file), GH_TOKEN (asked for), GH_USER (asked for)',
  );
  expect(JSON.stringify(result)).not.toContain('hush');
});

it('replaces a Secret that is there, from stdin', () => {
  expect(step(plan({}, {}, THERE), 'secret')?.commands[0]).toContain('kubectl replace --filename=-');
});

it('passes the values through to helm install', () => {
  expect(step(plan(), 'release')?.commands).toEqual([
    'helm install worker-1 charts/factory-worker --values=my.yaml',
  ]);
});

it('says what would change, and with which command, where a worker has other values', () => {
  const result = plan({ drift: ['~ Deployment/x: - a', '~ Deployment/x: + b'] }, {}, THERE);
  expect(result).toMatchObject({
    notes: [
      expect.stringContaining(
        'helm upgrade worker-1 charts/factory-worker --reset-then-reuse-values --values=my.yaml',
      ),
    ],
  });
});

it('says that an installed worker’s volume does not become smaller, and leaves that out of the upgrade', () => {
  const asked = { size: '10240Mi', storageClass: null, accessMode: 'ReadWriteOncePod' };
  const drift = [
    '~ PersistentVolumeClaim/x: - storage: 20Gi',
    '~ PersistentVolumeClaim/x: + storage: 10240Mi',
  ];
  expect(plan({ drift, asked }, {}, THERE)).toMatchObject({
    notes: [
      'Kubernetes does not change the volume factory-worker-1-data to these values: it has size 20Gi, not 10240Mi',
      expect.stringContaining('--values=my.yaml --set=persistence.size=20Gi'),
    ],
  });
});

it.each([
  ['the same size in other words', { size: '20480Mi', storageClass: 'fast', accessMode: 'ReadWriteOnce' }],
  ['more', { size: '30Gi', storageClass: 'fast', accessMode: 'ReadWriteOnce' }],
  ['the cluster’s class', { size: '20Gi', storageClass: null, accessMode: 'ReadWriteOnce' }],
])('a claim can be asked for %s', (_, asked) => {
  const has = { size: '20Gi', storageClass: 'fast', accessMode: 'ReadWriteOnce' };
  expect(unchangeable(has, asked)).toEqual([]);
});

it('makes each login of the registry once, and runs just the calls of kubectl and helm it prints', async () => {
  const ran: string[] = [];
  const pullSecrets = new Map([
    ['one', false],
    ['two', false],
  ]);
  const result = planProvision(
    { ...NOTHING, pullSecrets },
    { ...REQUEST, loginFile: '~/.docker/config.json' },
    toolsThat((line) => ran.push(line)),
    {
      ...ACT,
      pullSecret: async (name) => {
        ran.push(name);
        return undefined;
      },
    },
  );
  if (result.kind !== 'go') throw new Error(result.why);
  await runSteps(result.steps, () => 'again', { stderr: createSink(new Captured()) });
  const printed = result.steps.flatMap(({ commands }) => commands);
  expect(ran).toEqual([printed[0], 'one', 'two', printed[4]]);
  expect([printed[0], printed[4]]).toEqual([
    expect.stringContaining('kubectl create --filename=- <<<'),
    expect.stringContaining('helm install worker-1'),
  ]);
});
