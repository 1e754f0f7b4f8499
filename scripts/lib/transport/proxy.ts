/**
 * One `kubectl proxy` on a private unix socket: objects by HTTP, programs in pods by WebSocket. kubectl still does what it
 * knows best: kubeconfig, plugins for credentials, proxies, certificates.
 */
import type { Socket } from 'node:net';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Argv, LIMITS, type Served } from '../exec.ts';
import {
  bounded,
  collect,
  type HttpAnswer,
  type RequestOptions,
  type Silence,
  whyNot,
} from './bounded-request.ts';
import {
  type Ending,
  EXEC_PROTOCOL,
  type ExecSocket,
  execSocket,
  type ProgramRequest,
} from './exec-socket.ts';
import type { KeptRequest } from './kept.ts';
import type { Cluster } from './kubectl.ts';

export interface KubectlProxy {
  /** The program behind it. */
  readonly served: Served;
  get(path: string, options: RequestOptions): Promise<HttpAnswer | Silence>;
  /** @param path of the exec request, with its query. @returns how the program ended, or why it was not begun */
  exec(path: string, options: RequestOptions): Promise<Ending | HttpAnswer | Silence>;
  /** Asks a program that answers requests. It stays for the next time that the same program is asked. */
  ask(
    program: AskedProgram,
    request: ProgramRequest,
    options: RequestOptions,
  ): Promise<Ending | HttpAnswer | Silence>;
  /**
   * Reads an answer that goes on: a watch. It does not keep this process from ending.
   *
   * @returns what ends it without a further word
   */
  follow(path: string, follower: Follower): () => void;
  /** Asks nothing more through it, and ends it once all that was asked has been answered. */
  close(): void;
}

/** A program in a pod that answers requests. */
export interface AskedProgram {
  /** The same for the same program in the same pod. */
  readonly key: string;
  /** @returns the path of the exec request that starts it with this request, with its query */
  readonly path: () => string;
}

/** Who reads an answer that goes on. */
export interface Follower {
  /** It has begun. */
  onBegin(): void;
  onLine(line: string): void;
  /** It has ended. @param status of the answer; 0 when there was none */
  onEnd(status: number): void;
  /** How long it may be. */
  readonly maxBytes: number;
}

/** The longest path of a socket on any system (sun_path of macOS, without its NUL). */
const SOCKET_PATH_BYTES = 103;

/** How long a start may take at most: it reads the kubeconfig and listens; it asks nobody. */
const START_MS = 10_000;

/** The name under which it is asked; any other is refused, as a page in a browser would use one. */
const HOST = 'localhost';

/** How long an exec may stay unasked: half as long as remote/again.sh waits, so that it has not just ended. */
const UNASKED_MS = 60_000;

/**
 * What a proxy lets through: pods and Deployments of some namespaces, and programs in those pods. Everything else is refused,
 * by whomever it is asked.
 */
export function acceptedPaths(namespaces: readonly string[]): string {
  // RE2 of Go; a comma would end an expression.
  const names = namespaces.map((name) => name.replaceAll(/[^a-z0-9-]/g, (character) => `[${character}]`));
  const namespace = `namespaces/(${names.join('|')})`;
  return `^/api/v1/${namespace}/pods(/[^/]+(/exec)?)?$,^/apis/apps/v1/${namespace}/deployments/[^/]+$`;
}

/** What is asked through a proxy, and how long it stays. */
export interface ProxyUse {
  /** That it may be asked for. */
  readonly namespaces: readonly string[];
  /** How long it stays unused after this command: `10m`; null when it ends with this command. */
  readonly keep: string | null;
}

/** A proxy that listens, ours alone or one that stays. */
interface Listening {
  readonly socket: string;
  readonly served: Served;
  readonly end: () => void;
}

/**
 * Starts a proxy, or finds one that an earlier command has left.
 *
 * @returns null when there is none to be had, for whatever reason: a plain kubectl call will say which
 */
export async function startProxy(
  { exec, env, timeoutMs, now }: Pick<Cluster, 'exec' | 'env' | 'timeoutMs' | 'now'>,
  { kubeconfig, context }: Pick<ClusterWorker, 'kubeconfig' | 'context'>,
  { namespaces, keep }: ProxyUse,
): Promise<KubectlProxy | null> {
  const argv = (socket: string): Argv => [
    env['KUBECTL'] || 'kubectl',
    ...(kubeconfig === undefined ? [] : [`--kubeconfig=${kubeconfig}`]),
    `--context=${context}`,
    'proxy',
    `--unix-socket=${socket}`,
    `--accept-hosts=^${HOST}$`,
    `--accept-paths=${acceptedPaths(namespaces)}`,
    // By default it rejects exec; what it lets through is said above.
    '--reject-paths=^$',
    // The API of some clusters has a path of its own.
    '--append-server-path',
  ];
  const libraries = Promise.all([import('node:http'), import('node:net'), import('ws')]);
  const limits = { longestSocket: SOCKET_PATH_BYTES, timeoutMs: Math.min(START_MS, timeoutMs) };
  const listening =
    (keep === null
      ? null
      : await listenLonger({ cluster: { exec, env }, kubeconfig, keep, argv, ...limits })) ??
    (await listenMeanwhile({ exec, env }, argv, limits));
  if (listening === null) return null;
  const { socket, served } = listening;
  const [http, net, { WebSocket }] = await libraries;
  const agent = new http.Agent({ keepAlive: true });
  // An idle connection must not keep us from ending.
  agent.on('free', (idle: Socket) => void idle.unref());
  const followed = new Set<() => void>();
  const openExec = (path: string): ExecSocket => {
    const connection = net.connect(socket);
    const options = { createConnection: () => connection, perMessageDeflate: false };
    const url = `ws://${HOST}${path}`;
    return execSocket(
      new WebSocket(url, EXEC_PROTOCOL, { ...options, maxPayload: LIMITS.frameBytes }),
      connection,
    );
  };
  /** That wait for the next request; one that is being asked is not among them. */
  const waiting = new Map<string, { readonly program: ExecSocket; readonly since: number }>();
  /** How many requests wait for their answers. */
  let unanswered = 0;
  let isClosed = false;
  const endIfUnused = () => {
    if (!isClosed || unanswered > 0) return;
    agent.destroy();
    for (const { program } of waiting.values()) program.end();
    waiting.clear();
    listening.end();
  };
  const counted = async <T>(request: Promise<T>): Promise<T> => {
    unanswered += 1;
    try {
      return await request;
    } finally {
      unanswered -= 1;
      endIfUnused();
    }
  };
  return {
    served,
    follow(path, follower) {
      // A connection of its own, which is not kept for other requests.
      const end = follow(http, { agent: false, socketPath: socket, path, host: HOST }, follower, () =>
        followed.delete(end),
      );
      followed.add(end);
      return end;
    },
    get: (path, options) => counted(get(http, { agent, socketPath: socket, path, host: HOST }, options)),
    exec: (path, options) => counted(openExec(path).ask(null, options)),
    async ask({ key, path }, request, options) {
      const last = waiting.get(key);
      waiting.delete(key);
      const isUsable = last?.program.isOpen && now().getTime() - last.since < UNASKED_MS;
      if (!isUsable) last?.program.end();
      const program = isUsable ? last.program : openExec(path());
      const answer = await counted(program.ask(isUsable ? request : { ...request, text: null }, options));
      if (isClosed) program.end();
      else if (program.isOpen) {
        waiting.get(key)?.program.end();
        waiting.set(key, { program, since: now().getTime() });
      }
      return answer;
    },
    close() {
      isClosed = true;
      for (const end of followed) end();
      endIfUnused();
    },
  };
}

async function listenLonger(request: KeptRequest): Promise<Listening | null> {
  const { keptProxy } = await import('./kept.ts');
  const kept = await keptProxy(request);
  return kept === null ? null : { ...kept, end: kept.discard };
}

/** One that ends with this command. */
async function listenMeanwhile(
  { exec, env }: Pick<Cluster, 'exec' | 'env'>,
  argv: (socket: string) => Argv,
  { longestSocket, timeoutMs }: { readonly longestSocket: number; readonly timeoutMs: number },
): Promise<Listening | null> {
  const [{ mkdtemp, rm }, { tmpdir }, { join }] = await Promise.all([
    import('node:fs/promises'),
    import('node:os'),
    import('node:path'),
  ]);
  // mkdtemp makes it for us alone (0700).
  const folder = await mkdtemp(join(env['XDG_RUNTIME_DIR'] || tmpdir(), 'factory-worker-')).catch(() => null);
  if (folder === null) return null;
  const socket = join(folder, 'proxy');
  const served =
    Buffer.byteLength(socket) > longestSocket
      ? null
      : await exec.serve(argv(socket), { env, ready: 'Starting to serve', timeoutMs, folder });
  if (served === null) {
    await rm(folder, { recursive: true, force: true });
    return null;
  }
  return { socket, served, end: () => served.end() };
}

type Http = typeof import('node:http');

function get(
  http: Http,
  request: import('node:http').RequestOptions,
  options: RequestOptions,
): Promise<HttpAnswer | Silence> {
  return bounded(options, (settle, onStop) => {
    const asked = http.get(request, (response) => {
      void collect(response, options.maxBytes).then(settle);
    });
    asked.on('error', (error) => settle(whyNot(error)));
    asked.on('socket', (socket) => socket.ref());
    onStop(() => asked.destroy());
  });
}

function follow(
  http: Http,
  request: import('node:http').RequestOptions,
  { onBegin, onLine, onEnd, maxBytes }: Follower,
  forget: () => void,
): () => void {
  let ended = false;
  const stop = () => {
    ended = true;
    asked.destroy();
    forget();
  };
  const end = (status: number) => {
    if (ended) return;
    stop();
    onEnd(status);
  };
  const asked = http.get(request, (response) => {
    const { statusCode = 0 } = response;
    if (statusCode !== 200) {
      end(statusCode);
      return;
    }
    onBegin();
    let bytes = 0;
    let rest: Buffer[] = [];
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytes) end(statusCode);
      if (ended) return;
      let from = 0;
      for (let to = chunk.indexOf(10); to >= 0 && !ended; to = chunk.indexOf(10, from)) {
        onLine(Buffer.concat([...rest, chunk.subarray(from, to)]).toString('utf8'));
        rest = [];
        from = to + 1;
      }
      rest.push(chunk.subarray(from));
    });
    // `close` comes after all other ends of an answer.
    response.on('error', () => {}).once('close', () => end(statusCode));
  });
  asked.on('error', () => end(0));
  asked.on('socket', (socket) => socket.unref());
  return stop;
}
