/**
 * The only module of the supervisor that starts processes. Every child gets its own session, so that a signal to the
 * supervisor's group does not reach it by accident, and its whole group can be terminated.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Argv, GroupSignal, Processes, RunOptions, RunResult } from './effects.ts';

/** Limit of captured output, per stream; our programs print a few lines. */
const OUTPUT_LIMIT = 16 * 1024 * 1024;

/**
 * @param environment of every child, complete but for `setVariable`
 * @param graceMs the time between SIGTERM and SIGKILL
 * @param started called with the process id of each child, immediately
 */
export function createProcesses(
  environment: Readonly<Record<string, string>>,
  graceMs = 2_000,
  started: (pid: number) => void = () => {},
): Processes {
  const env = { ...environment };
  const running = new Set<ChildProcess>();
  const start: typeof spawnChild = (...args) => {
    const child = spawnChild(...args);
    if (child.pid !== undefined) started(child.pid);
    return child;
  };

  return {
    run(argv, options = {}) {
      const child = start(argv, { ...env, ...options.env }, options.cwd, ['ignore', 'pipe', 'pipe']);
      running.add(child);
      return collect(child, options, graceMs).finally(() => running.delete(child));
    },

    startDetached(argv, { cwd, stdoutFile, stderrFile }) {
      // Files, not pipes: a program that writes to a pipe dies with its reader, and a check-in killed in the middle of a
      // stage leaves its pipeline stuck.
      const stdout = openSync(stdoutFile, 'w', 0o600);
      const stderr = openSync(stderrFile, 'a', 0o600);
      try {
        const child = start(argv, env, cwd, ['ignore', stdout, stderr]);
        return { pid: child.pid ?? 0, exited: ended(child, 'exit').then(({ code }) => code) };
      } finally {
        closeSync(stdout);
        closeSync(stderr);
      }
    },

    hold(argv) {
      const child = start(argv, env, undefined, ['pipe', 'pipe', 'ignore']);
      // The pipe breaks when the child dies first; `exited` reports that, so the error is ignored.
      child.stdin?.on('error', () => {});
      return {
        firstLine: firstLine(child),
        exited: ended(child, 'exit').then(({ code }) => code),
        release: () => {
          child.stdin?.destroy();
          // A child that could not be started has no id, and Node would signal some other group, perhaps our own.
          if (child.pid !== undefined) child.kill('SIGTERM');
        },
      };
    },

    find: (matches) => numbersIn('/proc').filter((pid) => matches(commandLine(pid))),

    inTerminalSessions: (leaders) =>
      numbersIn('/proc').flatMap((pid) => {
        const stat = processStat(pid);
        return stat && leaders.includes(stat.session) ? [{ pid, group: stat.group }] : [];
      }),

    signalGroup,

    children: childrenOf,

    isAsleep: (pid) =>
      'ST'.includes(processStat(pid)?.state ?? 'X') &&
      childrenOf(pid).every((child) => commandLine(child)[0] === 'sleep'),

    setStopped(pid, stopped) {
      try {
        process.kill(pid, stopped ? 'SIGSTOP' : 'SIGCONT');
      } catch {
        // It has just ended.
      }
    },

    isStopped: (pid) => processStat(pid)?.state === 'T',

    setVariable(name, value) {
      env[name] = value;
    },

    endAll() {
      for (const child of running) endGroup(child, graceMs);
    },
  };
}

function spawnChild(
  [program, ...args]: Argv,
  env: Readonly<Record<string, string>>,
  cwd: string | undefined,
  stdio: ('ignore' | 'pipe' | number)[],
): ChildProcess {
  return spawn(program, args, { env, stdio, detached: true, ...(cwd === undefined ? {} : { cwd }) });
}

async function collect(child: ChildProcess, options: RunOptions, graceMs: number): Promise<RunResult> {
  const stdout = gather(child.stdout);
  const stderr = gather(child.stderr);
  let timedOut = false;
  const stop = () => {
    endGroup(child, graceMs);
    // A grandchild in its own session may still hold the pipes; it is not waited for.
    setTimeout(() => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, graceMs).unref();
  };
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          stop();
        }, options.timeoutMs);
  options.signal?.addEventListener('abort', stop, { once: true });
  if (options.signal?.aborted) stop();
  try {
    const end = await ended(child, 'close');
    // Some programs exit with 0 after SIGTERM (tmux's client does): that is not a success.
    const code = timedOut ? 124 : options.signal?.aborted ? 143 : end.code;
    return { code, stdout: stdout(), stderr: stderr() || end.startError, timedOut };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', stop);
  }
}

function gather(stream: ChildProcess['stdout']): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= OUTPUT_LIMIT) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

/**
 * @param event `exit`, or `close` to wait until its output has been read as well
 * @returns the exit code, and why it could not be started (empty when it could)
 */
function ended(child: ChildProcess, event: 'exit' | 'close'): Promise<{ code: number; startError: string }> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      // A missing working directory is also reported as ENOENT of the program.
      if (error.code === 'ENOENT') resolve({ code: 127, startError: `${child.spawnfile}: not found` });
      else resolve({ code: 126, startError: error.message });
    });
    child.once(event, (code: number | null, signal: NodeJS.Signals | null) => {
      resolve({ code: code ?? 128 + (signal ? constants.signals[signal] : 0), startError: '' });
    });
  });
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
    });
  });
}

function endGroup(child: ChildProcess, graceMs: number): void {
  const group = child.pid;
  if (group === undefined) return;
  signalGroup(group, 'SIGTERM');
  setTimeout(() => signalGroup(group, 'SIGKILL'), graceMs).unref();
}

function signalGroup(group: number, signal: GroupSignal): boolean {
  // -1 would signal every process, and 0 our own group.
  if (!Number.isInteger(group) || group <= 1) return false;
  try {
    process.kill(-group, signal);
    // A stopped process takes it only when it goes on.
    if (signal === 'SIGTERM') process.kill(-group, 'SIGCONT');
    return true;
  } catch {
    return false;
  }
}

function numbersIn(directory: string): number[] {
  return readdirSync(directory)
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid > 1);
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return [];
  }
}

function childrenOf(pid: number): number[] {
  return numbersIn('/proc').filter((child) => processStat(child)?.parent === pid);
}

interface ProcessStat {
  readonly state: string | undefined;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
}

/** Fields 3 to 6 of proc(5)'s stat; the command before them may contain anything, including blanks and parentheses. */
function processStat(pid: number): ProcessStat | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [parent, group, session] = fields.slice(1, 4).map(Number) as [number, number, number];
    return { state: fields[0], parent, group, session };
  } catch {
    return null;
  }
}
