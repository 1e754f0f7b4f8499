/** Stops a local worker, leaving no process and no socket behind. */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError } from '../cli/errors.ts';
import { assertLinux, localLayout } from './layout.ts';
import { processesOf, signalProcess, type WorkerProcess } from './processes.ts';

export interface StopOptions {
  readonly onProgress?: (message: string) => void;
}

export interface StopResult {
  /** Whether a supervisor was running. */
  readonly wasRunning: boolean;
  /** Processes left after its orderly shutdown, or left by a killed supervisor. */
  readonly swept: number;
}

/** Signals do not queue: a second one right after the first would be lost. */
const BETWEEN_SIGNALS_MS = 500;
/** Longer than all steps of an orderly shutdown together (image/supervisor/shutdown.ts). */
const SHUTDOWN_MS = 60_000;
const OBEY_MS = 3_000;
const POLL_MS = 50;

/**
 * Sends SIGTERM to the supervisor, which ends everything in order; a second one ends its wait for the running stage, which
 * the next start resumes. Then ends remaining processes, so that it also works when the supervisor was killed. Only signals processes with this worker's state folder in their environment.
 *
 * @throws CliError when called from a shell inside the worker, which it would end
 */
export async function stopLocalWorker(
  dir: string,
  { onProgress = () => {} }: StopOptions = {},
): Promise<StopResult> {
  assertLinux();
  const { dirs, socketDir, databaseSocketDir } = localLayout(dir);
  const stateDir = dirs.WORKER_STATE_DIR;
  if (process.env['WORKER_STATE_DIR'] === stateDir) {
    throw new CliError('this shell runs inside the worker and would be ended with it', {
      hints: ['stop the worker from a shell outside it'],
    });
  }
  const supervisors = processesOf(stateDir).filter(isSupervisor);
  const signal = () => {
    for (const { pid } of supervisors) signalProcess(pid, stateDir, 'SIGTERM');
  };
  const gone = () =>
    supervisors.every(({ pid }) => !processesOf(stateDir).some((process) => process.pid === pid));
  if (supervisors.length > 0) {
    signal();
    onProgress('stopping');
    if (!(await until(gone, BETWEEN_SIGNALS_MS))) {
      signal();
      await until(gone, SHUTDOWN_MS);
    }
    // The processes that hold its locks wait on a pipe from it, and end a moment later.
    await until(() => processesOf(stateDir).length === 0, OBEY_MS);
  }
  const swept = await sweep(stateDir, onProgress);
  for (const folder of [socketDir, databaseSocketDir]) rmSync(folder, { recursive: true, force: true });
  return { wasRunning: supervisors.length > 0, swept };
}

/** Ends what is left: SIGTERM, then SIGKILL, repeated until nothing is found (a dying shell may still fork). */
async function sweep(stateDir: string, onProgress: (message: string) => void): Promise<number> {
  const swept = new Set<number>();
  const left = () => processesOf(stateDir);
  for (let round = 0; left().length > 0; round += 1) {
    if (round === 10) {
      throw new CliError(`processes of the worker do not end: ${left().map(describe).join('; ')}`);
    }
    const found = left();
    if (round === 0) onProgress(`ending ${found.length} processes that were left`);
    for (const { pid } of found) {
      swept.add(pid);
      signalProcess(pid, stateDir, round === 0 ? 'SIGTERM' : 'SIGKILL');
    }
    await until(() => left().length === 0, OBEY_MS);
  }
  return swept.size;
}

function isSupervisor({ argv }: WorkerProcess): boolean {
  return argv.some(
    (word) => word.endsWith('/image/supervisor/main.ts') || word.endsWith('/dist/supervisor.js'),
  );
}

function describe({ pid, argv }: WorkerProcess): string {
  return `${pid} ${argv.join(' ').trim().slice(0, 80)}`;
}

async function until(condition: () => boolean, ms: number): Promise<boolean> {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() >= end) return false;
    await sleep(POLL_MS);
  }
  return true;
}
