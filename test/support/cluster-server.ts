/**
 * A small API server that can fail in every way: HTTP for objects, WebSockets for programs in pods, on a unix socket as
 * `kubectl proxy` has it, or on a port.
 *
 *     await using server = await clusterServer({ get: () => ok(podList(pod())), exec: () => frozen });
 *     … connect to server.socket …
 *
 * `overProxy` puts one in front of an Exec: what is asked through the proxy is answered by the kubectl that the Exec has.
 */
import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Argv, Exec, Served, ServeOptions } from '../../scripts/lib/exec.ts';

/** No answer: the connection stays open. */
export const frozen = { kind: 'frozen' } as const;
/** The connection ends without a word. */
export const dropped = { kind: 'dropped' } as const;

/** An answer of HTTP. */
export interface Whole {
  readonly kind: 'whole';
  readonly status: number;
  readonly body: string | Buffer;
  /** The connection ends after so many bytes of it. */
  readonly cutAfter?: number;
}

/** An answer that goes on: a watch. It has begun when `begin` is called. */
export interface Stream {
  readonly kind: 'stream';
  readonly begin: (stream: Streaming) => void;
}

export interface Streaming {
  say(text: string): void;
  end(): void;
  /** Ends the connection without a word. */
  cut(): void;
}

/** What a program in a pod prints, and how it ends. */
export interface Printed {
  readonly stdout?: string | Buffer;
  readonly stderr?: string;
  /** What the error channel says at the end; nothing when absent. */
  readonly end?: string | undefined;
  /** How the connection ends then: with a code, without one (1006), or not at all. */
  readonly close?: number | 'dropped' | 'never';
}

/** A program that runs in a pod. */
export interface Running extends Printed {
  readonly kind: 'running';
  /**
   * What it prints for each request of remote/again.sh. It stays, unless it says how it is closed.
   *
   * @param words its time limit, and the arguments of the script, which begin with its nonce
   */
  readonly reply?: (nonce: string, words: readonly string[]) => Printed | Promise<Printed>;
}

export type GetAnswer = Whole | Stream | typeof frozen | typeof dropped;
export type ExecAnswer = Exclude<GetAnswer, Stream> | Running;

export interface Question {
  readonly path: string;
  readonly query: URLSearchParams;
}

export interface Answers {
  readonly get?: (asked: Question) => GetAnswer | Promise<GetAnswer>;
  readonly exec?: (asked: Question) => ExecAnswer | Promise<ExecAnswer>;
  /** The protocols that it knows. */
  readonly protocols?: readonly string[];
}

export interface ClusterServer extends AsyncDisposable {
  /** What was asked so far, as `GET /path`, `WATCH /path` and `EXEC /path`. */
  readonly requests: readonly string[];
  /** Ends it with all connections, as a process that is killed. */
  kill(): Promise<void>;
}

export const whole = (status: number, body: string | Buffer = ''): Whole => ({ kind: 'whole', status, body });
export const ok = (body: string | Buffer): Whole => whole(200, body);
/** A refusal in the words of an API server. */
export const refused = (code: number, reason: string, message: string): Whole =>
  whole(code, JSON.stringify({ kind: 'Status', status: 'Failure', message, reason, code }));

export const SUCCESS = JSON.stringify({ metadata: {}, status: 'Success' });
/** The end of a program, as the error channel has it. */
export function exited(code: number): string {
  if (code === 0) return SUCCESS;
  return JSON.stringify({
    metadata: {},
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: `command terminated with non-zero exit code: command terminated with exit code ${code}`,
    details: { causes: [{ reason: 'ExitCode', message: `${code}` }] },
  });
}
export const failure = (reason: string, message: string) =>
  JSON.stringify({ metadata: {}, status: 'Failure', reason, message });

/** How much of a stream one message has, so that many a program's output takes more than one. */
const MESSAGE_BYTES = 32 * 1024;

function printer(connection: WebSocket, socket: Duplex): (printed: Printed) => void {
  const say = (channel: number, content: Buffer) =>
    connection.send(Buffer.concat([Buffer.of(channel), content]));
  return ({ stdout, stderr, end, close = 1000 }) => {
    [stdout, stderr].forEach((printed, index) => {
      if (printed === undefined) return;
      const stream = Buffer.from(printed);
      for (let at = 0; at === 0 || at < stream.length; at += MESSAGE_BYTES)
        say(index + 1, stream.subarray(at, at + MESSAGE_BYTES));
    });
    if (end !== undefined) say(3, Buffer.from(end));
    // What was sent goes out first.
    if (close === 'dropped') connection.send(Buffer.of(1), () => setImmediate(() => socket.destroy()));
    else if (close !== 'never') connection.close(close);
  };
}

/** @param listenOn path of a socket; or 0, for a port of its own */
export async function clusterServer(
  { get = () => dropped, exec = () => dropped, protocols = ['v5.channel.k8s.io'] }: Answers,
  listenOn: string | 0,
): Promise<ClusterServer & { readonly port: number }> {
  const requests: string[] = [];
  const sockets = new Set<Duplex>();
  const read = ({ url = '' }: IncomingMessage): Question => {
    const { pathname, searchParams } = new URL(url, 'http://localhost');
    return { path: decodeURIComponent(pathname), query: searchParams };
  };
  // A script is in the URL of its request; the limit is that of Go's servers.
  const server = createServer({ maxHeaderSize: 1024 ** 2 }, async (request, response) => {
    const asked = read(request);
    requests.push(`${asked.query.has('watch') ? 'WATCH' : 'GET'} ${asked.path}`);
    const answer = await get(asked);
    if (answer.kind === 'dropped') request.socket.destroy();
    if (answer.kind === 'stream') {
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      answer.begin({
        say: (text) => void response.write(text),
        end: () => void response.end(),
        cut: () => void request.socket.destroy(),
      });
    }
    if (answer.kind !== 'whole') return;
    const body = Buffer.from(answer.body);
    response.writeHead(answer.status, {
      'content-type': 'application/json',
      'content-length': body.length,
    });
    if (answer.cutAfter === undefined) response.end(body);
    else response.write(body.subarray(0, answer.cutAfter), () => request.socket.destroy());
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
  });
  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    handleProtocols: (offered) => protocols.find((known) => offered.has(known)) ?? false,
  });
  server.on('upgrade', async (request, socket: Duplex, head) => {
    const asked = read(request);
    requests.push(`EXEC ${asked.path}`);
    const answer = await exec(asked);
    if (answer.kind === 'dropped') socket.destroy();
    if (answer.kind === 'whole') {
      const body = Buffer.from(answer.body);
      socket.write(`HTTP/1.1 ${answer.status} No\r\ncontent-length: ${body.length}\r\n\r\n`);
      socket.end(body);
    }
    if (answer.kind !== 'running') return;
    webSockets.handleUpgrade(request, socket, head, (connection) => {
      connection.on('error', () => {});
      const print = printer(connection, socket);
      // An API server begins with an empty message.
      print({ stdout: '', close: 'never' });
      const { reply } = answer;
      print(reply === undefined ? answer : { close: 'never', ...answer });
      if (reply === undefined) return;
      connection.on('message', async (message: Buffer) => {
        const [, ...words] = message.toString('utf8', 1).slice(0, -1).split('\0');
        print({ close: 'never', ...(await reply(words[1] ?? '', words)) });
      });
    });
  });
  const kill = async () => {
    // The folder of the socket goes with the program, as with the real one.
    if (typeof listenOn === 'string') rmSync(dirname(listenOn), { recursive: true, force: true });
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  await new Promise<void>((resolve) => {
    if (listenOn === 0) server.listen(0, '127.0.0.1', resolve);
    else server.listen(listenOn, resolve);
  });
  const address = server.address();
  return {
    requests,
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    kill,
    [Symbol.asyncDispose]: () => kill().catch(() => {}),
  };
}

/**
 * The same Exec, which can also serve a `kubectl proxy`: a real server on its socket, that asks the Exec's own kubectl for
 * each request and answers as an API server that has said the same.
 */
export function overProxy(exec: Exec): Exec {
  const servers = new Set<Promise<ClusterServer>>();
  return {
    ...exec,
    async serve(argv: Argv, { env }: ServeOptions): Promise<Served | null> {
      const [program, ...words] = argv;
      const socket = words.find((word) => word.startsWith('--unix-socket='))?.slice('--unix-socket='.length);
      if (socket === undefined) return null;
      const cluster = words.slice(0, words.indexOf('proxy'));
      const ask = (namespace: string, ...args: string[]) =>
        exec.run([program, ...cluster, `--namespace=${namespace}`, ...args], { env });
      const starting = clusterServer({ get: getBy(ask), exec: execBy(ask) }, socket);
      servers.add(starting);
      const server = await starting;
      return { running: true, said: 0, saidSince: () => '', end: () => void server.kill() };
    },
    close() {
      for (const server of servers) void server.then(({ kill }) => kill());
      servers.clear();
      exec.close();
    },
  };
}

type Ask = (namespace: string, ...args: string[]) => ReturnType<Exec['run']>;

function getBy(ask: Ask): NonNullable<Answers['get']> {
  return async ({ path }) => {
    const [, namespace = '', resource = '', name] =
      /\/namespaces\/([^/]+)\/([^/]+)(?:\/(.+))?$/.exec(path) ?? [];
    const words = name === undefined ? [] : [name];
    const kind = name === undefined ? resource : resource.replace(/s$/, '');
    const flags = name === undefined ? [] : ['--ignore-not-found'];
    const { code, stdout, stderr } = await ask(namespace, 'get', kind, ...words, '--output=json', ...flags);
    if (code !== 0) return refusalOf(stderr);
    return stdout.length === 0 && name !== undefined
      ? refused(404, 'NotFound', `${name} not found`)
      : ok(stdout);
  };
}

function execBy(ask: Ask): NonNullable<Answers['exec']> {
  return async ({ path, query }) => {
    const [, namespace = '', pod = ''] = /\/namespaces\/([^/]+)\/pods\/(.+)\/exec$/.exec(path) ?? [];
    const into = ['exec', pod, `--container=${query.get('container')}`, '--'];
    const run = async (words: readonly string[]) => answerOf(await ask(namespace, ...into, ...words));
    const words = query.getAll('command');
    if (!query.has('stdin')) return run(words);
    const [, , , , , script = '', name = '', ...first] = words;
    const again = ([limit = '', ...args]: readonly string[]) =>
      run(['timeout', '-k', '2', limit, 'bash', '-c', script, name, ...args]);
    const began = await again(first);
    if (began.kind !== 'running' || began.end !== SUCCESS) return began;
    const { end: _, ...printed } = began;
    return {
      ...printed,
      async reply(_, next) {
        const answer = await again(next);
        if (answer.kind !== 'running') return { close: 'dropped' };
        return answer.end === SUCCESS ? { ...answer, close: 'never' } : answer;
      },
    };
  };
}

function answerOf({ code, stdout, stderr }: Awaited<ReturnType<Ask>>): ExecAnswer {
  const began = stdout.length > 0 || code === 0 || KUBECTLS_OWN.test(stderr);
  if (!began) return stderr === '' ? dropped : refusalOf(stderr);
  return { kind: 'running', stdout, stderr: stderr.replace(KUBECTLS_OWN, ''), end: exited(code) };
}

const KUBECTLS_OWN = /^command terminated with exit code \d+\n/m;

/** What an API server has said of which kubectl printed this. */
function refusalOf(stderr: string): Whole {
  const [, reason = '', message = ''] = /^Error from server \((\w+)\): (.*)$/m.exec(stderr) ?? [];
  const code = { Forbidden: 403, NotFound: 404, BadRequest: 400 }[reason];
  if (code !== undefined) return refused(code, reason, message);
  // Of what does not know who asks kubectl makes words of its own.
  if (/Unauthorized|must be logged in/.test(stderr)) return refused(401, 'Unauthorized', 'Unauthorized');
  return whole(500, stderr.replace(/^Unable to connect to the server: /, ''));
}
