/**
 * Reports what takes the space when the state volume is nearly full. Worktrees and logs of finished issues stay on it for
 * ever, and none of them is removed unasked: they may contain work. Pod only.
 */
import { join } from 'node:path';
import { DISK_WARN_PERCENT } from '../../scripts/lib/contract.ts';
import type { VolumeUse } from './docker/disk.ts';
import type { Effects } from './effects/effects.ts';
import type { Environment } from './environment.ts';

const LOOK_MS = 5 * 60_000;
const COUNT_TIMEOUT_MS = 5 * 60_000;
const MOST_SHOWN = 5;

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

  const largest = async (): Promise<string> => {
    const argv = ['nice', '-n', '19', 'du', '--summarize', '--block-size=1M', ...candidates()] as const;
    const { stdout } = await processes.run(argv, { timeoutMs: COUNT_TIMEOUT_MS });
    return stdout
      .split('\n')
      .map((line) => line.split('\t'))
      .filter(([size, path]) => Number(size) > 0 && path !== undefined)
      .toSorted(([a], [b]) => Number(b) - Number(a))
      .slice(0, MOST_SHOWN)
      .map(([size, path]) => `${path} ${size} MB`)
      .join(', ');
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
        `the state volume is ${percent} % full; the largest things that finished issues may have left: ${(await largest()) || 'none'}. Remove a worktree with: git -C ${join(repos, 'PROJECT')} worktree remove --force PATH`,
      );
    }
  };
}
