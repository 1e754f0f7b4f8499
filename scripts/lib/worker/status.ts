/** The words of the STATUS column, and sentences that several commands use. lib/health judges what is wrong. Pure. */
import { DRAINED_BY, type Drain, type Heartbeat, ORCHESTRATOR_OFF } from '../contract.ts';
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

/** How the operator types a command: `command('exec', 'worker-1', '--', …)`. */
export type CommandLine = (name: string, ...args: string[]) => string;

/** Check-ins are switched off: a setting, not a problem. Read from the heartbeat, since older images do not update the boot phase. */
export function isSwitchedOff({ state, reason }: Heartbeat): boolean {
  return state === 'refused' && reason === ORCHESTRATOR_OFF;
}

/** The hint for a full state volume: nothing of finished issues is removed automatically. */
export function makeRoom(worker: string, command: CommandLine): string {
  return `leftovers of finished issues that can be removed: ${command('cleanup', worker, '--dry-run')}`;
}

/** `/root/.factory is 91% full`; null while there is room. */
export function describeFilling(disk: Disk | null): string | null {
  return disk === null || shareUsed(disk) < DISK_WARN ? null : describeFull(disk);
}

/** Whether an interrupted command left the drain, so that another command than `resume` ends it. */
export function isLeftBehind({ release }: Pick<Drain, 'release'>): boolean {
  return release === DRAINED_BY.stop || release === DRAINED_BY.restore;
}

/** What to type so that the worker takes up work again: `take up work again: factory-worker resume worker-1`. */
export function resumeHint(
  { release }: Pick<Drain, 'release'>,
  worker: string,
  command: CommandLine,
): string {
  switch (release) {
    case DRAINED_BY.stop:
      return `it was being stopped; let it work again: ${command('start', worker)}`;
    case DRAINED_BY.restore:
      return `a restore was interrupted; run it again, or take up work as it is: ${command('resume', worker, '--force')}`;
    default:
      return `take up work again: ${command('resume', worker)}`;
  }
}
