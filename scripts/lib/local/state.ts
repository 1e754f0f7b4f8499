/** Whether a local worker runs, and what it reports about itself. */
import { existsSync, readFileSync } from 'node:fs';
import { type Boot, ContractError, type Documents, FILES, type Heartbeat } from '../contract.ts';
import type { Exec } from '../exec.ts';
import { readContract } from '../read-contract.ts';
import { type LocalLayout, localLayout } from './layout.ts';
import { processesOf } from './processes.ts';

export interface LocalWorkerState {
  /** There is a worker in the folder. */
  readonly prepared: boolean;
  /** Whether its boot lock is held: the only reliable sign that it runs. */
  readonly running: boolean;
  /** How many processes belong to it; some may remain after the supervisor was killed. */
  readonly processes: number;
  readonly boot: Boot | null;
  readonly heartbeat: Heartbeat | null;
}

export async function localWorkerState(dir: string, exec: Exec): Promise<LocalWorkerState> {
  const layout = localLayout(dir);
  return {
    prepared: existsSync(layout.workerFile),
    running: await isRunning(layout, exec),
    processes: processesOf(layout.dirs.WORKER_STATE_DIR).length,
    boot: readFile('boot', FILES.boot, layout.bootFile),
    heartbeat: readFile('heartbeat', FILES.heartbeat, layout.heartbeatFile),
  };
}

/** flock's exit code for "another process holds the lock". */
const BUSY = 75;

/** Whether a supervisor holds the worker's boot lock. Does not create a missing lock file. */
export async function isRunning({ bootLock }: LocalLayout, exec: Exec): Promise<boolean> {
  if (!existsSync(bootLock)) return false;
  // Other processes test the lock by taking it for a millisecond, so wait a little.
  const argv = ['flock', '--timeout', '0.5', '--conflict-exit-code', `${BUSY}`, bootLock, 'true'] as const;
  return (await exec.run(argv, { timeoutMs: 10_000 })).code === BUSY;
}

export function readBoot({ bootFile }: LocalLayout): Boot | null {
  return readFile('boot', FILES.boot, bootFile);
}

/** Null when there is none, or it is just being replaced. */
function readFile<N extends 'boot' | 'heartbeat'>(name: N, file: string, path: string): Documents[N] | null {
  try {
    return readContract(name, file, readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof ContractError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
