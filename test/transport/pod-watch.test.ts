/** A command that looks again and again: what becomes of the pods is told by a watch, and asked again whenever that may be old. */
import { describe, expect, it } from 'vitest';
import type { ClusterClient } from '../../scripts/lib/transport/client.ts';
import { openConnections, WATCHING } from '../../scripts/lib/transport/connections.ts';
import { podFinder } from '../../scripts/lib/transport/find-pod.ts';
import { newNonce } from '../../scripts/lib/transport/frame.ts';
import { watchPods } from '../../scripts/lib/transport/pod-watch.ts';
import { type PodList, podFacts } from '../../scripts/lib/transport/pods.ts';
import type { Follower } from '../../scripts/lib/transport/proxy.ts';
import {
  type Answers,
  dropped,
  type ExecAnswer,
  exited,
  frozen,
  type GetAnswer,
  ok,
  refused,
  type Streaming,
  whole,
} from '../support/cluster-server.ts';
import { WORKER as worker } from '../support/samples.ts';
import { until } from '../support/until.ts';
import { listAt, NOW, pod, podList, waiting } from './cluster.ts';
import { connect } from './connect.ts';

const PODS = '/api/v1/namespaces/factory/pods';
const GET = `GET ${PODS}`;
const WATCH = `WATCH ${PODS}`;
const EXEC = `EXEC ${PODS}/${pod().metadata.name}/exec`;
const KUBECTL = [{ match: ['get', 'pods'], stdout: podList(pod()) }] as const;

const event = (type: string, object: object) => `${JSON.stringify({ type, object })}\n`;
/** As API servers print it: a pod that has nothing but its version. */
const bookmark = event('BOOKMARK', {
  kind: 'Pod',
  apiVersion: 'v1',
  metadata: { resourceVersion: '9', creationTimestamp: null },
  spec: { containers: null },
  status: {},
});
const gone = event('ERROR', {
  kind: 'Status',
  metadata: {},
  status: 'Failure',
  reason: 'Expired',
  code: 410,
});

/** A cluster whose pods are watched. @param answers instead of the usual ones */
function watching(answers: { readonly watch?: GetAnswer; readonly list?: string } & Answers = {}) {
  const streams: Streaming[] = [];
  const queries: string[] = [];
  const clock = { ms: NOW.getTime() };
  let list = answers.list ?? listAt('7', pod());
  const get: Answers['get'] = (asked) => {
    if (!asked.query.has('watch')) return asked.path === PODS ? ok(list) : refused(404, 'NotFound', 'none');
    queries.push(`${asked.query}`);
    return answers.watch ?? { kind: 'stream', begin: (stream) => void streams.push(stream) };
  };
  const cluster = connect({ ...answers, get }, KUBECTL, { watching: true, now: () => new Date(clock.ms) });
  const { client } = cluster;
  return {
    ...cluster,
    queries,
    clock,
    /** What the pods are from now on, for who lists them. */
    setList: (text: string) => {
      list = text;
    },
    /** A round: each has a finder of its own. */
    look: () => podFinder(cluster.cluster)(worker),
    stream: () => streams.at(-1) as Streaming,
    alive: () => until('the watch has begun', () => isWatched(client)),
    over: () => until('the watch has ended', () => !isWatched(client)),
  };
}

function cutInLine(stream: Streaming): void {
  stream.say('{"type":"ADD');
  stream.cut();
}

const isWatched = (client: ClusterClient) => client.watchedPods?.(worker) != null;
const named = (name: string) => pod({ metadata: { name } });

it('the pods are listed once, and from then on told', async () => {
  const { look, alive, asked, queries, verbs } = watching();
  expect(await look()).toMatchObject({ kind: 'pod', pod: { name: pod().metadata.name } });
  await alive();
  for (let round = 0; round < 3; round++) expect((await look()).kind).toBe('pod');
  expect(asked()).toEqual([GET, WATCH]);
  expect(queries).toEqual(['watch=1&resourceVersion=7&allowWatchBookmarks=true&timeoutSeconds=300']);
  expect(verbs()).toEqual([]);
});

it.each<[string, readonly string[], object]>([
  ['is replaced', [event('DELETED', pod()), event('ADDED', named('new'))], { pod: { name: 'new' } }],
  [
    'is replaced, the new one first',
    [event('ADDED', named('new')), event('DELETED', pod())],
    { pod: { name: 'new' } },
  ],
  [
    'changes',
    [event('MODIFIED', pod({ status: waiting('ErrImagePull') }))],
    { pod: { state: 'image-pull' } },
  ],
  ['has gone', [event('DELETED', pod())], { kind: 'none', status: 'missing' }],
  [
    'is told in pieces',
    [event('MODIFIED', pod({ node: 'ä' })).slice(0, 9), event('MODIFIED', pod({ node: 'ä' })).slice(9)],
    { pod: { node: 'ä' } },
  ],
])('a pod that %s is seen without a list', async (_, lines, seen) => {
  const { look, alive, stream, asked } = watching();
  await look();
  await alive();
  for (const line of lines) stream().say(line);
  await expect.poll(look).toMatchObject(seen);
  expect(asked().filter((line) => line === GET)).toEqual([GET]);
});

it.each<[string, (stream: Streaming) => void]>([
  ['is cut', (stream) => stream.cut()],
  ['ends, as it does after its time', (stream) => stream.end()],
  ['is cut in a line', cutInLine],
  ['is told that the list is too old (410)', (stream) => stream.say(gone)],
  ['tells what is no JSON', (stream) => stream.say('<html>\n')],
  ['tells what is no pod', (stream) => stream.say(event('MODIFIED', { metadata: 7 }))],
  ['tells what nobody knows', (stream) => stream.say(event('PERHAPS', pod()))],
])('when a watch %s, the pods are listed and watched again', async (_, happen) => {
  const { look, alive, over, stream, asked, setList, queries } = watching();
  await look();
  await alive();
  setList(listAt('12', named('new')));
  happen(stream());
  await over();
  expect(await look()).toMatchObject({ pod: { name: 'new' } });
  await alive();
  expect(await look()).toMatchObject({ pod: { name: 'new' } });
  expect(asked()).toEqual([GET, WATCH, GET, WATCH]);
  expect(queries[1]).toContain('resourceVersion=12&');
});

describe('a watch', () => {
  /** One whose lines are told by the test. */
  function told() {
    const clock = { ms: NOW.getTime() };
    let follower: Follower | undefined;
    let stopped = 0;
    const proxy = {
      follow(_: string, given: Follower) {
        follower = given;
        return () => void stopped++;
      },
    };
    const list = JSON.parse(listAt('7', pod())) as PodList;
    const watch = watchPods(proxy, 'path', list, { silentMs: 20_000, now: () => new Date(clock.ms) });
    return { clock, watch, follower: follower as Follower, stopped: () => stopped };
  }

  it('is believed from its beginning on', () => {
    const { watch, follower } = told();
    expect(watch.pods()).toBeNull();
    expect(watch.over).toBe(false);
    follower.onBegin();
    expect(watch.pods()).toEqual([pod()]);
  });

  it('is believed as long as it has not been silent for the time that a request may take', () => {
    const { watch, follower, clock, stopped } = told();
    follower.onBegin();
    clock.ms += 19_999;
    follower.onLine(bookmark.trim());
    clock.ms += 19_999;
    follower.onLine(event('MODIFIED', pod({ node: 'b' })).trim());
    clock.ms += 19_999;
    expect(watch.pods()).toEqual([pod({ node: 'b' })]);
    expect(stopped()).toBe(0);
    clock.ms += 1;
    expect([watch.pods(), watch.over, stopped()]).toEqual([null, true, 1]);
    // What comes late does not bring it back.
    clock.ms -= 1;
    expect(watch.pods()).toBeNull();
  });

  it('is not believed when the clock was put back: nobody knows how long it was silent', () => {
    const { watch, follower, clock } = told();
    follower.onBegin();
    clock.ms -= 1;
    expect([watch.pods(), watch.over]).toEqual([null, true]);
  });

  it('that does not begin in time is over', () => {
    const { watch, clock } = told();
    clock.ms += 20_000;
    expect(watch.over).toBe(true);
  });

  it.each([
    [0, true],
    [200, true],
    [401, true],
    [403, false],
    [404, false],
    [405, false],
    [410, true],
    [429, true],
    [500, true],
  ])('that ends with %d may be tried again: %s', (status, over) => {
    const { watch, follower } = told();
    follower.onEnd(status);
    expect([watch.pods(), watch.over]).toEqual([null, over]);
  });
});

it.each<[string, GetAnswer]>([
  ['is forbidden', refused(403, 'Forbidden', 'cannot watch resource "pods"')],
  ['does not get through the proxy', whole(403, 'Forbidden\n')],
  ['is too late (410)', refused(410, 'Expired', 'too old resource version')],
  ['fails', whole(500, 'etcdserver: request timed out')],
  ['is dropped', dropped],
  ['does not begin', frozen],
])('where a watch %s, each round lists the pods', async (_, watch) => {
  const { look, asked, verbs, setList } = watching({ watch });
  await look();
  await until('the watch is asked for', () => asked().includes(WATCH));
  setList(listAt('8', named('new')));
  expect(await look()).toMatchObject({ pod: { name: 'new' } });
  setList(listAt('9', named('newest')));
  expect(await look()).toMatchObject({ pod: { name: 'newest' } });
  expect(verbs()).toEqual([]);
});

it('a list without a version is not watched', async () => {
  const { look, asked } = watching({ list: podList(pod()) });
  await look();
  await look();
  expect(asked()).toEqual([GET, GET]);
});

it.each<[string, ExecAnswer, boolean]>([
  ['the pod is not there', refused(404, 'NotFound', 'pods "x" not found'), true],
  [
    'its node does not answer',
    whole(500, 'error dialing backend: dial tcp 10.0.3.1:10250: i/o timeout'),
    true,
  ],
  ['the connection is cut', dropped, true],
  ['nothing', { kind: 'running', end: exited(1) }, false],
])('the pods are listed again after an exec that says: %s', async (_, exec, listed) => {
  const { look, alive, client, asked, cluster } = watching({ exec: () => exec });
  await look();
  await alive();
  const { signal, timeoutMs } = cluster;
  const call = { script: 'look', args: [], signal, timeoutMs };
  await client.run(worker, podFacts(pod(), undefined, NOW), call, newNonce());
  await look();
  expect(asked().slice(0, 4)).toEqual([GET, WATCH, EXEC, ...(listed ? [GET] : [])]);
});

it('a watch ends with the proxy, and a new proxy has a new one', async () => {
  const { look, alive, over, killProxy, asked, verbs, argvs } = watching();
  await look();
  await alive();
  await killProxy();
  await over();
  await look();
  expect(verbs()).toEqual(['get']);
  await look();
  await alive();
  expect(argvs).toHaveLength(2);
  expect(asked()).toEqual([GET, WATCH, GET, WATCH]);
});

it('a command that has looked once can begin to watch', async () => {
  const { cluster, asked } = connect({ get: () => ok(listAt('7', pod())) });
  await podFinder(cluster)(worker);
  openConnections(cluster, [worker], WATCHING);
  await podFinder(cluster)(worker);
  await until('the watch', () => asked().length > 2);
  expect(asked()).toEqual([GET, GET, WATCH]);
});

it('a command that looks once does not watch', async () => {
  const { cluster, asked } = connect({ get: () => ok(listAt('7', pod())) });
  await podFinder(cluster)(worker);
  await podFinder(cluster)(worker);
  expect(asked()).toEqual([GET, GET]);
});
