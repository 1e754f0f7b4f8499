/**
 * The space on the state volume. When it is nearly full, what takes the space is reported (pod only): worktrees and logs of
 * finished issues stay on it for ever, and none of them is removed unasked, since they may contain work. When it is full, no
 * work is taken: factory marks a row as failed when its worktree cannot be made.
 */
import { join } from 'node:path';
import { DISK_WARN_PERCENT } from '../../scripts/lib/contract.ts';
import type { VolumeUse } from './docker/disk.ts';
import type { Effects } from './effects/effects.ts';
import type { Environment } from './environment.ts';

const LOOK_MS = 5 * 60_000;
const COUNT_TIMEOUT_MS = 5 * 60_000;
const MOST_SHOWN = 5;
const MEGABYTE = 1024 ** 2;
/** Too little for the worktree and the logs of an issue, and on a small volume this share of it. */
const LEAST_FREE = { bytes: 100 * MEGABYTE, share: 0.05 };

/** @returns why no work may be taken; null when it may be, or the usage cannot be read */
export function stateVolumeObstacle(volume: VolumeUse | null): string | null {
  if (volume === null) return null;
  const free = volume.sizeBytes - volume.usedBytes;
  if (free >= Math.min(LEAST_FREE.bytes, volume.sizeBytes * LEAST_FREE.share)) return null;
  return `the state volume is full (${Math.floor(free / MEGABYTE)} MB left) and no work is taken; to see what can be removed: cleanup --dry-run (on the laptop)`;
}

/**
 * @param use reads the usage of the volume's file system
 * @returns a function that checks when a check is due, and reports once when the volume has become full
 */
export function createStateVolumeWatch(
  { dirs }: Pick<Environment, 'dirs'>,
  { clock, files, log, processes }: Pick<Effects, 'clock' | 'files' | 'log' | 'processes'>,
  use: (path: string) => VolumeUse | null,
): () => Promise<void> {
  const { WORKER_STATE_DIR: state, WORKER_REPOS_DIR: repos } = dirs;
  let lookAt = 0;
  let told = false;

  /** What could be removed: worktrees one by one, recordings and logs as a whole. */
  const candidates = (): string[] => [
    ...files.list(repos).flatMap((name) => {
      const worktrees = join(repos, name, 'worktrees');
      return files.list(worktrees).map((worktree) => join(worktrees, worktree));
    }),
    join(state, 'logs'),
  ];

  const sizes = async (paths: readonly string[]): Promise<(readonly [size: string, path: string])[]> => {
    const argv = ['nice', '-n', '19', 'du', '--summarize', '--block-size=1M', ...paths] as const;
    const { stdout } = await processes.run(argv, { timeoutMs: COUNT_TIMEOUT_MS });
    return stdout
      .split('\n')
      .map((line) => line.split('\t'))
      .flatMap(([size = '', path]) =>
        Number(size) > 0 && path !== undefined ? [[size, path] as const] : [],
      );
  };

  const largest = async (): Promise<string> => {
    const found = await sizes(candidates());
    return found
      .toSorted(([a], [b]) => Number(b) - Number(a))
      .slice(0, MOST_SHOWN)
      .map(([size, path]) => `${path} ${size} MB`)
      .join(', ');
  };

  /** It is at work, so it cannot be removed, but it may be what grows. */
  const database = async (): Promise<string> => {
    const folder = join(state, 'postgres');
    const [found] = files.exists(folder) ? await sizes([folder]) : [];
    return found === undefined ? '' : `; its PostgreSQL has ${found[0]} MB`;
  };

  return async () => {
    if (clock.now() < lookAt) return;
    lookAt = clock.now() + LOOK_MS;
    const volume = use(state);
    if (volume === null || volume.sizeBytes === 0) return;
    const percent = Math.floor((100 * volume.usedBytes) / volume.sizeBytes);
    if (percent < DISK_WARN_PERCENT) {
      told = false;
    } else if (!told) {
      told = true;
      log.line(
        `the state volume is ${percent} % full; the largest things that finished issues may have left: ${(await largest()) || 'none'}. Remove a worktree with: git -C ${join(repos, 'PROJECT')} worktree remove --force PATH${await database()}`,
      );
    }
  };
}
