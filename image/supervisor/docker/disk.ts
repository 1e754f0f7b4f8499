/** Guards the docker volume: before it is full it is pruned, reported, and no work is taken, so that the pod is not evicted. */
import { DISK_FULL_PERCENT, DISK_WARN_PERCENT, type Settings } from '../../../scripts/lib/contract.ts';
import type { Effects } from '../effects/effects.ts';
import { duration } from '../util/time.ts';

const PRUNE_PERCENT = 75;

const LOOK_MS = 30_000;
/** An emptyDir shares the node's disk, so its own usage has to be counted, which reads every directory. */
const COUNT_MS = 5 * 60_000;
/** Pruning again soon would find nothing new. */
const PRUNE_EVERY_MS = 10 * 60_000;
const PRUNE_TIMEOUT_MS = 5 * 60_000;

export interface VolumeUse {
  /** Of the file system. */
  readonly usedBytes: number;
  readonly sizeBytes: number;
}

/**
 * How full the volume is, in percent: of its file system, or of its configured size when it shares the node's disk, whichever
 * is worse.
 *
 * @param countedBytes the size of the files on the volume; null when it has not been counted
 */
export function fullness(
  { usedBytes, sizeBytes }: VolumeUse,
  countedBytes: number | null,
  { kind, sizeBytes: given }: Settings['docker']['storage'],
): number {
  const ofDisk = sizeBytes > 0 ? (100 * usedBytes) / sizeBytes : 0;
  const ofGiven = kind === 'emptyDir' && given && countedBytes !== null ? (100 * countedBytes) / given : 0;
  return Math.max(ofDisk, ofGiven);
}

export interface DiskGuard {
  /** Checks the volume when a check is due. */
  maintain(): Promise<void>;
  /** Why no work may be taken; null when it may. */
  obstacle(): string | null;
}

/**
 * @param path the volume
 * @param use reads the usage of its file system
 * @param dockerUp nothing can be pruned while Docker is down
 */
export function createDiskGuard(
  { clock, log, processes }: Pick<Effects, 'clock' | 'log' | 'processes'>,
  path: string,
  use: (path: string) => VolumeUse | null,
  settings: () => Settings['docker']['storage'],
  dockerUp: () => boolean,
): DiskGuard {
  let lookAt = 0;
  let countAt = 0;
  let pruneAt = 0;
  let counted: number | null = null;
  let said = '';
  let full: string | null = null;

  const count = async (): Promise<void> => {
    if (clock.now() < countAt) return;
    countAt = clock.now() + COUNT_MS;
    const argv = [
      'nice',
      '-n',
      '19',
      'du',
      '--summarize',
      '--block-size=1',
      '--one-file-system',
      path,
    ] as const;
    const { stdout } = await processes.run(argv, { timeoutMs: COUNT_MS });
    const bytes = Number.parseInt(stdout, 10);
    if (Number.isFinite(bytes)) counted = bytes;
  };

  const measure = async (): Promise<number> => {
    const storage = settings();
    if (storage.kind === 'emptyDir' && storage.sizeBytes) await count();
    const volume = use(path);
    return volume === null ? 0 : fullness(volume, counted, storage);
  };

  // Only what can be rebuilt: build cache and images without a name. Never volumes or named images.
  const prune = async (): Promise<void> => {
    if (!dockerUp() || clock.now() < pruneAt) return;
    pruneAt = clock.now() + PRUNE_EVERY_MS;
    const started = clock.now();
    for (const what of ['builder', 'image'] as const) {
      await processes.run(['docker', what, 'prune', '--force'], { timeoutMs: PRUNE_TIMEOUT_MS });
    }
    countAt = 0;
    log.line(`docker volume: pruned build cache and unnamed images (${duration(clock.now() - started)})`);
  };

  const look = async (): Promise<void> => {
    let percent = await measure();
    if (percent >= PRUNE_PERCENT) {
      await prune();
      percent = await measure();
    }
    const rounded = Math.floor(percent);
    const advice = `see: docker system df; free some: docker system prune, docker volume ls`;
    full =
      percent >= DISK_FULL_PERCENT
        ? `the docker volume is ${rounded} % full and no work is taken; ${advice}`
        : null;
    const line =
      full ?? (percent >= DISK_WARN_PERCENT ? `the docker volume is ${rounded} % full; ${advice}` : '');
    // Once per state, not once per percent.
    const state = full ? 'full' : line ? 'warn' : '';
    if (state !== said) log.line(line || `the docker volume is down to ${rounded} %`);
    said = state;
  };

  return {
    obstacle: () => full,
    async maintain() {
      if (clock.now() < lookAt) return;
      lookAt = clock.now() + LOOK_MS;
      await look();
    },
  };
}
