/** The processes of a local worker, found by their environment. Reads /proc; starts nothing. */
import { readdirSync, readFileSync } from 'node:fs';

export interface WorkerProcess {
  readonly pid: number;
  readonly argv: readonly string[];
}

/**
 * Every living process of the worker with this state folder, except this one. Everything that a worker starts inherits the
 * variable: supervisor, tmux server, panes, agents and what they leave in the background.
 *
 * @param stateDir its WORKER_STATE_DIR
 */
export function processesOf(stateDir: string): WorkerProcess[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && belongsTo(pid, stateDir))
    .map((pid) => ({ pid, argv: words(pid, 'cmdline') }));
}

/** Sends a signal to a process, unless its id has been reused by another one. */
export function signalProcess(pid: number, stateDir: string, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    if (belongsTo(pid, stateDir)) process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}

function belongsTo(pid: number, stateDir: string): boolean {
  return pid > 1 && pid !== process.pid && words(pid, 'environ').includes(`WORKER_STATE_DIR=${stateDir}`);
}

/** A file of NUL-terminated strings; empty for a process that is gone, a zombie, or not ours to read. */
function words(pid: number, file: 'cmdline' | 'environ'): string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
