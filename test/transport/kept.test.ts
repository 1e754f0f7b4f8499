/** A connection that stays after its command: who finds it, who must not, and when it ends. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createExec } from '../../scripts/lib/exec.ts';
import { podFinder } from '../../scripts/lib/transport/find-pod.ts';
import type { Cluster } from '../../scripts/lib/transport/kubectl.ts';
import { type ClusterServer, clusterServer, ok, refused } from '../support/cluster-server.ts';
import { type FakeKubectl, fakeKubectl } from '../support/fake-kubectl.ts';
import { makeFolder } from '../support/janitor.ts';
import { parent as parentOf, processesWith } from '../support/processes.ts';
import { WORKER } from '../support/samples.ts';
import { until } from '../support/until.ts';
import { NOW, pod, podList } from './cluster.ts';
import { connected } from './connect.ts';

const worker = { ...WORKER, keepConnection: '1m' };
const LIST = ok(podList(pod()));

let answer = LIST;
let server: ClusterServer & { readonly port: number };
let kubectl: FakeKubectl;
let runtime: string;
let home: string;
beforeAll(async () => {
  server = await clusterServer({ get: () => answer }, 0);
});
afterAll(() => server.kill());
beforeEach(async () => {
  // A command that lives uses it every few seconds; those of the tests have ended.
  vi.useFakeTimers({ toFake: ['setInterval'] });
  answer = LIST;
  kubectl = fakeKubectl([
    { match: ['proxy'], proxyTo: server.port },
    { match: ['get', 'pods'], stdout: podList(pod()) },
  ]);
  home = await makeFolder('kept');
  runtime = join(home, 'run');
  mkdirSync(runtime);
});
afterEach(async () => {
  vi.useRealTimers();
  rmSync(runtime, { recursive: true, force: true });
  killAll();
  kubectl.remove();
});

const proxies = () => processesWith(`KUBECTL=${kubectl.path}`);
const parent = () => join(runtime, `factory-worker-${process.getuid?.()}`);
const kept = () => (existsSync(parent()) ? readdirSync(parent()) : []);
function killAll(): void {
  for (const pid of proxies()) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
}
/** Whether nobody listens on the socket any more: a process that is killed does so a moment longer than it is seen. */
function refuses(): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(join(parent(), kept()[0] ?? '', 'proxy'));
    connection.once('error', () => resolve(true));
    connection.once('connect', () => {
      connection.destroy();
      resolve(false);
    });
  });
}
const starts = () => kubectl.calls().filter(({ argv }) => argv.includes('proxy')).length;
const asked = () => kubectl.calls().filter(({ argv }) => argv.includes('get')).length;

/** What a command does: its own connections, one look, and its end. */
async function look(
  entry: typeof WORKER & { readonly keepConnection?: string } = worker,
  { env = {} }: { readonly env?: NodeJS.ProcessEnv } = {},
) {
  const traced: string[] = [];
  const exec = createExec((argv) => traced.push(argv.join(' ')));
  const alone: Cluster = {
    exec,
    env: { PATH: process.env['PATH'], HOME: home, KUBECTL: kubectl.path, XDG_RUNTIME_DIR: runtime, ...env },
    timeoutMs: 20_000,
    signal: new AbortController().signal,
    now: () => NOW,
  };
  const found = await podFinder(connected(alone, [entry]))(entry);
  exec.close();
  expect(found.kind).toBe('pod');
  return traced;
}

describe('a connection that is kept', () => {
  it('is found by the next command, which says so, and starts nothing', async () => {
    expect((await look())[0]).toMatch(/kubectl --context=\S+ proxy --unix-socket=/);
    expect((await look())[0]).toBe(`proxy: kept ${join(parent(), kept()[0] ?? '', 'proxy')}`);
    expect([starts(), asked()]).toEqual([1, 0]);
  });

  it('is made once by two commands at once', async () => {
    await Promise.all([look(), look(), look()]);
    expect([starts(), asked(), kept().length]).toEqual([1, 0, 1]);
  });

  it('is not for an entry that does not ask for it', async () => {
    await look(WORKER);
    await expect.poll(() => [kept(), proxies()]).toEqual([[], []]);
  });

  it.each<[string, () => Parameters<typeof look>]>([
    ['the kubeconfig has changed', () => [worker, {}]],
    ['another identity is in the environment', () => [worker, { env: { AWS_PROFILE: 'other' } }]],
    ['it is about another namespace', () => [{ ...worker, namespace: 'other' }, {}]],
  ])('is not used when %s', async (_, next) => {
    mkdirSync(join(home, '.kube'));
    writeFileSync(join(home, '.kube', 'config'), 'current-context: a');
    await look();
    if (_.startsWith('the kubeconfig')) writeFileSync(join(home, '.kube', 'config'), 'current-context: bcd');
    await look(...next());
    expect([starts(), kept().length]).toEqual([2, 2]);
  });

  it('ends when it was not used for a while, and leaves nothing', async () => {
    await look();
    expect(proxies()).not.toEqual([]);
    const longAgo = new Date(Date.now() - 61_000);
    utimesSync(join(parent(), kept()[0] ?? '', 'used'), longAgo, longAgo);
    await until(
      'its end',
      () => [...kept(), ...proxies()],
      (left) => left.length === 0,
    );
  });

  it('is in use when a command finds it, and for as long as that lives', async () => {
    await look();
    const used = join(parent(), kept()[0] ?? '', 'used');
    const age = () => {
      const longAgo = new Date(Date.now() - 50_000);
      utimesSync(used, longAgo, longAgo);
    };
    const isYoung = () => Date.now() - statSync(used).mtimeMs < 40_000;
    age();
    await look();
    await expect.poll(isYoung).toBe(true);
    age();
    expect(isYoung()).toBe(false);
    vi.advanceTimersByTime(15_000);
    await expect.poll(isYoung).toBe(true);
  });

  it('that was killed is replaced', async () => {
    await look();
    killAll();
    await until('nobody listens', refuses);
    await look();
    expect([starts(), asked()]).toEqual([2, 0]);
    await look();
    expect(starts()).toBe(2);
  });

  it('whose proxy ends by itself is removed by who keeps it', async () => {
    await look();
    const keeper = Number(readFileSync(join(parent(), kept()[0] ?? '', 'keeper'), 'utf8'));
    // It started the proxy before anything else.
    const [proxy = 0] = proxies().filter((pid) => parentOf(pid) === keeper);
    process.kill(proxy, 'SIGKILL');
    await until(
      'its end',
      () => [...kept(), ...proxies()],
      (left) => left.length === 0,
    );
  });

  it('whose credentials are refused is given up, and kubectl asks instead', async () => {
    await look();
    answer = refused(401, 'Unauthorized', 'Unauthorized');
    await look();
    expect(asked()).toBe(1);
    answer = LIST;
    await look();
    expect([starts(), asked()]).toEqual([2, 1]);
  });

  it('is not had in a folder that others may enter: the command has its own', async () => {
    mkdirSync(parent());
    chmodSync(parent(), 0o755);
    await look();
    expect(kept()).toEqual([]);
    await expect.poll(proxies).toEqual([]);
    expect([starts(), asked()]).toEqual([1, 0]);
  });

  it('cannot be had where kubectl does not start: kubectl itself is asked, and nothing is left', async () => {
    kubectl.remove();
    kubectl = fakeKubectl([
      { match: ['proxy'], stderr: 'error: context "x" does not exist\n', code: 1 },
      { match: ['get', 'pods'], stdout: podList(pod()) },
    ]);
    await look();
    expect(asked()).toBe(1);
    await expect.poll(() => [kept(), proxies()]).toEqual([[], []]);
  });
});
