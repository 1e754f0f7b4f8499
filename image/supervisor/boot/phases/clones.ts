/** Phase `clones`: starts the clones, which go on in the background; its state changes with them and with the projects. */

import { type Clones, removeLeavings } from '../../clones/clones.ts';
import type { Effects } from '../../effects/effects.ts';
import type { Environment } from '../../environment.ts';
import type { Phase } from '../run.ts';

export const CLONES_PHASE = 'clones';

export function clonesPhase({ dirs }: Environment, { files }: Effects, clones: Clones): Phase {
  return {
    name: CLONES_PHASE,
    after: ['tmux'],
    timeoutMs: 60_000,
    gates: false,
    retryMs: null,
    async run() {
      await removeLeavings(files, dirs.WORKER_REPOS_DIR);
      clones.refresh();
      return clones.summary();
    },
  };
}
