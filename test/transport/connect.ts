/** A cluster with a real server where its `kubectl proxy` would be. */
import { onTestFinished } from 'vitest';
import type { WorkerEntry } from '../../scripts/lib/config/worker-entry.ts';
import { createExec } from '../../scripts/lib/exec.ts';
import { type ConnectionUse, clientOf, openConnections } from '../../scripts/lib/transport/connections.ts';
import { podFinder } from '../../scripts/lib/transport/find-pod.ts';
import type { Cluster } from '../../scripts/lib/transport/kubectl.ts';
import { podTransport } from '../../scripts/lib/transport/pod-transport.ts';
import { podFacts } from '../../scripts/lib/transport/pods.ts';
import { TransportError } from '../../scripts/lib/transport/transport.ts';
import { type Answers, type ClusterServer, clusterServer } from '../support/cluster-server.ts';
import { type FakeKubectl, fakeKubectl, type Rule } from '../support/fake-kubectl.ts';
import { WORKER as worker } from '../support/samples.ts';
import { NOW, pod } from './cluster.ts';

/** The same cluster for another command, with connections of its own. */
export function connected(cluster: Cluster, workers: readonly WorkerEntry[], use?: ConnectionUse): Cluster {
  const own = { ...cluster, exec: { ...cluster.exec } };
  openConnections(own, workers, use);
  return own;
}

/** A cluster with a server behind its proxy, and a kubectl that answers whatever else is asked. */
export function connect(
  answers: Answers,
  rules: readonly Rule[] = [],
  { watching = false, ...overrides }: Partial<Cluster> & { readonly watching?: boolean } = {},
) {
  const kubectl: FakeKubectl = fakeKubectl(rules);
  const servers: ClusterServer[] = [];
  const dead = new Set<ClusterServer>();
  const argvs: string[][] = [];
  const real = createExec();
  const alone: Cluster = {
    exec: {
      ...real,
      async serve(argv) {
        argvs.push([...argv]);
        const socket = argv.find((word) => word.startsWith('--unix-socket='))?.slice(14) ?? '';
        const server = await clusterServer(answers, socket);
        servers.push(server);
        return {
          get running() {
            return !dead.has(server);
          },
          said: 0,
          saidSince: () => 'open https://login.example.org\n',
          end: () => void server.kill(),
        };
      },
    },
    env: { PATH: process.env['PATH'], KUBECTL: kubectl.path },
    timeoutMs: 20_000,
    signal: new AbortController().signal,
    now: () => NOW,
    ...overrides,
  };
  const cluster = connected(alone, [worker], { watching });
  onTestFinished(() => kubectl.remove());
  onTestFinished(async () => {
    await Promise.all(servers.map((server) => server.kill().catch(() => {})));
  });
  return {
    cluster,
    client: clientOf(cluster),
    find: podFinder(cluster),
    transport: podTransport(cluster, worker, podFacts(pod(), undefined, NOW)),
    /** What the server behind the proxy was asked. */
    asked: () => servers.flatMap(({ requests }) => requests),
    /** The command lines of the proxies. */
    argvs,
    /** Ends the proxy, as somebody's `kill` does. */
    async killProxy() {
      const server = servers.at(-1);
      if (server === undefined) return;
      dead.add(server);
      await server.kill();
    },
    /** The verbs that kubectl itself was asked for. */
    verbs: () => kubectl.calls().map(({ argv }) => argv.find((word) => ['get', 'exec'].includes(word))),
  };
}

export async function failureOf(promise: Promise<unknown>): Promise<TransportError> {
  const error = await promise.then(
    (value) => new Error(`no error but ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof TransportError)) throw error;
  return error;
}
