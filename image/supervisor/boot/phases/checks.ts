/** Phase `checks`: the folders exist and are writable, the settings are valid, the supervisor's programs are installed. */
import { dirname } from 'node:path';
import type { Effects } from '../../effects/effects.ts';
import { which } from '../../effects/which.ts';
import type { Environment } from '../../environment.ts';
import { parseSettings } from '../../settings.ts';
import { messageOf } from '../../util/errors.ts';
import type { Phase } from '../run.ts';

const PROGRAMS = ['tmux', 'git', 'flock', 'tail', 'grep'];

export function checksPhase(environment: Environment, { files }: Effects): Phase {
  const { dirs, paths, path, tmuxDir } = environment;
  return {
    name: 'checks',
    after: ['lock'],
    timeoutMs: 10_000,
    gates: true,
    retryMs: 10_000,
    async run() {
      const absent = PROGRAMS.filter((program) => which(files, path, program) === null);
      if (absent.length > 0)
        return { status: 'failed', message: `not on PATH: ${absent.join(', ')}; install them` };
      for (const directory of [dirs.WORKER_RUN_DIR, dirs.WORKER_STATE_DIR, dirs.WORKER_REPOS_DIR]) {
        try {
          files.makeDirectory(directory);
          files.probeWritable(directory);
        } catch (error) {
          return {
            status: 'failed',
            message: `cannot write to ${directory}: ${messageOf(error)}; see: df -h ${directory}`,
          };
        }
      }
      files.makeDirectory(dirname(paths.checkInLock));
      files.makeDirectory(dirname(paths.orchestratorLog));
      if (tmuxDir !== null) files.makePrivateDirectory(tmuxDir);
      parseSettings(files.read(paths.settings));
      return { status: 'ok', message: '' };
    },
  };
}
