// Starts programs for the contract tests: the one place of them that imports child_process.
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';

/** How long the output of an ended program may take to arrive. */
const GRACE_MS = 1000;

/** How a program ended; `rc` is 128 + signal number when a signal ended it. */
export interface Outcome {
  rc: number;
  stdout: string;
  stderr: string;
}

/** A program that may still be running. */
export interface Running {
  /** Sends a signal to the program itself, not to its children. */
  kill(signal: NodeJS.Signals): void;
  /** Closes our end of its stderr: its next line there raises SIGPIPE. */
  closeStderr(): void;
  /** Ends what is left of it and its children, without waiting. */
  sweep(): void;
  /** Resolves when it has ended and its output is complete. */
  ended: Promise<Outcome>;
}

/** Where and with what a program runs; `env` is its whole environment. */
export interface Place {
  cwd: string;
  env: NodeJS.ProcessEnv;
}

/** Starts a program with no stdin, in a process group of its own. */
export function start(command: string, argv: readonly string[], place: Place): Running {
  const child = spawn(command, argv, {
    cwd: place.cwd,
    env: place.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  return {
    kill: (signal) => void child.kill(signal),
    closeStderr: () => void child.stderr?.destroy(),
    sweep: () => sweep(child),
    ended: outcome(child),
  };
}

/** Runs a program to its end. Rejects when it cannot be started. */
export function run(command: string, argv: readonly string[], place: Place): Promise<Outcome> {
  return start(command, argv, place).ended;
}

function outcome(child: ChildProcess): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      const rc = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
      child.on('close', () => resolve({ rc, stdout, stderr }));
      // The child of a killed program may hold the pipes open for long.
      setTimeout(() => resolve({ rc, stdout, stderr }), GRACE_MS).unref();
    });
  });
}

function sweep(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nothing is left of the group.
  }
}
