/**
 * The only module that starts processes on the laptop: a thin layer over zx.
 *
 * Callers pass an argv, never a command line, so that nothing has to be quoted; and get a result, never an exception, for a
 * program that ran and failed. zx starts each program, gives it its input, waits until it has ended and its output has been
 * read, and keeps the time limit. What zx lacks is here, each with the reason beside it. The first program loads zx, which
 * takes 15 ms; a command that starts none does without.
 */
import { type SpawnOptions, type StdioOptions, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { ProcessPromise } from 'zx/core';
import { programEnvironment } from './program-environment.ts';

export type Argv = readonly [string, ...string[]];

/**
 * How much of what a child prints is kept. A worker may print without end; eight of them at once must not fill the memory.
 *
 * | what | most | why so much |
 * |---|---|---|
 * | stdout of any captured program | 64 MiB | `kubectl get pods -o json` of a namespace with 5,000 pods; the manifests of a release have 1 MiB at most |
 * | a worker's framed answer | 8 MiB | the largest honest ones: a piece of a backup (4 MiB as base64), a queue of 10,000 rows (3 MiB) |
 * | stderr | 64 KiB | the first and the last half: what failed stands at either end |
 *
 * A child that prints more on stdout is ended. What streams (`stream`, `interactive`) is not kept and has no limit here.
 */
export const LIMITS = {
  stdoutBytes: 64 * 1024 * 1024,
  frameBytes: 8 * 1024 * 1024,
  stderrBytes: 64 * 1024,
} as const;

export interface RunOptions {
  /** By default ours. The child gets of it what program-environment.ts lets through. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** What the child reads on stdin; nothing by default. */
  readonly input?: string | Buffer;
  /** Lets the child have our own stdin, as `stty` needs it. */
  readonly inheritStdin?: boolean;
  /** After this many milliseconds the child's process group gets SIGTERM, and SIGKILL a moment later. */
  readonly timeoutMs?: number;
  /** Aborting ends the child like a time-out does. */
  readonly signal?: AbortSignal;
  /** More than this on stdout ends the child; by default {@link LIMITS}.stdoutBytes. */
  readonly maxBytes?: number;
  /** Sees stdout while it arrives, besides its being collected. */
  readonly onStdout?: (chunk: Buffer) => void;
}

export interface RunResult {
  readonly argv: Argv;
  /** Exit code; 128 + n after signal n; 127 when the program does not exist. */
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly timedOut: boolean;
  readonly aborted: boolean;
  /** It was ended since it printed more than this many bytes, of which nothing is kept. */
  readonly overflowedAt?: number;
}

export interface InteractiveOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Aborting sends SIGHUP, as a closed terminal would. */
  readonly signal?: AbortSignal;
  /** Lines of its stderr that say nothing to the person at the terminal. */
  readonly dropStderr?: RegExp;
  /** What of its stderr goes on to ours, instead of `dropStderr`. */
  readonly stderr?: StderrFilter;
  /** Its stdout is our stderr: what it prints is no data of ours. */
  readonly stdoutOnStderr?: boolean;
}

export interface StderrFilter {
  /** @returns what can go on now */
  pass(chunk: Buffer): Buffer;
  /** @returns at the end, what was held back */
  rest(): Buffer;
}

export interface StreamOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** What the child reads on stdin; nothing by default. Its end is the end of the child's stdin, its failure ends the child. */
  readonly input?: Readable;
  /** Takes what the child prints, at its own pace; it is ended when the child has printed all. */
  readonly output: Writable;
  /** When nothing moves in either direction for so long, the child is ended. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

export interface StreamResult {
  /** Exit code; 128 + n after signal n; 127 when the program does not exist. */
  readonly code: number;
  readonly stderr: string;
  /** Nothing moved for too long. */
  readonly stalled: boolean;
}

/** Starts processes; commands get it from their context, tests replace it. */
export interface Exec {
  /** Runs a program to its end and collects what it prints. Never rejects because of the program's fate. */
  run(argv: Argv, options?: RunOptions): Promise<RunResult>;
  /** Runs a program through which more goes than memory should hold. Never rejects because of the program's fate. */
  stream(argv: Argv, options: StreamOptions): Promise<StreamResult>;
  /** Gives the terminal to a program and resolves with its exit code. */
  interactive(argv: Argv, options?: InteractiveOptions): Promise<number>;
  /**
   * Starts a program that outlives this one, in a session of its own.
   *
   * @param output file descriptor that takes its stdout and stderr
   * @returns its process id
   * @throws Error when it cannot be started
   */
  detach(argv: Argv, options: { env: NodeJS.ProcessEnv; cwd: string; output: number }): Promise<number>;
  /**
   * Starts a program that serves this one and ends with it, in whatever way this one ends (SIGKILL too).
   *
   * @returns once it is ready; null when it could not be started, or ended or let the time pass before that
   */
  serve(argv: Argv, options: ServeOptions): Promise<Served | null>;
  /**
   * Starts a program that outlives this one, until it has not been used for a while: it ends when `used` in its folder is
   * older than so many minutes, or the folder is not its own any more, and then removes the folder. What it prints is in `log`
   * there.
   */
  keep(argv: Argv, options: KeepOptions): Promise<void>;
  /** Ends what {@link serve} has started. What was started otherwise is not touched. */
  close(): void;
  /** Shows a request that is made without a process, as `--verbose` shows a command line. */
  trace(words: Argv): void;
}

export interface ServeOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Its stdout says so once it is ready. */
  readonly ready: string;
  /** How long that may take. */
  readonly timeoutMs: number;
  /** A private folder, removed after the program has ended. */
  readonly folder: string;
}

export interface KeepOptions {
  readonly env: NodeJS.ProcessEnv;
  /** A private folder with a file `used`. */
  readonly folder: string;
  readonly minutes: number;
}

/** A program that {@link Exec.serve} has started. */
export interface Served {
  /** Whether it still runs, as far as its stdout tells. */
  readonly running: boolean;
  /** How much it has said on stderr so far. */
  readonly said: number;
  /** What it has said on stderr since then; of much, the end. */
  saidSince(said: number): string;
  /** Ends it; at once where it is ready to. */
  end(): void;
}

/** Seconds between two looks of who keeps a program. */
const KEEPER_LOOKS_S = 2;

/** How long a child may take to obey SIGTERM. */
const KILL_AFTER_MS = 2_000;

/**
 * @param trace sees every argv before it runs (for `--verbose`); it is the tracer's business to mask secrets
 */
export function createExec(trace: (argv: Argv) => void = () => {}): Exec {
  const serving = new Set<Served>();
  const load = (argv: Argv) => {
    // Not zx's own verbose, which knows nothing of secrets and speaks when the program already runs.
    trace(argv);
    return loadZx();
  };
  return {
    run: async (argv, options = {}) => capture(await load(argv), argv, options),
    stream: async (argv, options) => flow(await load(argv), argv, options),
    interactive: async (argv, options = {}) => inherit(await load(argv), argv, options),
    async detach(argv, { output, ...options }) {
      const { child, ended } = start(await load(argv), argv, {
        ...options,
        stdio: ['ignore', output, output],
      });
      if (child.pid === undefined)
        throw new Error(`cannot start ${argv[0]}: ${(await ended).failure?.message}`);
      child.child?.unref();
      return child.pid;
    },
    async serve(argv, options) {
      const { served, isReady } = serve(await load(argv), argv, options);
      serving.add(served);
      if (await isReady) return served;
      serving.delete(served);
      return null;
    },
    async keep(argv, options) {
      keep(await load(argv), argv, options);
    },
    close() {
      for (const served of serving) served.end();
      serving.clear();
    },
    trace,
  };
}

type Zx = typeof import('zx/core');

function loadZx(): Promise<Zx> {
  try {
    process.cwd();
  } catch {
    // Our folder has been deleted. zx asks for its name, when it is loaded and at each start, and throws.
    process.cwd = () => '/proc/self/cwd';
  }
  return import('zx/core');
}

interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly stdio: StdioOptions;
  /** For a stdin that is a pipe. */
  readonly input?: string | Buffer | Readable;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onStdout?: (chunk: Buffer) => void;
  readonly onStderr?: (chunk: Buffer) => void;
  /** Whether it shares our process group, as a program has to that shares our terminal. */
  readonly inOurGroup?: boolean;
}

/** What became of a program. */
interface End {
  /** Exit code; 128 + n after signal n; 127 when it could not be started. */
  readonly code: number;
  /** Why it could not be started. */
  readonly failure?: NodeJS.ErrnoException;
  readonly timedOut: boolean;
}

/**
 * Starts a program by zx.
 *
 * @returns also how to end the program early, as a time-out or an abort does
 */
function start({ $ }: Zx, [program, ...args]: Argv, options: StartOptions) {
  const { env = process.env, cwd, stdio, input, timeoutMs, signal, inOurGroup = false } = options;
  const inGroup: SpawnOptions = { stdio, env: programEnvironment(env), detached: !inOurGroup };
  let timedOut = false;
  const stop = () => void (inOurGroup ? hangUp(child) : endGroup(child));
  const child = $({
    // zx makes a line for bash. A shell would take its time to start, and every word would have to be quoted for it.
    spawn: (() => spawn(program, args, cwd ? { ...inGroup, cwd } : inGroup)) as unknown as typeof spawn,
    // zx insists on both, and finds neither where ZX_SHELL is false or PATH has no bash.
    shell: true,
    quote: (word) => word,
    // zx would keep all of it, and decode each chunk by itself, which breaks characters.
    store: { stdout: seenBy(options.onStdout), stderr: seenBy(options.onStderr), stdall: seenBy() },
    // An empty string is no input to zx, which would leave the pipe open.
    ...(input === undefined ? {} : { input: typeof input === 'string' ? Buffer.from(input) : input }),
    // 0 is no limit to zx, and nothing is what ZX_TIMEOUT says.
    timeout: timeoutMs === undefined ? 0 : Math.max(1, timeoutMs),
    // zx calls it at the time-out. Its own needs `ps`, which slim machines lack, and leaves alone what ignores SIGTERM.
    async kill() {
      timedOut = true;
      stop();
    },
    nothrow: true,
    // zx would print the program's stderr on ours.
    log: () => {},
  })`${program}`;
  // It did not want all of its input: its exit code says why. zx does not listen, and Node would end us.
  child.stdin?.on('error', () => {});
  // zx's own `signal` leaves alone what ignores SIGTERM, and drops a program's last words.
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  const end = async (): Promise<End> => {
    const { exitCode, signal: by, cause } = await child;
    signal?.removeEventListener('abort', stop);
    if (child.pid === undefined) return { code: 127, failure: cause as NodeJS.ErrnoException, timedOut };
    return { code: exitCode ?? 128 + (by ? constants.signals[by] : 0), timedOut };
  };
  return { child, stop, ended: end() };
}

/** What zx keeps of a stream: nothing, but `see` is shown each chunk. */
function seenBy(see: (chunk: Buffer) => void = () => {}): Buffer[] {
  const push = (chunk: Buffer) => {
    see(chunk);
    return 0;
  };
  return Object.assign<Buffer[], { push: typeof push }>([], { push });
}

/** SIGTERM to a process group, SIGKILL to what is left of it a moment later. */
async function endGroup({ pid, stdout, stderr }: ProcessPromise): Promise<void> {
  if (pid === undefined) return;
  signalGroup(pid, 'SIGTERM');
  const { setTimeout: sleep } = await import('node:timers/promises');
  await sleep(KILL_AFTER_MS, undefined, { ref: false });
  signalGroup(pid, 'SIGKILL');
  // A grandchild in another group may still hold the pipes; do not wait for it.
  stdout?.destroy();
  stderr?.destroy();
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has ended by itself.
  }
}

/** As a closed terminal would. */
function hangUp({ pid, child }: ProcessPromise): void {
  // One that could not be started has no id, and Node would signal whatever number it finds (strace has seen 0, which
  // is our whole group, and 1818847331).
  if (pid !== undefined) child?.kill('SIGHUP');
}

async function capture(zx: Zx, argv: Argv, options: RunOptions): Promise<RunResult> {
  const { input, inheritStdin, signal, onStdout, maxBytes = LIMITS.stdoutBytes } = options;
  let stdout: Buffer[] = [];
  let bytes = 0;
  let overflowed = false;
  const stderr = new Ends(LIMITS.stderrBytes);
  const { child, stop, ended } = start(zx, argv, {
    ...options,
    stdio: [inheritStdin ? 'inherit' : input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    onStdout(chunk) {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        overflowed = true;
        stdout = [];
        // At once, so that nothing more is read while it takes its time to end.
        child.stdout?.destroy();
        stop();
        return;
      }
      stdout.push(chunk);
      onStdout?.(chunk);
    },
    onStderr: (chunk) => stderr.push(chunk),
  });
  const { code, failure, timedOut } = await ended;
  return {
    argv,
    // The codes of a shell, for a program that is not there and for one that is none.
    code: failure?.code === 'EACCES' ? 126 : code,
    stdout: Buffer.concat(stdout),
    stderr: failure?.message ?? stderr.text(),
    timedOut,
    aborted: signal?.aborted ?? false,
    ...(overflowed ? { overflowedAt: maxBytes } : {}),
  };
}

async function flow(zx: Zx, argv: Argv, options: StreamOptions): Promise<StreamResult> {
  const { input, output, idleMs } = options;
  const stderr = new Ends(LIMITS.stderrBytes);
  let stalled = false;
  const { child, stop, ended } = start(zx, argv, {
    ...options,
    stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    onStdout: () => timer.refresh(),
    onStderr: (chunk) => stderr.push(chunk),
  });
  // zx limits how long a program runs, not how long nothing moves.
  const timer = setTimeout(() => {
    stalled = true;
    stop();
  }, idleMs);
  child.stdout?.pipe(output);
  // The reader has gone; its own code reports why.
  output.on('error', stop);
  input?.on('data', () => timer.refresh()).on('error', stop);
  child.stdin?.on('error', () => input?.unpipe());
  const { code } = await ended;
  clearTimeout(timer);
  // Also where it could not be started, or was ended with some of it unread.
  output.end();
  // What feeds it must not wait for a reader that has gone.
  input?.destroy();
  return { code, stderr: stderr.text(), stalled };
}

async function inherit(zx: Zx, argv: Argv, options: InteractiveOptions): Promise<number> {
  const filter = options.stderr ?? (options.dropStderr && dropping(options.dropStderr));
  // With a listener of our own, Ctrl-C ends the child and not us before it: we adopt its code.
  const wait = () => {};
  process.on('SIGINT', wait);
  const { ended } = start(zx, argv, {
    ...options,
    inOurGroup: true,
    stdio: ['inherit', options.stdoutOnStderr ? 2 : 'inherit', filter ? 'pipe' : 'inherit'],
    onStderr: (chunk) => filter && process.stderr.write(filter.pass(chunk)),
  });
  const { code } = await ended;
  process.off('SIGINT', wait);
  if (filter) process.stderr.write(filter.rest());
  return code;
}

/**
 * Runs a program until stdin ends, as it does when whoever holds its other end has ended in any way; then ends the program with
 * all that it has started, and removes a folder. Only the program keeps stdout, so that its end is the end of stdout.
 */
const UNTIL_STDIN_ENDS = `
folder=$1
shift
"$@" </dev/null &
program=$!
exec >/dev/null 2>&1
read -r _
trap '' TERM
kill -TERM 0
rm -rf -- "$folder"
{ sleep ${KILL_AFTER_MS / 1000}; kill -KILL 0; } &
wait "$program"
kill -KILL 0
`;

/** Runs a program until its folder has not been used for a while, or is another one's; removes it when the program has ended. */
const UNTIL_UNUSED = `
folder=$1 minutes=$2
shift 2
is_ours() { [ "$(cat "$folder/keeper")" = $$ ]; }
is_used() { [ -n "$(find "$folder/used" -mmin "-$minutes")" ]; }
echo $$ >"$folder/keeper"
"$@" </dev/null &
program=$!
{ while is_ours && is_used; do sleep ${KEEPER_LOOKS_S}; done; kill -TERM "$program"; } 2>/dev/null &
watcher=$!
trap : HUP INT TERM
wait "$program"
kill -TERM "$program" "$watcher" 2>/dev/null
! is_ours 2>/dev/null || rm -rf -- "$folder"
`;

function keep(zx: Zx, argv: Argv, { env, folder, minutes }: KeepOptions): void {
  const output = openSync(join(folder, 'log'), 'a', 0o600);
  try {
    const keeper: Argv = ['sh', '-c', UNTIL_UNUSED, 'sh', folder, String(minutes), ...argv];
    start(zx, keeper, { env, cwd: '/', stdio: ['ignore', output, output] }).child.child?.unref();
  } finally {
    closeSync(output);
  }
}

/** How much of the stderr of a program that serves is kept: what it said last. */
const SAID_CHARACTERS = 8_192;

/** @returns the program, and whether it became ready; it is ended when it did not */
function serve(
  zx: Zx,
  argv: Argv,
  options: ServeOptions,
): { readonly served: Served; readonly isReady: Promise<boolean> } {
  const { env, ready, timeoutMs, folder } = options;
  let running = true;
  let said = 0;
  let last = '';
  let greeting = '';
  let settle: (isReady: boolean) => void = () => {};
  const readiness = new Promise<boolean>((resolve) => {
    settle = resolve;
  });
  const { child } = start(zx, ['sh', '-c', UNTIL_STDIN_ENDS, 'sh', folder, ...argv], {
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
    onStdout(chunk) {
      if (greeting.length < SAID_CHARACTERS) greeting += chunk.toString('utf8');
      if (greeting.includes(ready)) settle(true);
    },
    onStderr(chunk) {
      said += chunk.length;
      last = (last + chunk.toString('latin1')).slice(-SAID_CHARACTERS);
    },
  });
  const ended = () => {
    running = false;
    settle(false);
  };
  child.stdout?.once('close', ended);
  void child.then(ended);
  const timer = setTimeout(() => settle(false), timeoutMs);
  const served: Served = {
    get running() {
      return running;
    },
    get said() {
      return said;
    },
    saidSince(before) {
      const fresh = Math.min(said - before, last.length);
      return fresh === 0 ? '' : Buffer.from(last.slice(-fresh), 'latin1').toString('utf8');
    },
    end: () => void child.stdin?.end(),
  };
  const isReady = readiness.then((inTime) => {
    clearTimeout(timer);
    if (!inTime) served.end();
    // We do not wait for it: it ends with us.
    child.child?.unref();
    for (const pipe of [child.stdin, child.stdout, child.stderr]) (pipe as Partial<Socket> | null)?.unref?.();
    return inTime;
  });
  return { served, isReady };
}

/** The beginning and the end of what a child prints. */
class Ends {
  readonly #half: number;
  #head = Buffer.alloc(0);
  #tail = Buffer.alloc(0);
  #left = 0;

  constructor(bytes: number) {
    this.#half = bytes / 2;
  }

  push(chunk: Buffer): void {
    const room = this.#half - this.#head.length;
    if (room > 0) this.#head = Buffer.concat([this.#head, chunk.subarray(0, room)]);
    const tail = Buffer.concat([this.#tail, chunk.subarray(Math.max(0, room))]);
    const surplus = Math.max(0, tail.length - this.#half);
    this.#left += surplus;
    this.#tail = tail.subarray(surplus);
  }

  text(): string {
    const gap = this.#left === 0 ? '' : `\n… ${this.#left} bytes left out …\n`;
    if (gap === '') return Buffer.concat([this.#head, this.#tail]).toString('utf8');
    return `${this.#head.toString('utf8')}${gap}${this.#tail.toString('utf8')}`;
  }
}

/** Lets through all but some lines, as bytes: what a program writes there need not be text. */
function dropping(lines: RegExp): StderrFilter {
  return {
    pass: (chunk) => Buffer.from(chunk.toString('latin1').replace(lines, ''), 'latin1'),
    rest: () => Buffer.alloc(0),
  };
}
