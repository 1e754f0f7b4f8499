/**
 * One `kubectl proxy` on a private unix socket: objects by HTTP, programs in pods by WebSocket. kubectl still does what it
 * knows best: kubeconfig, plugins for credentials, proxies, certificates.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { Argv, RunResult, Served } from '../exec.ts';
import { endOfProgram } from './api-status.ts';
import type { KeptRequest } from './kept.ts';
import type { Cluster } from './kubectl.ts';

/** The answer to a request. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** Why there is no answer. */
export type Silence =
  /** The time was over. */
  | { readonly silence: 'timeout' }
  | { readonly silence: 'aborted' }
  /** It was longer than allowed. */
  | { readonly silence: 'overflow' }
  /** Nobody listens on the socket: the request was not made. */
  | { readonly silence: 'gone' }
  /** The connection ended before the answer did. */
  | { readonly silence: 'cut' };

export interface RequestOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** How long the answer may be. */
  readonly maxBytes: number;
}

export interface KubectlProxy {
  /** The program behind it. */
  readonly served: Served;
  get(path: string, options: RequestOptions): Promise<HttpAnswer | Silence>;
  /** @param path of the exec request, with its query. @returns how the program ended, or why it was not begun */
  exec(path: string, options: RequestOptions): Promise<Ending | HttpAnswer | Silence>;
  /**
   * Reads an answer that goes on: a watch. It does not keep this process from ending.
   *
   * @returns what ends it without a further word
   */
  follow(path: string, follower: Follower): () => void;
  close(): void;
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

/** The end of a program in a pod, as a kubectl would report it. */
export type Ending = Pick<RunResult, 'code' | 'stdout' | 'stderr'>;

/** The longest path of a socket on any system (sun_path of macOS, without its NUL). */
const SOCKET_PATH_BYTES = 103;

/** How long a start may take at most: it reads the kubeconfig and listens; it asks nobody. */
const START_MS = 10_000;

/** The name under which it is asked; any other is refused, as a page in a browser would use one. */
const HOST = 'localhost';

/** The protocol of exec: it has a channel for the end of the program. */
const EXEC_PROTOCOL = 'v5.channel.k8s.io';

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
  { exec, env, timeoutMs }: Pick<Cluster, 'exec' | 'env' | 'timeoutMs'>,
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
    get: (path, options) => get(http, { agent, socketPath: socket, path, host: HOST }, options),
    exec: (path, options) =>
      run(
        new WebSocket(`ws://${HOST}${path}`, EXEC_PROTOCOL, {
          createConnection: () => net.connect(socket),
          perMessageDeflate: false,
          maxPayload: options.maxBytes,
        }),
        options,
      ),
    close() {
      agent.destroy();
      for (const end of followed) end();
      listening.end();
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

async function collect(response: IncomingMessage, maxBytes: number): Promise<HttpAnswer | Silence> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        response.destroy();
        return { silence: 'overflow' };
      }
      chunks.push(chunk);
    }
  } catch {
    return { silence: 'cut' };
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
}

/** The channels of a connection, by the first byte of each message. */
const CHANNEL = { stdout: 1, stderr: 2, error: 3 } as const;

/** The most that is read of stderr, of the end of a program, and of a refusal. */
const WORDS_BYTES = 64 * 1024;

function run(
  socket: import('ws').WebSocket,
  options: RequestOptions,
): Promise<Ending | HttpAnswer | Silence> {
  return bounded<Ending | HttpAnswer | Silence>(options, (settle, onStop) => {
    const stdout: Buffer[] = [];
    let bytes = 0;
    const words = { stderr: Buffer.alloc(0), error: Buffer.alloc(0) };
    const add = (channel: 'stderr' | 'error', text: Buffer) => {
      words[channel] = Buffer.concat([words[channel], text]).subarray(-WORDS_BYTES);
    };
    socket.on('message', (message: Buffer) => {
      const content = message.subarray(1);
      switch (message[0]) {
        case CHANNEL.stdout:
          bytes += content.length;
          if (bytes > options.maxBytes) settle({ silence: 'overflow' });
          else stdout.push(content);
          break;
        case CHANNEL.stderr:
          add('stderr', content);
          break;
        case CHANNEL.error:
          add('error', content);
          break;
      }
    });
    socket.on('close', (code) => {
      const end = endOfProgram(words.error.toString('utf8'), code);
      settle({ ...end, stdout: Buffer.concat(stdout), stderr: words.stderr.toString('utf8') + end.stderr });
    });
    socket.on('unexpected-response', (_request, response: IncomingMessage) => {
      void collect(response, WORDS_BYTES).then(settle);
    });
    socket.on('error', (error) => settle(whyNot(error)));
    onStop(() => socket.terminate());
  });
}

/** Runs a request until it settles, its time is over, or it is aborted; then stops it. */
function bounded<T>(
  { timeoutMs, signal }: RequestOptions,
  begin: (settle: (value: T | Silence) => void, onStop: (stop: () => void) => void) => void,
): Promise<T | Silence> {
  return new Promise((resolve) => {
    let stop = () => {};
    let settled = false;
    const settle = (value: T | Silence) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      resolve(value);
      stop();
    };
    const abort = () => settle({ silence: 'aborted' });
    const timer = setTimeout(() => settle({ silence: 'timeout' }), timeoutMs);
    begin(settle, (how) => {
      stop = how;
    });
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

function whyNot({ code }: NodeJS.ErrnoException): Silence {
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return { silence: 'overflow' };
  return { silence: code === 'ENOENT' || code === 'ECONNREFUSED' ? 'gone' : 'cut' };
}
