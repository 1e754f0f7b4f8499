/**
 * Phase `clones`: removes what a killed git has left, and starts the clones that are missing, which go on in the background;
 * its state changes with them and with the projects.
 */
import { join } from 'node:path';
import { type Clones, removeLeavings } from '../../clones/clones.ts';
import { removeStaleLocks } from '../../clones/stale-locks.ts';
import type { Effects } from '../../effects/effects.ts';
import type { Environment } from '../../environment.ts';
import type { Phase } from '../run.ts';

export const CLONES_PHASE = 'clones';

export function clonesPhase({ dirs }: Environment, effects: Effects, clones: Clones): Phase {
  const { files, log } = effects;
  const repos = dirs.WORKER_REPOS_DIR;
  return {
    name: CLONES_PHASE,
    after: ['tmux'],
    timeoutMs: 60_000,
    gates: false,
    retryMs: null,
    async run() {
      await removeLeavings(files, repos);
      for (const name of files.list(repos)) {
        // Without another supervisor only a check-in or an agent of the last one may still run, and its git is seen.
        const removed = await removeStaleLocks(effects, join(repos, name));
        if (removed.length > 0)
          log.boot(`${name}: removed what a killed git had left: ${removed.join(', ')}`);
      }
      clones.refresh();
      return clones.summary();
    },
  };
}
