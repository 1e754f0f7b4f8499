/**
 * Programs that end with 0 and have changed nothing, as kubectl does that asks for a yes which it does not get: the command
 * looks, fails, and says what is still there.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Command } from '../../scripts/lib/cli/command.ts';
import type { Flags } from '../../scripts/lib/cli/flags.ts';
import { createExec } from '../../scripts/lib/exec.ts';
import { expectImage } from '../../scripts/lib/release/job.ts';
import { prepull, prepullPod } from '../../scripts/lib/release/prepull.ts';
import { clusterOf } from '../../scripts/lib/transport/kubectl.ts';
import type { ReleasePod } from '../../scripts/lib/worker/workload.ts';
import { provision } from '../../scripts/provision.ts';
import { retire } from '../../scripts/retire.ts';
import { rotate } from '../../scripts/rotate.ts';
import { start } from '../../scripts/start.ts';
import { stop } from '../../scripts/stop.ts';
import { type FakeKubectl, fakeKubectl, type Rule } from '../support/fake-kubectl.ts';
import { run } from '../support/run-command.ts';
import { WORKER } from '../support/samples.ts';
import { podList } from '../transport/cluster.ts';
import { WORKLOAD } from './states.ts';

let kubectl: FakeKubectl;
let helm: FakeKubectl;
let folder: string;
let file: string;
beforeAll(() => {
  kubectl = fakeKubectl();
  helm = fakeKubectl();
  folder = mkdtempSync('/tmp/seen-test-');
  writeFileSync(join(folder, 'token'), 'gho_made-up-new\n');
  file = join(folder, 'workers.yaml');
});
beforeEach(() => {
  writeFileSync(
    file,
    'workers:\n  - name: worker-1\n    context: c\n    namespace: factory\n    pod: factory-worker-1\n',
  );
});
afterAll(() => {
  kubectl.remove();
  helm.remove();
  rmSync(folder, { recursive: true });
});

const deployment = (replicas: number) => ({
  kind: 'Deployment',
  metadata: { name: 'factory-worker-1', annotations: { 'meta.helm.sh/release-name': 'worker-1' } },
  spec: {
    replicas,
    template: {
      spec: {
        containers: [{ name: 'worker', image: 'registry.example.com/factory-worker:1' }],
        volumes: [
          { name: 'secrets', secret: { secretName: 'factory-worker-1-secrets' } },
          { name: 'state', persistentVolumeClaim: { claimName: 'factory-worker-1-data' } },
        ],
      },
    },
  },
});
const json = (object: object) => JSON.stringify(object);
const secret = (token: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'factory-worker-1-secrets', resourceVersion: '7' },
  data: {
    GH_TOKEN: Buffer.from(token).toString('base64'),
    CLAUDE_CODE_OAUTH_TOKEN: Buffer.from('made-up').toString('base64'),
    GH_USER: Buffer.from('bot').toString('base64'),
  },
});
const CANCELLED = 'deletion is cancelled\n';

/** A worker that is stopped, with its release, claim and Secret; and a kubectl that says yes to everything else. */
const CLUSTER = (replicas: number): Rule[] => [
  { match: ['get', 'deployments,statefulsets'], stdout: json({ items: [deployment(replicas)] }) },
  { match: ['get', 'deployment', '--output=json'], stdout: json(deployment(replicas)) },
  { match: ['get', 'pods'], stdout: podList() },
  {
    match: ['get', 'persistentvolumeclaim', '--output=json'],
    stdout: json({ metadata: {}, spec: { resources: { requests: { storage: '20Gi' } } } }),
  },
  // Of the Secret's metadata: the label by which it would be Helm's.
  { match: ['get', 'secret', '--output=jsonpath={.metadata.labels*'], stdout: '\n' },
  { match: ['get', 'secret', '--output=json'], stdout: json(secret('gho_made-up-old')) },
  { match: ['get', 'secret', '--output=go-template*'], stdout: 'GH_TOKEN 1\n' },
  { match: ['delete'], stdout: CANCELLED },
  { match: ['get'], stdout: '' },
];
const there = (kind: string, name: string): Rule => ({
  match: ['get', kind, name, '--output=jsonpath={.metadata.name}*'],
  stdout: `${name} `,
});
const HELM: Rule[] = [
  { match: ['version'], stdout: 'v4.1.4' },
  { match: ['status'], stdout: json({ version: 3, info: { status: 'deployed' } }) },
  {
    match: ['history'],
    stdout: json([{ revision: 3, status: 'deployed', chart: 'factory-worker-0.1.0' }]),
  },
  { match: ['get', 'manifest'], stdout: '' },
  { match: ['upgrade', '--dry-run=server'], stdout: json({ manifest: '' }) },
  { match: ['*'], stdout: 'done\n' },
];
const GONE: Rule = { match: ['status'], stderr: 'Error: release: not found\n', code: 1 };

const PLACE = ['--namespace', 'factory', '--context', 'c', '--yes'];

function type<F extends Flags>(
  command: Command<F>,
  argv: readonly string[],
  inCluster: readonly Rule[],
  ofHelm: readonly Rule[] = HELM,
) {
  kubectl.setRules(inCluster);
  helm.setRules(ofHelm);
  return run(command, argv, {
    env: { KUBECTL: kubectl.path, HELM: helm.path, FACTORY_WORKERS: file },
  });
}
describe('retire --purge', () => {
  const purge = ['worker-1', '--purge', '--confirm', 'worker-1', ...PLACE];
  /** Helm has it at the first look, and not any more after `uninstall`. */
  const uninstalling: Rule[] = [{ ...HELM[1], times: 1 } as Rule, GONE, ...HELM];

  it.each([
    [
      'the claim',
      [there('persistentvolumeclaim', 'factory-worker-1-data')],
      'the persistentvolumeclaim factory-worker-1-data of worker-1 was not deleted',
      'kubectl --context c -n factory delete persistentvolumeclaim factory-worker-1-data',
    ],
    [
      'the Secret',
      [there('secret', 'factory-worker-1-secrets')],
      'the secret factory-worker-1-secrets of worker-1 was not deleted',
      'kubectl --context c -n factory delete secret factory-worker-1-secrets',
    ],
    [
      "the tests' pod",
      [there('pod', 'factory-worker-1-test')],
      'the pod factory-worker-1-test of worker-1 was not deleted',
      'kubectl --context c -n factory delete pod factory-worker-1-test',
    ],
  ])('of which %s stays says that it does', async (_, left, failed, next) => {
    const { code, stdout, stderr } = await type(retire, purge, [...left, ...CLUSTER(0)], uninstalling);
    expect(stderr).toContain(`${failed}, although kubectl reported no error: it is still there\n`);
    expect(stderr).toContain(next);
    expect([code, stdout]).toEqual([1, '']);
  });

  it.each([
    [
      'whose Deployment stays',
      [there('Deployment', 'factory-worker-1')],
      uninstalling,
      'its Deployment factory-worker-1 is still there',
    ],
    ['that Helm still has', [], HELM, 'it is deployed'],
  ])('of a release %s says so, and deletes nothing', async (_, left, ofHelm, instead) => {
    const before = kubectl.calls().length;
    const { code, stderr } = await type(retire, purge, [...left, ...CLUSTER(0)], ofHelm);
    expect(stderr).toContain(
      `release worker-1 of worker-1 was not uninstalled, although helm reported no error: ${instead}\n`,
    );
    expect(stderr).toMatch(
      /uninstall it: \S*kubectl --kube-context=c --namespace=factory uninstall worker-1/,
    );
    expect(code).toBe(1);
    const calls = kubectl.calls().slice(before);
    expect(calls.filter(({ argv }) => argv.includes('delete'))).toEqual([]);
  });

  it('of which a claim is on its way out, and all else gone, is done', async () => {
    const deleting: Rule = {
      match: ['get', 'persistentvolumeclaim', '--output=jsonpath={.metadata.name}*'],
      stdout: 'factory-worker-1-data 2026-03-02T12:00:00Z',
    };
    const { code, stdout } = await type(retire, purge, [deleting, ...CLUSTER(0)], uninstalling);
    expect([code, stdout]).toEqual([0, 'worker-1 is retired\n']);
  });
});

describe('a worker whose number of pods Helm does not change', () => {
  it.each([
    ['stop', () => type(stop, ['worker-1'], CLUSTER(1)), 0, 1],
    ['start', () => type(start, ['worker-1'], CLUSTER(0)), 1, 0],
  ] as const)('%s says what it is', async (_, command, wanted, is) => {
    const { code, stderr } = await command();
    expect(stderr).toContain(
      `worker-1 was not scaled to ${wanted}, although helm reported no error: its Deployment factory-worker-1 has replicas: ${is}\n`,
    );
    expect(stderr).toContain(`--set replicas=${wanted}`);
    expect(code).toBe(1);
  });
});

describe('rotate', () => {
  const given = () => ['worker-1', '--gh-token-file', join(folder, 'token'), '--yes'];

  it('into a Secret that still has the old token says so', async () => {
    const { code, stderr } = await type(rotate, given(), [{ match: ['replace'] }, ...CLUSTER(0)]);
    expect(stderr).toContain(
      'the Secret factory-worker-1-secrets of worker-1 was not written, although kubectl reported no error: another GH_TOKEN is in it\n',
    );
    expect(`${stderr}${json(kubectl.calls())}`).not.toMatch(/gho_/);
    expect(code).toBe(1);
  });

  it('through a release whose Secret still has the old token says so', async () => {
    const ofHelm = {
      ...secret('gho_made-up-old'),
      metadata: {
        name: 'factory-worker-1-secrets',
        labels: { 'app.kubernetes.io/managed-by': 'Helm' },
        annotations: { 'meta.helm.sh/release-name': 'worker-1' },
      },
    };
    const { code, stderr } = await type(rotate, given(), [
      { match: ['get', 'secret', '--output=json'], stdout: json(ofHelm) },
      ...CLUSTER(0),
    ]);
    expect(stderr).toContain(
      'the Secret factory-worker-1-secrets of worker-1 was not written, although helm reported no error: another GH_TOKEN is in it\n',
    );
    expect(code).toBe(1);
  });
});

describe('provision', () => {
  const manifest = [
    { ...deployment(0), metadata: { name: 'factory-worker-1' } },
    { kind: 'PersistentVolumeClaim', metadata: { name: 'factory-worker-1-data' } },
  ];
  const ofHelm: Rule[] = [
    { match: ['version'], stdout: 'v4.1.4' },
    { match: ['template'], stdout: manifest.map(json).join('\n---\n') },
    GONE,
    { match: ['*'], stdout: 'done\n' },
  ];
  /** Nothing of the worker is there yet, and nothing that is made comes to be there. */
  const empty = (namespace: Rule): Rule[] => [
    namespace,
    { match: ['version'], stdout: json({ serverVersion: { gitVersion: 'v1.34.0' } }) },
    { match: ['get'], stdout: '' },
    ...['label', 'create', 'replace'].map((verb): Rule => ({ match: [verb], stdout: 'done\n' })),
  ];
  const admitting = (level: string): Rule => ({
    match: ['get', 'namespace', 'factory', '--output=json'],
    stdout: json({ metadata: { labels: { 'pod-security.kubernetes.io/enforce': level } } }),
  });
  const missing: Rule = {
    match: ['get', 'namespace', '--output=json'],
    stderr: 'Error from server (NotFound): namespaces "factory" not found\n',
    code: 1,
  };
  const tokens = () => ['--token-file', join(folder, 'token'), '--gh-token-file', join(folder, 'token')];

  it.each<[string, Rule, () => string[], string]>([
    [
      'a namespace that was not made',
      missing,
      () => ['--no-secret'],
      'the Namespace factory for worker-1 was not created, although kubectl reported no error: there is none with that name',
    ],
    [
      'a namespace that was not labelled',
      admitting('restricted'),
      () => ['--no-secret'],
      'the namespace factory was not labelled, although kubectl reported no error: it does not admit baseline pods',
    ],
    [
      'a Secret that was not made',
      admitting('privileged'),
      () => [...tokens(), '--gh-user', 'bot'],
      'the Secret factory-worker-1-secrets of worker-1 was not written, although kubectl reported no error: it does not exist',
    ],
    [
      'a release without pods that was not installed',
      admitting('privileged'),
      () => ['--no-secret'],
      'release worker-1 was not installed, although helm reported no error: there is no Deployment factory-worker-1',
    ],
  ])('says it of %s', async (_, namespace, flags, sentence) => {
    const { code, stderr } = await type(
      provision,
      ['worker-1', ...flags(), ...PLACE],
      empty(namespace),
      ofHelm,
    );
    expect(stderr).toContain(`${sentence}\n`);
    expect(code).toBe(1);
  });
});

const ON_NODE_A = {
  nodeSelectorTerms: [
    { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['node-a'] }] },
  ],
};

describe('a release', () => {
  const around = () => ({
    cluster: clusterOf(
      {
        exec: createExec(),
        env: { PATH: process.env['PATH'], KUBECTL: kubectl.path },
        signal: new AbortController().signal,
        now: () => new Date(),
      },
      10_000,
    ),
  });

  it.each<[string, ReleasePod | null, boolean, object]>([
    [
      'on the node of the worker',
      { metadata: {}, spec: { nodeName: 'node-a' } },
      true,
      { nodeName: 'node-a' },
    ],
    [
      'where the volume can be mounted, when the worker is on no node',
      { metadata: {}, spec: {} },
      true,
      { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: ON_NODE_A } } },
    ],
    ['anywhere, when every node can mount it', null, false, { nodeSelector: {} }],
  ])('has its pre-pull %s', (_, pod, isPlaced, place) => {
    const object = { metadata: { name: 'pv-1' }, spec: { nodeAffinity: { required: ON_NODE_A } } };
    const volume = isPlaced ? { object, nodes: [] } : null;
    const { spec } = prepullPod({ worker: WORKER, workload: WORKLOAD, pod, volume }, 'image', 60);
    expect(spec).toMatchObject(place);
    expect('nodeName' in spec).toBe('nodeName' in place);
    expect('affinity' in spec).toBe('affinity' in place);
  });

  it('says which pod of the pre-pull it has left behind, and goes on', async () => {
    const build = { schema: 1 };
    kubectl.setRules([
      { match: ['create'], stdout: 'pod/factory-worker-1-prepull-a1\n' },
      {
        match: ['get', 'pod', 'factory-worker-1-prepull-a1'],
        stdout: json({ metadata: { name: 'factory-worker-1-prepull-a1' }, status: { phase: 'Succeeded' } }),
      },
      { match: ['logs'], stdout: `RESULT ${json({ build, schema: 7, postgres: false, help: '' })}\n` },
      { match: ['delete', 'pod'], stdout: CANCELLED },
      {
        match: ['get', 'pods', '--selector=factory-worker/prepull=factory-worker-1'],
        stdout: json({ items: [{ metadata: { name: 'factory-worker-1-prepull-a1' } }] }),
      },
    ]);
    const said: string[] = [];
    const object = prepullPod({ worker: WORKER, workload: WORKLOAD, pod: null, volume: null }, 'image', 60);
    const checked = await prepull(around().cluster, WORKER, object, 'image', 5_000, (text) =>
      said.push(text),
    );
    expect(checked.schema).toBe(7);
    expect(said).toEqual([
      'pre-pull: its pod may be left behind (it was not deleted, although kubectl reported no error: factory-worker-1-prepull-a1 is still there); to delete it: kubectl --context do-nyc1-factory -n factory delete pod --selector=factory-worker/prepull=factory-worker-1 --ignore-not-found --wait=false --grace-period=1',
    ]);
  });

  it('whose node does not say what the check said is not told that it said nothing', async () => {
    const name = 'factory-worker-1-prepull-a1';
    kubectl.setRules([
      { match: ['create'], stdout: `pod/${name}\n` },
      { match: ['get', 'pod', name], stdout: json({ metadata: { name }, status: { phase: 'Succeeded' } }) },
      {
        match: ['logs'],
        code: 1,
        stderr: `Error from server: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused"\n`,
      },
      { match: ['delete', 'pod'], stdout: '' },
      { match: ['get', 'pods'], stdout: json({ items: [] }) },
    ]);
    const object = prepullPod({ worker: WORKER, workload: WORKLOAD, pod: null, volume: null }, 'image', 60);
    const checked = prepull(around().cluster, WORKER, object, 'image', 5_000, () => {});
    await expect(checked).rejects.toMatchObject({
      kind: 'node-unreachable',
      message: expect.stringContaining('read what the new image says of itself on the node of worker-1'),
    });
  });

  it('shows how long the pull goes on, and nothing of it when it is over', async () => {
    const name = 'factory-worker-1-prepull-a1';
    const of = (status: object) => json({ metadata: { name }, status });
    const pulling = of({
      phase: 'Pending',
      conditions: [{ type: 'PodReadyToStartContainers', status: 'True' }],
      containerStatuses: [{ name: 'check', state: { waiting: { reason: 'ContainerCreating' } } }],
    });
    kubectl.setRules([
      { match: ['create'], stdout: `pod/${name}\n` },
      { match: ['get', 'pod', name], stdout: pulling, times: 2 },
      { match: ['get', 'pod', name], stdout: of({ phase: 'Succeeded' }) },
      {
        match: ['logs'],
        stdout: `RESULT ${json({ build: { schema: 1 }, schema: 7, postgres: false, help: '' })}\n`,
      },
      { match: ['delete', 'pod'], stdout: '' },
      { match: ['get', 'pods'], stdout: json({ items: [] }) },
    ]);
    const shown: string[] = [];
    const said: string[] = [];
    const live = { update: (text: string) => shown.push(text), clear: () => shown.push('') };
    const object = prepullPod({ worker: WORKER, workload: WORKLOAD, pod: null, volume: null }, 'image', 60);
    await prepull(around().cluster, WORKER, object, 'image', 60_000, (text) => said.push(text), live);
    expect(shown).toEqual([
      expect.stringMatching(/^worker-1: pulling image … \d+s\n$/),
      expect.stringMatching(/^worker-1: pulling image … \d+s\n$/),
      '',
    ]);
    expect(said).toEqual([]);
  });

  it.each([
    ['new', 'old', 'its Deployment factory-worker-1 names old'],
    ['new', 'new', null],
  ])('of a stopped worker to %s, which names %s afterwards', async (wanted, is, instead) => {
    const object = deployment(0);
    const [container] = object.spec.template.spec.containers;
    Object.assign(container ?? {}, { image: is });
    kubectl.setRules([{ match: ['get', 'deployments,statefulsets'], stdout: json({ items: [object] }) }]);
    const target = { worker: WORKER, workload: WORKLOAD, helmed: null, pod: null, volume: null, facts: null };
    const seen = expectImage(target, wanted, around());
    if (instead === null) await seen;
    else
      await expect(seen).rejects.toThrow(
        `the image of worker-1 was not changed, although kubectl reported no error: ${instead}`,
      );
  });
});
