import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { InterruptedError } from '../../scripts/lib/cli/errors.ts';
import type { ClusterWorker } from '../../scripts/lib/config/worker-entry.ts';
import { createExec } from '../../scripts/lib/exec.ts';
import { podFinder } from '../../scripts/lib/transport/find-pod.ts';
import type { Cluster } from '../../scripts/lib/transport/kubectl.ts';
import { podTransport } from '../../scripts/lib/transport/pod-transport.ts';
import { podFacts } from '../../scripts/lib/transport/pods.ts';
import { SCRIPT_LIMIT_BYTES } from '../../scripts/lib/transport/scripts.ts';
import { TransportError } from '../../scripts/lib/transport/transport.ts';
import { type FakeKubectl, fakeKubectl, type Rule } from '../support/fake-kubectl.ts';
import { processesWith } from '../support/processes.ts';
import { WORKER as worker } from '../support/samples.ts';
import { until } from '../support/until.ts';
import { NOW, pod, podList } from './cluster.ts';

const second: ClusterWorker = { ...worker, name: 'worker-2', pod: 'factory-worker-2' };

let kubectl: FakeKubectl;
afterEach(() => kubectl.remove());

function cluster(rules: readonly Rule[], overrides: Partial<Cluster> = {}): Cluster {
  kubectl = fakeKubectl(rules);
  return {
    exec: createExec(),
    env: { PATH: process.env['PATH'], KUBECTL: kubectl.path },
    timeoutMs: 20_000,
    signal: new AbortController().signal,
    now: () => NOW,
    ...overrides,
  };
}

const argvs = () => kubectl.calls().map(({ argv }) => argv);
const LIST: Rule = { match: ['get', 'pods'], stdout: podList(pod(), pod({ of: 'factory-worker-2' })) };
const forbidden = (verb: string, resource: string): Pick<Rule, 'stderr' | 'code'> => ({
  stderr: `Error from server (Forbidden): ${resource} is forbidden: User "ci" cannot ${verb} resource "${resource}" in API group "" in the namespace "factory"\n`,
  code: 1,
});

/** The error a call ends with; a failure of the test when it does not. */
async function failure(promise: Promise<unknown>): Promise<TransportError> {
  const error = await promise.then(
    (value) => new Error(`no error but ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof TransportError)) throw error;
  return error;
}

describe('the search for a pod', () => {
  it('asks kubectl once for all workers of one context and namespace', async () => {
    const find = podFinder(cluster([LIST]));
    const other = { ...worker, namespace: 'other' };
    const found = await Promise.all([find(worker), find(second), find(worker), find(other)]);
    expect(found.map((search) => search.kind === 'pod' && search.pod.name)).toEqual([
      'factory-worker-1-7d9f8b6c5d-x2x4z',
      'factory-worker-2-7d9f8b6c5d-x2x4z',
      'factory-worker-1-7d9f8b6c5d-x2x4z',
      'factory-worker-1-7d9f8b6c5d-x2x4z',
    ]);
    expect(argvs().sort()).toEqual([
      [
        '--context=do-nyc1-factory',
        '--namespace=factory',
        '--request-timeout=20s',
        'get',
        'pods',
        '--output=json',
      ],
      [
        '--context=do-nyc1-factory',
        '--namespace=other',
        '--request-timeout=20s',
        'get',
        'pods',
        '--output=json',
      ],
    ]);
  });

  it('hands the kubeconfig over where one is named', async () => {
    const find = podFinder(cluster([LIST], { timeoutMs: 1_500 }));
    await find({ ...worker, kubeconfig: '/home/me/a b' });
    expect(argvs()[0]?.slice(0, 4)).toEqual([
      '--kubeconfig=/home/me/a b',
      '--context=do-nyc1-factory',
      '--namespace=factory',
      '--request-timeout=2s',
    ]);
  });

  it('takes what is on stdout and leaves warnings on stderr alone', async () => {
    const find = podFinder(
      cluster([{ ...LIST, warnings: 'W0101 00:00:00.000000 1 x.go:1] {"items":[]}\n' }]),
    );
    expect((await find(worker)).kind).toBe('pod');
  });

  it('of which the list is cut, yet ends with success, is a broken connection and no crash', async () => {
    const find = podFinder(cluster([{ ...LIST, cutAfter: 100 }]));
    expect(await failure(find(worker))).toMatchObject({ kind: 'broken' });
  });

  describe('where listing is forbidden', () => {
    const list: Rule = { match: ['get', 'pods'], ...forbidden('list', 'pods') };

    it('looks for a pod of that very name', async () => {
      const bare = pod({ metadata: { name: 'factory-worker-1' } });
      const find = podFinder(cluster([list, { match: ['get', 'pod'], stdout: JSON.stringify(bare) }]));
      expect(await find(worker)).toMatchObject({ kind: 'pod', pod: { name: 'factory-worker-1' } });
      expect(argvs()[1]?.slice(3)).toEqual([
        'get',
        'pod',
        'factory-worker-1',
        '--output=json',
        '--ignore-not-found',
      ]);
    });

    it.each<[string, Rule]>([
      ['there is none', { match: ['get', 'pod'], stdout: '' }],
      ['that is forbidden too', { match: ['get', 'pod'], ...forbidden('get', 'pods') }],
    ])('and %s: names the verb that is missing', async (_, get) => {
      // The Deployment could be read: that there is one says nothing of its pods.
      const find = podFinder(
        cluster([list, get, { match: ['deployment'], stdout: '{"spec":{"replicas":1}}' }]),
      );
      const error = await failure(find(worker));
      expect(error.kind).toBe('forbidden');
      expect(error.hints.join()).toContain('verb list on pods in namespace factory');
    });
  });

  describe('that finds none', () => {
    const none: Rule = { match: ['get', 'pods'], stdout: podList(pod({ of: 'factory-worker-10' })) };
    const deployment = (object: object): Rule => ({
      match: ['get', 'deployment', 'factory-worker-1', '--ignore-not-found'],
      stdout: JSON.stringify({ metadata: { name: 'factory-worker-1' }, ...object }),
    });

    it.each<[string, Rule, string, string]>([
      [
        'nor a Deployment',
        { match: ['get', 'deployment'], stdout: '' },
        'missing',
        'no pod or Deployment factory-worker-1',
      ],
      [
        'nor may ask for the Deployment',
        { match: ['get', 'deployment'], ...forbidden('get', 'deployments') },
        'missing',
        'no pod',
      ],
      ['but a Deployment of 0', deployment({ spec: { replicas: 0 } }), 'stopped', 'scaled to 0'],
      [
        'but a Deployment that has just been made',
        deployment({ spec: { replicas: 1 } }),
        'pending',
        'not been created yet',
      ],
      [
        'but a Deployment whose pods are refused',
        deployment({
          spec: { replicas: 1 },
          status: {
            conditions: [
              { type: 'Available', status: 'False', message: 'no' },
              {
                type: 'ReplicaFailure',
                status: 'True',
                message: 'violates PodSecurity "baseline:latest": privileged',
              },
            ],
          },
        }),
        'pending',
        'violates PodSecurity',
      ],
    ])('%s', async (_, rule, status, reason) => {
      const find = podFinder(cluster([none, rule]));
      expect(await find(worker)).toEqual({ kind: 'none', status, reason: expect.stringContaining(reason) });
    });
  });

  it('in a cluster that does not answer ends at its time limit, with nothing left running', async () => {
    const find = podFinder(cluster([{ hang: true }], { timeoutMs: 700 }));
    expect(await failure(find(worker))).toMatchObject({ kind: 'unreachable', exitCode: 124 });
    expect(kubectl.calls()).toMatchObject([{ endedAt: null }]);
    await expect.poll(() => processesWith(`KUBECTL=${kubectl.path}`)).toEqual([]);
  });

  it('without kubectl says so', async () => {
    const find = podFinder(cluster([], { env: { PATH: process.env['PATH'], KUBECTL: '/dev/null/kubectl' } }));
    expect(await failure(find(worker))).toMatchObject({ kind: 'program', exitCode: 127 });
  });

  it('ends at once when it is interrupted, as the interruption says', async () => {
    const interrupt = new AbortController();
    const find = podFinder(cluster([{ hang: true }], { signal: interrupt.signal }));
    const found = find(worker);
    void until('the call', () => kubectl.calls().length > 0).then(() =>
      interrupt.abort(new InterruptedError('terminated', 143)),
    );
    await expect(found).rejects.toMatchObject({ name: 'InterruptedError', exitCode: 143 });
  });
});

describe('a script run in a pod', () => {
  const facts = podFacts(pod(), undefined, NOW);
  const env = {
    PATH: process.env['PATH'],
    WORKER_RUN_DIR: '/dev/null/none',
    WORKER_STATE_DIR: '/dev/null/none',
  };
  const here: Rule = { match: ['exec'], run: { env } };
  const signal = new AbortController().signal;
  const call = { script: 'look', args: ['clock', 'sessions'], timeoutMs: 20_000, signal };

  it('is one exec, into the pod and container that were found, without a limit that would cut its stream', async () => {
    const transport = podTransport(cluster([here]), { ...worker, kubeconfig: '/k' }, facts);
    const frame = await transport.run({ ...call, script: 'peek', args: ['no such', '5', 'no'] });
    expect(frame.rc).toBe(0);
    expect(Number(frame.parts.get('clock')?.text)).toBeCloseTo(Date.now() / 1000, -2);
    const [argv = []] = argvs();
    expect(argv.slice(0, 12)).toEqual([
      '--kubeconfig=/k',
      '--context=do-nyc1-factory',
      '--namespace=factory',
      'exec',
      'factory-worker-1-7d9f8b6c5d-x2x4z',
      '--container=worker',
      '--',
      'timeout',
      '-k',
      '2',
      '20',
      'bash',
    ]);
    expect(argv.slice(-3)).toEqual(['no such', '5', 'no']);
    expect(argv.join('').length).toBeLessThan(SCRIPT_LIMIT_BYTES);
    expect(kubectl.calls()).toHaveLength(1);
  });

  it.each([0, 1, 40, 100])('whose stream ends after %i bytes with success is broken', async (cutAfter) => {
    const transport = podTransport(cluster([{ ...here, cutAfter }]), worker, facts);
    const error = await failure(transport.run(call));
    expect(error.kind).toBe('broken');
    expect(error.message).toContain('worker-1');
  });

  it('that began and then lost its stream is broken, whatever the worker had on stderr', async () => {
    const noise = 'error: You must be logged in to the server (Unauthorized)\n';
    const transport = podTransport(
      cluster([{ ...here, cutAfter: 60, code: 1, warnings: noise }]),
      worker,
      facts,
    );
    expect((await failure(transport.run(call))).kind).toBe('broken');
  });

  it.each<[string, Rule, string]>([
    [
      'the pod has gone',
      { stderr: 'Error from server (NotFound): pods "x" not found\n', code: 1 },
      'not-running',
    ],
    ['exec is forbidden', forbidden('create', 'pods/exec'), 'forbidden'],
    ['kubectl says nothing', { code: 1 }, 'broken'],
    ['kubectl is killed', { code: 137 }, 'broken'],
    ['the script is killed', { stderr: 'command terminated with exit code 137\n', code: 137 }, 'broken'],
  ])('when %s', async (_, rule, kind) => {
    const transport = podTransport(cluster([rule]), worker, facts);
    expect((await failure(transport.run(call))).kind).toBe(kind);
  });

  it('is whole although warnings came and kubectl ended with 1', async () => {
    const transport = podTransport(
      cluster([{ ...here, warnings: 'E0101 x\n', cutAfter: 100_000, code: 1 }]),
      worker,
      facts,
    );
    expect((await transport.run(call)).parts.has('clock')).toBe(true);
  });

  it('ends at its time limit in the worker, and here a little later when even that does not come', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'slow-'));
    const clone = { ...call, script: 'clone', args: ['demo', 'x/demo', '', '30'], timeoutMs: 700 };
    const slow = podTransport(
      cluster([
        {
          ...here,
          run: {
            env: { ...env, WORKER_REPOS_DIR: '/dev/null/none', WORKER_STATE_DIR: folder },
          },
        },
      ]),
      worker,
      facts,
    );
    expect(await failure(slow.run(clone))).toMatchObject({
      kind: 'timeout',
      message: 'worker-1 did not answer within 0.7s',
    });
    kubectl.setRules([
      {
        hang: true,
        ignoreTerm: true,
        warnings: 'To sign in, open https://login.example.org/device?code=1\n',
      },
    ]);
    expect(await failure(slow.run({ ...call, timeoutMs: 100 }))).toMatchObject({
      kind: 'timeout',
      message:
        'worker-1 did not answer within 0.1s; its last output: To sign in, open https://login.example.org/device?code=1',
    });
    rmSync(folder, { recursive: true });
  });

  it('ends at once when it is interrupted, as the interruption says', async () => {
    const interrupt = new AbortController();
    const transport = podTransport(cluster([{ hang: true }]), worker, facts);
    void until('the call', () => kubectl.calls().length > 0).then(() =>
      interrupt.abort(new InterruptedError('hung up', 129)),
    );
    await expect(transport.run({ ...call, signal: interrupt.signal })).rejects.toMatchObject({
      exitCode: 129,
    });
  });
});

describe('a program with the terminal', () => {
  it('is one exec with stdin, and with a terminal only when asked for', () => {
    const transport = podTransport(cluster([]), worker, podFacts(pod(), 'other', NOW));
    const into = [
      kubectl.path,
      '--context=do-nyc1-factory',
      '--namespace=factory',
      'exec',
      'factory-worker-1-7d9f8b6c5d-x2x4z',
      '--container=other',
      '--stdin',
    ];
    expect(transport.terminal(['ls', '-h'], false).argv).toEqual([...into, '--', 'ls', '-h']);
    expect(transport.terminal(['ls', '-h'], true).argv).toEqual([...into, '--tty', '--', 'ls', '-h']);
    // The environment the command was given, not whatever this process has.
    expect(transport.terminal(['ls'], true).env).toEqual({
      PATH: process.env['PATH'],
      KUBECTL: kubectl.path,
    });
  });
});
