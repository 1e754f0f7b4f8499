/** A cluster asked through one `kubectl proxy`: what it answers, how it fails, and where kubectl itself is asked instead. */
import { describe, expect, it } from 'vitest';
import { InterruptedError } from '../../scripts/lib/cli/errors.ts';
import { LIMITS } from '../../scripts/lib/exec.ts';
import { openConnections } from '../../scripts/lib/transport/connections.ts';
import { podFinder } from '../../scripts/lib/transport/find-pod.ts';
import { newNonce } from '../../scripts/lib/transport/frame.ts';
import { podFacts } from '../../scripts/lib/transport/pods.ts';
import { acceptedPaths } from '../../scripts/lib/transport/proxy.ts';
import { GRACE_MS } from '../../scripts/lib/transport/scripts.ts';
import type { TransportErrorKind } from '../../scripts/lib/transport/transport.ts';
import {
  type Answers,
  dropped,
  type ExecAnswer,
  exited,
  failure,
  frozen,
  ok,
  type Question,
  refused,
  SUCCESS,
  whole,
} from '../support/cluster-server.ts';
import type { Rule } from '../support/fake-kubectl.ts';
import { WORKER as worker } from '../support/samples.ts';
import { until } from '../support/until.ts';
import { NOW, pod, podList } from './cluster.ts';
import { connect, connected, failureOf } from './connect.ts';

const LIST = ok(podList(pod()));
/** What kubectl itself answers, where it is asked instead. */
const KUBECTL: readonly Rule[] = [
  { match: ['get', 'pods'], stdout: podList(pod()) },
  { match: ['exec'], stderr: 'Error from server (NotFound): pods "by kubectl" not found\n', code: 1 },
];

describe('the pods of a namespace', () => {
  it('are asked for through one proxy, however many workers there are', async () => {
    const { find, cluster, asked, argvs, verbs } = connect({ get: () => LIST });
    expect((await find(worker)).kind).toBe('pod');
    expect((await podFinder(cluster)(worker)).kind).toBe('pod');
    expect(asked()).toEqual(Array(2).fill('GET /api/v1/namespaces/factory/pods'));
    expect(verbs()).toEqual([]);
    expect(argvs).toEqual([
      [
        expect.stringContaining('kubectl'),
        '--context=do-nyc1-factory',
        'proxy',
        expect.stringMatching(/^--unix-socket=.*\/proxy$/),
        '--accept-hosts=^localhost$',
        `--accept-paths=${acceptedPaths(['factory'])}`,
        '--reject-paths=^$',
        '--append-server-path',
      ],
    ]);
  });

  it('of another context, or of a namespace that was not said, are asked for by kubectl', async () => {
    const { find, verbs, argvs } = connect({ get: () => LIST }, KUBECTL);
    await find({ ...worker, context: 'other' });
    await find({ ...worker, namespace: 'other' });
    expect(verbs()).toEqual(['get', 'get']);
    expect(argvs).toEqual([]);
  });

  it.each(['FACTORY_WORKER_TRANSPORT', 'KUBECTL_REMOTE_COMMAND_WEBSOCKETS'])(
    'are asked for by kubectl where %s says so',
    async (variable) => {
      const { cluster, argvs, verbs } = connect({ get: () => LIST }, KUBECTL);
      const env = { ...cluster.env, [variable]: variable.startsWith('FACTORY') ? 'kubectl' : 'false' };
      const own = { ...cluster, env };
      await podFinder(connected(own, [worker]))(worker);
      expect(argvs).toEqual([]);
      expect(verbs()).toEqual(['get']);
    },
  );

  it('are asked for by kubectl, each time, where there is no proxy to be had', async () => {
    let starts = 0;
    const { cluster, verbs } = connect({}, KUBECTL);
    const exec = {
      ...cluster.exec,
      serve: async () => {
        starts++;
        return null;
      },
    };
    const own = { ...cluster, exec };
    const again = connected(own, [worker]);
    await podFinder(again)(worker);
    await podFinder(again)(worker);
    expect([starts, verbs()]).toEqual([1, ['get', 'get']]);
  });

  it('are not waited for longer than allowed where the proxy does not start', async () => {
    const { cluster } = connect({});
    let allowedMs = 0;
    const exec = {
      ...cluster.exec,
      serve: async (_: unknown, { timeoutMs }: { readonly timeoutMs: number }) => {
        allowedMs = timeoutMs;
        return null;
      },
    };
    const own = { ...cluster, exec, timeoutMs: 1_500 };
    await failureOf(podFinder(connected(own, [worker]))(worker));
    expect(allowedMs).toBe(1_500);
  });

  it('are given up at once when it is interrupted while the proxy starts', async () => {
    const { cluster } = connect({});
    const interrupt = new AbortController();
    const exec = {
      ...cluster.exec,
      serve: () => {
        interrupt.abort(new InterruptedError('terminated', 143));
        return new Promise<null>(() => {});
      },
    };
    const own = { ...cluster, exec, signal: interrupt.signal };
    const found = podFinder(connected(own, [worker]))(worker);
    await expect(found).rejects.toMatchObject({ name: 'InterruptedError', exitCode: 143 });
  });

  it.each<[string, Answers['get'], TransportErrorKind, RegExp]>([
    [
      'list is forbidden',
      () => refused(403, 'Forbidden', 'pods is forbidden: User "ci" cannot list resource "pods"'),
      'forbidden',
      /User "ci" cannot list/,
    ],
    [
      'the API server is down',
      () => whole(500, 'dial tcp 127.0.0.1:1: connect: connection refused\n'),
      'unreachable',
      /: The connection to the server 127\.0\.0\.1:1 was refused - did you specify the right host or port\?$/,
    ],
    [
      'a plugin for credentials is missing',
      () => whole(500, 'getting credentials: exec: executable doctl not found\n'),
      'unauthorized',
      /doctl not found/,
    ],
    [
      'its database is slow',
      () => refused(500, 'InternalError', 'etcdserver: request timed out'),
      'unreachable',
      /etcdserver/,
    ],
    ['a gateway has no words', () => whole(502), 'unreachable', /HTTP 502/],
    ['the answer is no JSON', () => ok('<html>'), 'broken', /before its answer was whole/],
    ['the answer is another object', () => ok('{"items":[{"metadata":7}]}'), 'broken', /not as expected/],
    [
      'the answer is endless',
      () => ok(Buffer.alloc(LIMITS.stdoutBytes + 1, 'x')),
      'broken',
      /answered with more than/,
    ],
  ])('are not told when %s', async (_, get = () => dropped, kind, message) => {
    const { find, verbs } = connect({ get });
    const error = await failureOf(find(worker));
    expect([error.kind, verbs()]).toEqual([kind, []]);
    expect(error.message).toMatch(message);
  });

  it('are not told in time: says what a login plugin said meanwhile', async () => {
    const { find } = connect({ get: () => frozen }, [], { timeoutMs: 200 });
    expect(await failureOf(find(worker))).toMatchObject({
      kind: 'unreachable',
      exitCode: 124,
      message: expect.stringMatching(/no answer in time; its last output: open https:\/\/login/),
    });
  });

  it.each<[string, Answers['get']]>([
    ['does not let it through', () => whole(403, 'Forbidden\n')],
    ['has a credential that is no longer accepted', () => refused(401, 'Unauthorized', 'Unauthorized')],
    ['is told to wait', () => refused(429, 'TooManyRequests', 'later')],
    ['drops it', () => dropped],
    ['loses the rest', () => ({ ...LIST, cutAfter: 100 })],
  ])('are asked for by kubectl where the proxy %s', async (_, get = () => dropped) => {
    const { find, verbs } = connect({ get }, KUBECTL);
    expect((await find(worker)).kind).toBe('pod');
    expect(verbs()).toEqual(['get']);
  });

  it('are asked for through a new proxy after one that had worked is gone', async () => {
    const { cluster, killProxy, argvs, verbs } = connect({ get: () => LIST }, KUBECTL);
    const look = async () => podFinder(cluster)(worker);
    await look();
    await killProxy();
    await look();
    expect([argvs.length, verbs()]).toEqual([1, ['get']]);
    await look();
    expect([argvs.length, verbs()]).toEqual([2, ['get']]);
  });

  it('of another namespace, named after a proxy was started, are asked for through one of its own', async () => {
    const { cluster, asked, argvs, verbs } = connect({ get: () => LIST }, KUBECTL);
    await podFinder(cluster)(worker);
    const other = { ...worker, namespace: 'other' };
    openConnections(cluster, [other]);
    await podFinder(cluster)(other);
    await podFinder(cluster)(worker);
    expect(asked()).toEqual(
      ['factory', 'factory', 'other'].map((name) => `GET /api/v1/namespaces/${name}/pods`),
    );
    expect([argvs.length, verbs()]).toEqual([2, []]);
  });

  it('end at once when it is interrupted', async () => {
    const interrupt = new AbortController();
    const { find, asked } = connect({ get: () => frozen }, [], { signal: interrupt.signal });
    const found = find(worker);
    void until('the request', () => asked().length > 0).then(() =>
      interrupt.abort(new InterruptedError('terminated', 143)),
    );
    await expect(found).rejects.toMatchObject({ name: 'InterruptedError', exitCode: 143 });
  });
});

describe('what is not there', () => {
  const none = (rest: Answers['get']) => (asked: Question) =>
    asked.path.endsWith('/pods') ? ok(podList()) : (rest?.(asked) ?? dropped);

  it('is missing', async () => {
    const { find, asked } = connect({ get: none(() => refused(404, 'NotFound', 'no such thing')) });
    expect(await find(worker)).toMatchObject({ kind: 'none', status: 'missing' });
    expect(asked()[1]).toBe('GET /apis/apps/v1/namespaces/factory/deployments/factory-worker-1');
  });

  it('is stopped', async () => {
    const { find } = connect({ get: none(() => ok('{"metadata":{},"spec":{"replicas":0}}')) });
    expect(await find(worker)).toMatchObject({ kind: 'none', status: 'stopped' });
  });
});

describe('a script run in a pod', () => {
  const signal = new AbortController().signal;
  const call = { script: 'look', args: ['brief'], timeoutMs: 20_000, signal };
  const nonceOf = ({ query }: Question) => query.getAll('command').find((word) => word.startsWith('=')) ?? '';
  const frame = (asked: Question, content: string, rc = 0) => {
    const nonce = nonceOf(asked);
    const part = `${nonce} part clock rc=0 bytes=${Buffer.byteLength(content)}\n${content}\n`;
    return `${part}${nonce} rc=${rc} bytes=${Buffer.byteLength(part)}\n`;
  };
  const running = (asked: Question, more: Partial<Extract<ExecAnswer, { kind: 'running' }>> = {}) =>
    ({ kind: 'running', stdout: frame(asked, '1772452800'), end: SUCCESS, ...more }) as const;

  it('is one message: the pod, the container, the words of the script', async () => {
    let question: Question | undefined;
    const { transport, asked, verbs } = connect({
      exec(given) {
        question = given;
        return running(given, { stdout: frame(given, 'ä'.repeat(100_000)), stderr: 'a warning\n' });
      },
    });
    const { rc, parts } = await transport.run({ ...call, args: ['a b', '&c=d', 'é\n'] });
    expect([rc, parts.get('clock')?.text]).toEqual([0, 'ä'.repeat(100_000)]);
    expect(asked()).toEqual(['EXEC /api/v1/namespaces/factory/pods/factory-worker-1-7d9f8b6c5d-x2x4z/exec']);
    expect(Object.fromEntries(question?.query ?? [])).toMatchObject({
      container: 'worker',
      stdout: 'true',
      stderr: 'true',
    });
    expect(question?.query.has('stdin')).toBe(false);
    const words = question?.query.getAll('command') ?? [];
    expect(words.slice(0, 6)).toEqual(['timeout', '-k', '2', '20', 'bash', '-c']);
    expect(words.slice(-3)).toEqual(['a b', '&c=d', 'é\n']);
    expect(verbs()).toEqual([]);
  });

  it('whose kubelet does not find the container is told in the words of kubectl', async () => {
    const { transport } = connect({ exec: () => whole(500, 'container not found ("worker")\n') });
    const error = await failureOf(transport.run(call));
    expect([error.kind, error.message]).toEqual([
      'not-running',
      expect.stringMatching(/\): unable to upgrade connection: container not found \("worker"\)$/),
    ]);
  });

  it('ends with the code of the script', async () => {
    const { transport } = connect({
      exec: (asked) => running(asked, { stdout: frame(asked, '', 3), end: exited(3) }),
    });
    expect((await transport.run(call)).rc).toBe(3);
  });

  // A stream that was cut is never success, whatever the error channel says (kubernetes/kubernetes#73056).
  it.each<[string, (asked: Question) => ExecAnswer, TransportErrorKind, boolean]>([
    ['nothing was said, yet success', () => ({ kind: 'running', end: SUCCESS }), 'broken', false],
    [
      'the end is missing, yet success',
      (asked) => running(asked, { stdout: frame(asked, 'x').slice(0, -3) }),
      'broken',
      false,
    ],
    [
      'the connection ends without a word (1006)',
      (asked) => running(asked, { stdout: frame(asked, 'x').slice(0, 60), end: '', close: 'dropped' }),
      'broken',
      false,
    ],
    ['it ends before anything was said', () => ({ kind: 'running', close: 'dropped' }), 'broken', false],
    ['it is closed, and the end is not said', () => ({ kind: 'running' }), 'broken', false],
    ['the end is no Status', () => ({ kind: 'running', end: '{"status":7}' }), 'broken', false],
    ['the script is killed', () => ({ kind: 'running', end: exited(137) }), 'broken', false],
    ['the pod has gone', () => refused(404, 'NotFound', 'pods "x" not found'), 'not-running', false],
    [
      'the container has ended',
      () => ({ kind: 'running', end: failure('InternalError', 'container not found ("worker")') }),
      'not-running',
      false,
    ],
    [
      'there is no container of that name',
      () => refused(400, 'BadRequest', 'container worker is not valid for pod x'),
      'missing',
      false,
    ],
    [
      'the image has no such program',
      () => ({
        kind: 'running',
        end: failure(
          'InternalError',
          'error executing command in container: exec: "timeout": executable file not found in $PATH',
        ),
      }),
      'program',
      false,
    ],
    [
      'its node does not answer',
      () => refused(500, 'InternalError', 'error dialing backend: dial tcp 10.0.3.123:10250: i/o timeout'),
      'node-unreachable',
      true,
    ],
    [
      'the API server is down',
      () => whole(500, 'error dialing backend: dial tcp 127.0.0.1:1: connect: connection refused'),
      'unreachable',
      true,
    ],
    ['a gateway gives up', () => whole(504, 'timeout'), 'unreachable', false],
    ['the request is dropped', () => dropped, 'broken', false],
    [
      'it says too much',
      () => ({ kind: 'running', stdout: Buffer.alloc(LIMITS.frameBytes + 1, 'x') }),
      'broken',
      false,
    ],
  ])('when %s', async (_, exec, kind, neverBegan) => {
    const { transport, asked, verbs } = connect({ exec });
    expect(await failureOf(transport.run(call))).toMatchObject({ kind, neverBegan });
    // It may have begun: nobody runs it a second time.
    expect([asked().length, verbs()]).toEqual([1, []]);
  });

  it.each<[string, ExecAnswer]>([
    ['refused before it began', frozen],
    ['begun and then silent', { kind: 'running', close: 'never' }],
  ])('that is %s ends at its time limit', async (_, answer) => {
    const { client, cluster } = connect({ exec: () => answer });
    const facts = podFacts(pod(), undefined, NOW);
    // The laptop waits a little longer than the worker.
    const timeoutMs = 200 - GRACE_MS;
    const result = await client.run(worker, facts, { ...call, timeoutMs }, newNonce());
    expect(result).toMatchObject({ timedOut: true, stdout: Buffer.alloc(0) });
    expect(cluster.signal.aborted).toBe(false);
  });

  it('ends at once when it is interrupted', async () => {
    const interrupt = new AbortController();
    const { transport, asked } = connect({ exec: () => ({ kind: 'running', close: 'never' }) });
    void until('the request', () => asked().length > 0).then(() =>
      interrupt.abort(new InterruptedError('hung up', 129)),
    );
    await expect(transport.run({ ...call, signal: interrupt.signal })).rejects.toMatchObject({
      exitCode: 129,
    });
  });

  it.each<[string, Answers]>([
    [
      'may not enter by that verb',
      { exec: () => refused(403, 'Forbidden', 'cannot get resource "pods/exec"') },
    ],
    ['does not let it through', { exec: () => whole(403, 'Forbidden\n') }],
    ['does not know a WebSocket', { exec: () => whole(400, 'unable to upgrade') }],
    [
      'has a credential that is no longer accepted',
      { exec: () => refused(401, 'Unauthorized', 'Unauthorized') },
    ],
  ])('is run by kubectl where the proxy %s', async (_, answers) => {
    const { transport, asked, verbs } = connect(answers, KUBECTL);
    expect((await failureOf(transport.run(call))).message).toContain('by kubectl');
    expect([asked().length, verbs()]).toEqual([1, ['exec']]);
  });

  it('goes on where meanwhile another request finds that the credential is no longer accepted', async () => {
    let isRefused = false;
    const { find, transport, asked } = connect(
      {
        get: () => refused(401, 'Unauthorized', 'Unauthorized'),
        async exec(given) {
          await until('the other request', () => isRefused);
          return running(given);
        },
      },
      KUBECTL,
    );
    const answer = transport.run(call);
    await until('the request', () => asked().length > 0);
    expect((await find(worker)).kind).toBe('pod');
    isRefused = true;
    expect((await answer).rc).toBe(0);
  });

  it('is run by kubectl at once where the server does not know a WebSocket, as it turned out before', async () => {
    const { transport, asked, verbs } = connect({ exec: () => whole(400, 'unable to upgrade') }, KUBECTL);
    await failureOf(transport.run(call));
    await failureOf(transport.run(call));
    expect([asked().length, verbs()]).toEqual([1, ['exec', 'exec']]);
  });

  it('is not run a second time where the server took it and does not know the protocol', async () => {
    const { transport, asked, verbs } = connect({ exec: running, protocols: [] });
    expect((await failureOf(transport.run(call))).kind).toBe('broken');
    expect([asked().length, verbs()]).toEqual([1, []]);
  });
});

describe('the paths that a proxy lets through', () => {
  const accepted = acceptedPaths(['factory', 'other.ns,$']).split(/,(?=\^)/);
  const isAccepted = (path: string) => accepted.some((expression) => new RegExp(expression).test(path));

  it.each([
    '/api/v1/namespaces/factory/pods',
    '/api/v1/namespaces/factory/pods/p',
    '/api/v1/namespaces/factory/pods/p/exec',
    '/api/v1/namespaces/other.ns,$/pods',
    '/apis/apps/v1/namespaces/factory/deployments/p',
  ])('has %s', (path) => expect(isAccepted(path)).toBe(true));

  it.each([
    '/api/v1/namespaces/factory/secrets',
    '/api/v1/namespaces/factory/pods/p/attach',
    '/api/v1/namespaces/factory/pods/p/exec/more',
    '/api/v1/namespaces/kube-system/pods',
    '/api/v1/namespaces/factory2/pods',
    '/api/v1/namespaces/otherxns,$/pods',
    '/api/v1/pods',
    '/apis/apps/v1/namespaces/factory/deployments',
    '/',
  ])('has not %s', (path) => expect(isAccepted(path)).toBe(false));

  it('are not split in a name', () => expect(accepted).toHaveLength(2));
});
