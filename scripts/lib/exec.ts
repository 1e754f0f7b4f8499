/**
 * The only module that starts processes on the laptop.
 *
 * Captured runs go through zx (quoting, collection of output); programs that own the terminal or outlive the command are
 * handed to Node directly. Callers pass an argv, never a command line, and get a result, never an exception, for a
 * program that ran and failed.
 */
import { type ChildProcess, spawn } from 'node:child_process';

export type Argv = readonly [string, ...string[]];

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
}

export interface InteractiveOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Aborting sends SIGHUP, as a closed terminal would. */
  readonly signal?: AbortSignal;
  /** Lines of its stderr that say nothing to the person at the terminal. */
  readonly dropStderr?: RegExp;
}

/** Starts processes; commands get it from their context, tests replace it. */
export interface Exec {
  /** Runs a program to its end and collects what it prints. Never rejects because of the program's fate. */
  run(argv: Argv, options?: RunOptions): Promise<RunResult>;
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

/** How long a child may take to obey SIGTERM; zx has no escalation of its own (google/zx#1455 and pitfall 4). */
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

async function capture(argv: Argv, options: RunOptions): Promise<RunResult> {
  // Loaded here and not at the top: `--help` and completion start no process and need not pay for it (30 ms).
  const { $ } = await import('zx/core');
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let timedOut = false;
  // Everything explicit: ZX_* variables would change the defaults silently. A process group of its own, so that a whole
  // tree can be signalled; `exec`, so that no shell stands between us and the program.
  const shell = $({
    quiet: true,
    nothrow: true,
    verbose: false,
    prefix: '',
    postfix: '',
    detached: true,
    stdio: [
      options.inheritStdin ? 'inherit' : options.input === undefined ? 'ignore' : 'pipe',
      'pipe',
      'pipe',
    ],
    ...(options.env ? { env: options.env } : {}),
    ...(options.cwd ? { cwd: options.cwd } : {}),
    // An empty string would be taken for "no input" and leave the pipe open for ever.
    ...(options.input === undefined ? {} : { input: Buffer.from(options.input) }),
  });
  const child = shell`exec ${[...argv]}`;
  if (child.child === undefined) {
    // zx runs everything through bash, and there is none; its own error says "spawn undefined".
    await child;
    return {
      argv,
      code: 127,
      stdout: Buffer.alloc(0),
      stderr: 'bash is not on PATH',
      timedOut,
      aborted: false,
    };
  }
  child.stdout.on('data', (chunk: Buffer) => {
    stdout.push(chunk);
    options.onStdout?.(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  const stop = async () => {
    await endGroup(child.pid, KILL_AFTER_MS);
    // A grandchild in another group may still hold the pipes; nobody waits for it.
    child.stdout.destroy();
    child.stderr.destroy();
  };
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          void stop();
        }, options.timeoutMs);
  options.signal?.addEventListener('abort', stop, { once: true });
  if (options.signal?.aborted) void stop();
  try {
    const output = await child;
    return {
      argv,
      code: output.exitCode ?? 128 + signalNumber(output.signal),
      stdout: Buffer.concat(stdout),
      stderr: Buffer.concat(stderr).toString('utf8'),
      timedOut,
      aborted: options.signal?.aborted ?? false,
    };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', stop);
  }
}

function inherit(argv: Argv, options: InteractiveOptions): Promise<number> {
  const [program, ...args] = argv;
  return new Promise((resolve) => {
    const child: ChildProcess = spawn(program, args, {
      stdio: ['inherit', 'inherit', options.dropStderr ? 'pipe' : 'inherit'],
      ...(options.env ? { env: options.env } : {}),
      ...(options.cwd ? { cwd: options.cwd } : {}),
    });
    const { dropStderr } = options;
    if (dropStderr) {
      // As bytes unless there is something to drop: what a program writes here need not be text.
      child.stderr?.on('data', (chunk: Buffer) => {
        const text = chunk.toString('latin1');
        process.stderr.write(
          dropStderr.test(text) ? Buffer.from(text.replace(dropStderr, ''), 'latin1') : chunk,
        );
      });
    }
    // With a listener of our own, Ctrl-C ends the child and not us before it: we adopt its code.
    const wait = () => {};
    process.on('SIGINT', wait);
    const hangUp = () => child.kill('SIGHUP');
    options.signal?.addEventListener('abort', hangUp, { once: true });
    const done = (code: number) => {
      process.off('SIGINT', wait);
      options.signal?.removeEventListener('abort', hangUp);
      resolve(code);
    };
    child.once('error', () => done(127));
    // Not at `exit`: its last words may still be in the pipe.
    child.once(dropStderr ? 'close' : 'exit', (code, signal) => done(code ?? 128 + signalNumber(signal)));
  });
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
