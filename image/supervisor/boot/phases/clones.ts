/**
 * Phase `clones`: removes the locks of a killed git process and starts the missing clones, which continue in the background;
 * its state changes with them and with the projects.
 */
import { join } from 'node:path';
import { type Clones, removePartialClones } from '../../clones/clones.ts';
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
      await removePartialClones(files, repos);
      for (const name of files.list(repos)) {
        // There is no other supervisor; git processes of a check-in or an agent that still runs are found.
        const removed = await removeStaleLocks(effects, join(repos, name));
        if (removed.length > 0)
          log.boot(`${name}: removed locks of a killed git process: ${removed.join(', ')}`);
      }
      clones.refresh();
      return clones.summary();
    },
  };
}
