/**
 * Connections to clusters, one for each kubeconfig and context, for as long as a command runs.
 *
 * Where a connection cannot be had, or does not let a request through, kubectl itself is asked, without a word: it says what is
 * wrong better than we could. That is decided once for each cluster, and again only after a connection that had worked.
 */
import { InterruptedError } from '../cli/errors.ts';
import type { ClusterWorker, WorkerEntry } from '../config/worker-entry.ts';
import { type Argv, type Exec, LIMITS, type RunResult } from '../exec.ts';
import { readStatus, refusal } from './api-status.ts';
import type { HttpAnswer, RequestOptions, Silence } from './bounded-request.ts';
import { type ClusterClient, execArgs, kubectlClient, type ObjectRef } from './client.ts';
import { endsFrame } from './frame.ts';
import type { Cluster } from './kubectl.ts';
import { type PodWatch, watchPath, watchPods } from './pod-watch.ts';
import type { ContainerName } from './pods.ts';
import type { KubectlProxy } from './proxy.ts';
import { againArgv, againRequest, GRACE_MS, scriptArgv } from './scripts.ts';
import { floodError, type RemoteCall } from './transport.ts';

/** One cluster, as one person. */
interface Link {
  /** Of which kubeconfig and context. */
  readonly key: string;
  readonly namespaces: Set<string>;
  watching: boolean;
  /** How long it stays after this command; null when it ends with it. */
  readonly keep: string | null;
  /** Being made, or there; null when there is none to be had. */
  proxy: Promise<KubectlProxy | null> | null;
  /** Whether the connection has answered. */
  worked: boolean;
  /** Programs in pods are run by kubectl: they cannot be by this connection. */
  execByKubectl: boolean;
  /** Of the pods, by namespace. */
  readonly watches: Map<string, PodWatch>;
}

/** `kubectl` keeps to a kubectl for each request. */
const TRANSPORT_VARIABLE = 'FACTORY_WORKER_TRANSPORT';

export interface ConnectionUse {
  /** Whether the same is asked again and again: then the API server tells what becomes of the pods, and the exec into each stays open. */
  readonly watching: boolean;
}

export const WATCHING: ConnectionUse = { watching: true };

interface Connections {
  open(workers: readonly WorkerEntry[], use: ConnectionUse): void;
  client(cluster: Cluster): ClusterClient;
}

/** Of each command: its own `Exec` starts their programs, and ends them with the command. */
const OF_COMMAND = new WeakMap<Exec, Connections>();

/**
 * Lets this command ask the clusters of these workers over connections from now on; each is made when it is first needed.
 *
 * @param workers all that may be asked: what is not of their namespaces is not let through
 */
export function openConnections(
  command: Pick<Cluster, 'env' | 'exec' | 'now'>,
  workers: readonly WorkerEntry[],
  use: ConnectionUse = { watching: false },
): void {
  const connections = OF_COMMAND.get(command.exec) ?? createConnections(command);
  OF_COMMAND.set(command.exec, connections);
  connections.open(workers, use);
}

/** The way to a cluster: a connection where the command has opened one, otherwise a kubectl for each request. */
export function clientOf(cluster: Cluster): ClusterClient {
  return OF_COMMAND.get(cluster.exec)?.client(cluster) ?? kubectlClient(cluster);
}

function createConnections({ env, exec, now }: Pick<Cluster, 'env' | 'exec' | 'now'>): Connections {
  const links: Link[] = [];
  const linkOf = (worker: ClusterWorker): Link | undefined =>
    links.find(({ key, namespaces }) => key === keyOf(worker) && namespaces.has(worker.namespace));
  /** One that is made already lets nothing more through. */
  const newLinkOf = (worker: ClusterWorker): Link => {
    const unmade = links.find(({ key, proxy }) => key === keyOf(worker) && proxy === null);
    if (unmade !== undefined) return unmade;
    const link: Link = {
      key: keyOf(worker),
      namespaces: new Set(),
      watching: false,
      keep: worker.keepConnection ?? null,
      proxy: null,
      worked: false,
      execByKubectl: false,
      watches: new Map(),
    };
    links.push(link);
    return link;
  };
  const proxyOf = (link: Link, worker: ClusterWorker, timeoutMs: number): Promise<KubectlProxy | null> => {
    link.proxy ??= import('./proxy.ts').then(({ startProxy }) =>
      startProxy({ env, exec, timeoutMs, now }, worker, {
        namespaces: [...link.namespaces],
        keep: link.keep,
      }),
    );
    return link.proxy;
  };
  /** What they know may be old when anything else that is asked there fails. */
  const endWatches = ({ watches }: Link) => {
    for (const watch of watches.values()) watch.end();
  };
  /** A connection that had worked may do so again. */
  const drop = (link: Link, proxy: KubectlProxy) => {
    endWatches(link);
    link.watches.clear();
    proxy.close();
    link.proxy = link.worked ? null : Promise.resolve(null);
    link.worked = false;
  };

  return {
    open(workers, { watching }) {
      if (isOff(env)) return;
      for (const worker of workers) {
        if (worker.runtime === 'local') continue;
        const link = linkOf(worker) ?? newLinkOf(worker);
        link.namespaces.add(worker.namespace);
        link.watching ||= watching;
      }
    },
    client(cluster) {
      const kubectl = kubectlClient(cluster);
      /** @returns null where kubectl has to ask */
      const through = async (worker: ClusterWorker, request: Request): Promise<RunResult | null> => {
        const link = linkOf(worker);
        if (link === undefined || (request.isExec && link.execByKubectl)) return null;
        const { timeoutMs, signal, maxBytes, asked } = request;
        const proxy = await unlessAborted(proxyOf(link, worker, timeoutMs), signal);
        if (proxy === null) return null;
        exec.trace(request.shown);
        const said = proxy.served.said;
        const answer = await request.send(proxy, { timeoutMs, signal, maxBytes });
        if (isFailure(answer, request)) endWatches(link);
        if ('silence' in answer) {
          if (answer.silence === 'aborted') throw InterruptedError.by(signal);
          if (answer.silence === 'overflow') throw floodError(worker.name, maxBytes, asked);
          // What a plugin for credentials has said: the page of a login, for example.
          if (answer.silence === 'timeout')
            return { ...ended(143), stderr: proxy.served.saidSince(said), timedOut: true };
          if (answer.silence === 'gone' || !proxy.served.running) drop(link, proxy);
          // What only reads can be asked again; a program may have begun.
          return answer.silence === 'cut' && request.isExec ? ended(1) : null;
        }
        if ('code' in answer) {
          link.worked = true;
          return { ...ended(answer.code), ...answer };
        }
        const { status, body } = answer;
        const isStatus = readStatus(body.toString('utf8')) !== null;
        // A credential that may have been replaced in the kubeconfig meanwhile, which a kubectl reads anew.
        if (status === 401) drop(link, proxy);
        // The proxy does not let it through, or the server does not know the protocol.
        else if (request.isExec && status < 500 && !isStatus) link.execByKubectl = true;
        // Nothing has begun, and kubectl may get through: it repeats what was too much at once, and enters a pod by another verb.
        if (status === 401 || status === 429 || (status >= 400 && status < 500 && !isStatus)) return null;
        if (status === 403 && request.isExec) return null;
        link.worked = true;
        if (status === 200) return { ...ended(0), stdout: body };
        if (status === 404 && request.mayBeMissing) return ended(0);
        return { ...ended(1), stderr: refusal(status, body.toString('utf8')) };
      };
      return {
        async read(worker, object) {
          const path = objectPath(worker, object);
          const request: Request = {
            send: (proxy, options) => proxy.get(path, options),
            shown: ['proxy:', 'GET', path],
            isExec: false,
            mayBeMissing: object.kind !== 'pods',
            timeoutMs: cluster.timeoutMs,
            signal: cluster.signal,
            maxBytes: LIMITS.stdoutBytes,
            asked: 'kubectl get',
          };
          return (await through(worker, request)) ?? kubectl.read(worker, object);
        },
        watchedPods: (worker) => linkOf(worker)?.watches.get(worker.namespace)?.pods() ?? null,
        watchPods(worker, list) {
          const link = linkOf(worker);
          const connected = link?.proxy;
          // A list that kubectl has made has no version.
          const version = list.metadata?.resourceVersion;
          if (!link?.watching || !connected || !version) return;
          void connected.then((proxy) => {
            const known = link.watches.get(worker.namespace);
            if (proxy === null || link.proxy !== connected || known?.over === false) return;
            const path = watchPath(objectPath(worker, { kind: 'pods' }), version);
            exec.trace(['proxy:', 'GET', path]);
            const { timeoutMs: silentMs, now } = cluster;
            link.watches.set(worker.namespace, watchPods(proxy, path, list, { silentMs, now }));
          });
        },
        async run(worker, pod, call, nonce) {
          const request: Request = {
            ...(linkOf(worker)?.watching
              ? asking(worker, pod, call, nonce)
              : executing(worker, pod, call, nonce)),
            isExec: true,
            mayBeMissing: false,
            maxBytes: LIMITS.frameBytes,
            timeoutMs: call.timeoutMs + GRACE_MS,
            signal: call.signal,
            asked: call.script,
          };
          return (await through(worker, request)) ?? kubectl.run(worker, pod, call, nonce);
        },
      };
    },
  };
}

/** Ctrl-C does not wait for a program that starts. @throws InterruptedError */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(InterruptedError.by(signal));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

type Answer = HttpAnswer | Silence | Pick<RunResult, 'code' | 'stdout' | 'stderr'>;

/** A request of a client, for the connection. */
interface Request extends RequestOptions {
  readonly send: (proxy: KubectlProxy, options: RequestOptions) => Promise<Answer>;
  /** For `--verbose`. */
  readonly shown: Argv;
  /** A program, which must not be run twice. */
  readonly isExec: boolean;
  /** That there is no such object is an answer, too. */
  readonly mayBeMissing: boolean;
  /** For the message when the answer is too long. */
  readonly asked: string;
}

/** Whether the answer says that something is not as it should be: that there is no such object may be. */
function isFailure(answer: Answer, { mayBeMissing }: Request): boolean {
  if ('silence' in answer) return true;
  return 'status' in answer && answer.status >= 400 && !(answer.status === 404 && mayBeMissing);
}

/** Whether kubectl is to be started for each request. */
function isOff(env: NodeJS.ProcessEnv): boolean {
  // The second is kubectl's own variable, for networks that do not let a WebSocket through.
  return env[TRANSPORT_VARIABLE] === 'kubectl' || env['KUBECTL_REMOTE_COMMAND_WEBSOCKETS'] === 'false';
}

function keyOf({ kubeconfig, context }: ClusterWorker): string {
  return JSON.stringify([kubeconfig, context]);
}

function objectPath({ namespace }: ClusterWorker, object: ObjectRef): string {
  const within = (group: string, resource: string) =>
    `/${group}/namespaces/${encodeURIComponent(namespace)}/${resource}`;
  switch (object.kind) {
    case 'pods':
      return within('api/v1', 'pods');
    case 'pod':
      return within('api/v1', `pods/${encodeURIComponent(object.name)}`);
    case 'deployment':
      return within('apis/apps/v1', `deployments/${encodeURIComponent(object.name)}`);
  }
}

/** By an exec that ends with the script. */
function executing(
  worker: ClusterWorker,
  pod: ContainerName,
  call: RemoteCall,
  nonce: string,
): Pick<Request, 'send' | 'shown'> {
  const argv = scriptArgv(call, nonce);
  const path = execPath(worker, pod, argv);
  return {
    send: (proxy, limits) => proxy.exec(path, limits),
    shown: ['proxy:', ...execArgs(pod), '--', ...argv],
  };
}

/** By an exec that stays open for the next round. */
function asking(
  worker: ClusterWorker,
  pod: ContainerName,
  call: RemoteCall,
  nonce: string,
): Pick<Request, 'send' | 'shown'> {
  const { script, args } = call;
  const program = {
    key: JSON.stringify([worker.namespace, pod.name, pod.container, script]),
    path: () => execPath(worker, pod, againArgv(call, nonce), { stdin: 'true' }),
  };
  const request = {
    text: againRequest(call, nonce),
    isWhole: (latest: string) => endsFrame(latest, nonce),
  };
  return {
    send: (proxy, limits) => proxy.ask(program, request, limits),
    shown: ['proxy:', ...execArgs(pod), '--stdin', '--', script, ...args],
  };
}

function execPath(
  worker: ClusterWorker,
  { name, container }: ContainerName,
  argv: Argv,
  more: Readonly<Record<string, string>> = {},
): string {
  const query = new URLSearchParams({ container, stdout: 'true', stderr: 'true', ...more });
  for (const word of argv) query.append('command', word);
  return `${objectPath(worker, { kind: 'pod', name })}/exec?${query}`;
}

/** As a kubectl that printed nothing. */
function ended(code: number): RunResult {
  const argv: Argv = ['kubectl', 'proxy'];
  return { argv, code, stdout: Buffer.alloc(0), stderr: '', timedOut: false, aborted: false };
}
