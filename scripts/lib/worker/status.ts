/** The words for how a worker is, and sentences that several commands say of it. What is wrong with one, lib/health judges. Pure. */
import { type Heartbeat, ORCHESTRATOR_OFF } from '../contract.ts';
import { DISK_WARN, type Disk, describeFull, shareUsed } from './disk.ts';

/** Every word the column may show; the first that applies is shown. */
export type Status =
  | 'unreachable'
  | 'forbidden'
  | 'unauthorized'
  | 'missing'
  | 'stopped'
  | 'pending'
  | 'image-pull'
  | 'node-lost'
  | 'crash-looping'
  | 'starting'
  | 'draining'
  | 'drained'
  | 'stuck'
  | 'degraded'
  | 'running';

/** Something that is wrong, or that explains why nothing happens. */
export interface Problem {
  /** Stable, for programs: `drained`, `pipeline-blocked`. */
  readonly id: string;
  readonly cause: string;
  /** What to type or do; one line each. */
  readonly next: readonly string[];
}

/** How the user types a command: `command('exec', 'worker-1', '--', …)`. */
export type CommandLine = (name: string, ...args: string[]) => string;

/** Nobody wants check-ins here: a setting, and no trouble. By the heartbeat, since older images do not keep the boot phase up to date. */
export function isSwitchedOff({ state, reason }: Heartbeat): boolean {
  return state === 'refused' && reason === ORCHESTRATOR_OFF;
}

/** What helps where the state volume is full: nothing of finished issues goes unasked. */
export function makeRoom(worker: string, command: CommandLine): string {
  return `what can go of finished issues: ${command('cleanup', worker, '--dry-run')}`;
}

/** `/root/.factory is 91% full`; null while there is room. */
export function describeFilling(disk: Disk | null): string | null {
  return disk === null || shareUsed(disk) < DISK_WARN ? null : describeFull(disk);
}
