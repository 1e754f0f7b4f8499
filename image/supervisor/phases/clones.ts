/** Phase `clones`: starts the clones, which go on in the background; its state changes with them and with the projects. */
import type { Phase } from '../boot.ts';
import { type Clones, removeLeavings } from '../clones.ts';
import type { Effects } from '../effects.ts';
import type { Environment } from '../environment.ts';

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
