/**
 * The only module that starts processes on the laptop.
 *
 * Callers pass an argv, never a command line, so that nothing has to be quoted; and get a result, never an exception, for a
 * program that ran and failed. By Node's own spawn and not by zx, which takes 20 ms to load: as long as `factory` takes to
 * answer. (scripts/build, where nobody waits, uses zx.)
 */
import { ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

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
  /** The whole environment of the child; by default ours. */
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
   */
  detach(argv: Argv, options: { env: NodeJS.ProcessEnv; cwd: string; output: number }): number;
}

/** How long a child may take to obey SIGTERM. */
const KILL_AFTER_MS = 2_000;

/**
 * @param trace sees every argv before it runs (for `--verbose`); it is the tracer's business to mask secrets
 */
export function createExec(trace: (argv: Argv) => void = () => {}): Exec {
  return {
    async run(argv, options = {}) {
      trace(argv);
      return capture(argv, options);
    },
    async stream(argv, options) {
      trace(argv);
      return flow(argv, options);
    },
    async interactive(argv, options = {}) {
      trace(argv);
      return inherit(argv, options);
    },
    detach(argv, { env, cwd, output }) {
      trace(argv);
      const [program, ...args] = argv;
      const child = spawn(program, args, { env, cwd, detached: true, stdio: ['ignore', output, output] });
      child.unref();
      if (child.pid === undefined) throw new Error(`cannot start ${program}`);
      return child.pid;
    },
  };
}

function capture(argv: Argv, options: RunOptions): Promise<RunResult> {
  const [program, ...args] = argv;
  const { env, cwd, input, inheritStdin, timeoutMs, signal, onStdout } = options;
  const { maxBytes = LIMITS.stdoutBytes } = options;
  return new Promise((resolve) => {
    const child = start(program, args, {
      // A process group of its own, so that a whole tree can be signalled.
      detached: true,
      stdio: [inheritStdin ? 'inherit' : input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(env ? { env } : {}),
      ...(cwd ? { cwd } : {}),
    });
    let stdout: Buffer[] = [];
    let bytes = 0;
    let overflowed = false;
    const stderr = new Ends(LIMITS.stderrBytes);
    let timedOut = false;
    child.stdout?.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        overflowed = true;
        stdout = [];
        // At once, so that nothing more is read while it takes its time to end.
        child.stdout?.destroy();
        void stop();
        return;
      }
      stdout.push(chunk);
      onStdout?.(chunk);
    });
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    // It did not want all of it: its exit code says why.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    const stop = async () => {
      await endGroup(child.pid, KILL_AFTER_MS);
      // A grandchild in another group may still hold the pipes; nobody waits for it.
      child.stdout?.destroy();
      child.stderr?.destroy();
    };
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            void stop();
          }, timeoutMs);
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted) void stop();
    const done = (code: number, said = stderr.text()) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      resolve({
        argv,
        code,
        stdout: Buffer.concat(stdout),
        stderr: said,
        timedOut,
        aborted: signal?.aborted ?? false,
        ...(overflowed ? { overflowedAt: maxBytes } : {}),
      });
    };
    // It could not be started: the codes of a shell, for a program that is not there and for one that is none.
    child.once('error', (error: NodeJS.ErrnoException) =>
      done(error.code === 'EACCES' ? 126 : 127, error.message),
    );
    child.once('close', (code, ended) => done(code ?? 128 + signalNumber(ended)));
  });
}

/** Starts a program; where it cannot be started that is always told by the event `error`, never by an exception. */
function start(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  try {
    return spawn(program, args, options);
  } catch (error) {
    // Node throws for what it does not expect of execve, as for a path that leads through a file (ENOTDIR).
    const child = new ChildProcess();
    process.nextTick(() => child.emit('error', error));
    return child;
  }
}

function flow(argv: Argv, { env, cwd, input, output, idleMs, signal }: StreamOptions): Promise<StreamResult> {
  const [program, ...args] = argv;
  return new Promise((resolve) => {
    const child = start(program, args, {
      detached: true,
      stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      ...(env ? { env } : {}),
      ...(cwd ? { cwd } : {}),
    });
    const stderr = new Ends(LIMITS.stderrBytes);
    let stalled = false;
    const stop = () => void endGroup(child.pid, KILL_AFTER_MS);
    const timer = setTimeout(() => {
      stalled = true;
      stop();
    }, idleMs);
    const moved = () => timer.refresh();
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdout?.on('data', moved).pipe(output);
    // The reader has gone: whoever reads is to say why.
    output.on('error', stop);
    if (input && child.stdin) {
      input.on('data', moved).pipe(child.stdin);
      input.on('error', stop);
      // The child did not want all of it: its exit code says why.
      child.stdin.on('error', () => input.unpipe());
    }
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const done = (code: number) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      // What feeds it must not wait for a reader that has gone.
      input?.destroy();
      resolve({ code, stderr: stderr.text(), stalled });
    };
    child.once('error', () => done(127));
    child.once('close', (code, ended) => done(code ?? 128 + signalNumber(ended)));
  });
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

function inherit(argv: Argv, options: InteractiveOptions): Promise<number> {
  const [program, ...args] = argv;
  const filter = options.stderr ?? (options.dropStderr && dropping(options.dropStderr));
  return new Promise((resolve) => {
    const child = start(program, args, {
      stdio: ['inherit', 'inherit', filter ? 'pipe' : 'inherit'],
      ...(options.env ? { env: options.env } : {}),
      ...(options.cwd ? { cwd: options.cwd } : {}),
    });
    if (filter) {
      child.stderr?.on('data', (chunk: Buffer) => process.stderr.write(filter.pass(chunk)));
      child.stderr?.once('end', () => process.stderr.write(filter.rest()));
    }
    // With a listener of our own, Ctrl-C ends the child and not us before it: we adopt its code.
    const wait = () => {};
    process.on('SIGINT', wait);
    // One that could not be started has no id, and Node would signal whatever number it finds (strace has seen 0, which
    // is our whole group, and 1818847331).
    const hangUp = () => child.pid !== undefined && child.kill('SIGHUP');
    options.signal?.addEventListener('abort', hangUp, { once: true });
    if (options.signal?.aborted) hangUp();
    const done = (code: number) => {
      process.off('SIGINT', wait);
      options.signal?.removeEventListener('abort', hangUp);
      resolve(code);
    };
    child.once('error', () => done(127));
    // Not at `exit`: its last words may still be in the pipe.
    child.once(filter ? 'close' : 'exit', (code, signal) => done(code ?? 128 + signalNumber(signal)));
  });
}

/** Lets through all but some lines, as bytes: what a program writes there need not be text. */
function dropping(lines: RegExp): StderrFilter {
  return {
    pass: (chunk) => Buffer.from(chunk.toString('latin1').replace(lines, ''), 'latin1'),
    rest: () => Buffer.alloc(0),
  };
}

/** SIGTERM to a process group, SIGKILL to what is left of it after `graceMs`. */
async function endGroup(pid: number | undefined, graceMs: number): Promise<void> {
  if (pid === undefined) return;
  signalGroup(pid, 'SIGTERM');
  const { setTimeout: sleep } = await import('node:timers/promises');
  await sleep(graceMs, undefined, { ref: false });
  signalGroup(pid, 'SIGKILL');
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has ended by itself.
  }
}

const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGTERM: 15,
};

function signalNumber(signal: string | null): number {
  return SIGNALS[signal ?? ''] ?? 0;
}
