/** Locks are flock(2) on files of the state volume: the kernel frees them, however their holder ends. */
import type { Argv, Files, Held, Processes } from './effects.ts';

/** flock's exit code for "held by another process"; `factory` itself only uses 0 and 1. */
export const LOCK_BUSY = 75;

/** Other processes probe a lock by taking it for a millisecond; only one that keeps it is a holder. */
const PROBE_SECONDS = '0.5';

/** The holder of the boot lock, written into its file: for people and for `down`, never to decide whether it is held. */
export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  /** The pod's name; null where there is none. */
  readonly pod: string | null;
  readonly since: string;
}

/**
 * Requests a lock that is held exactly as long as this process lives: the child that holds it waits on a pipe from us, so
 * that even SIGKILL frees it. With `--no-fork` a single process has the descriptor; no other child of ours can inherit it (a
 * tmux server started under the lock would hold it for ever).
 */
export function hold(processes: Processes, path: string): Held {
  return processes.hold([
    'flock',
    '--no-fork',
    '--exclusive',
    path,
    'sh',
    '-c',
    'echo locked && exec cat >/dev/null',
  ]);
}

export async function isHeld(processes: Processes, path: string): Promise<boolean> {
  const argv: Argv = [
    'flock',
    '--timeout',
    PROBE_SECONDS,
    '--conflict-exit-code',
    `${LOCK_BUSY}`,
    path,
    'true',
  ];
  return (await processes.run(argv, { timeoutMs: 10_000 })).code === LOCK_BUSY;
}

/** Resolves when the lock is free, however long that takes. */
export async function untilFree(processes: Processes, path: string): Promise<void> {
  await processes.run(['flock', path, 'true']);
}

/**
 * Runs a program under a lock without giving it the lock's descriptor (`--close`): flock itself keeps it until the program
 * has ended.
 */
export function underLock(path: string, argv: Argv, waitSeconds: number, mode = '--exclusive'): Argv {
  return [
    'flock',
    mode,
    '--close',
    '--timeout',
    `${waitSeconds}`,
    '--conflict-exit-code',
    `${LOCK_BUSY}`,
    path,
    ...argv,
  ];
}

/** The process groups that run one of our programs under a lock. */
export function holdersOf(processes: Processes, path: string): number[] {
  return processes.find((argv) => argv[0] === 'flock' && argv.includes('--close') && argv.includes(path));
}

/** Describes a lock's holder, as far as its file tells. */
export function describeHolder(files: Files, path: string): string {
  try {
    const holder = JSON.parse(files.read(path) ?? '') as LockHolder;
    const where = holder.pod ? `pod ${holder.pod} on ${holder.host}` : holder.host;
    return `process ${holder.pid} of ${where} since ${holder.since}`;
  } catch {
    return 'another supervisor';
  }
}
