/**
 * What a worker has beyond boot, loop and sessions: Docker, the guard of its disk, the out-of-memory scores, credentials
 * that are looked at, recordings of the panes. They plug into the supervisor's tables; a local worker has the last only.
 */
import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import {
  BOOT_SESSION,
  ORCHESTRATOR_SESSION,
  type PhaseStatus,
  type Settings,
} from '../../scripts/lib/contract.ts';
import type { PhaseResult } from './boot.ts';
import { keepClaudeSeeded } from './claude-state.ts';
import { createCredentials } from './credentials.ts';
import { createDockerDaemon, type DockerDaemon } from './docker/daemon.ts';
import { createDiskGuard, type VolumeUse } from './docker/disk.ts';
import { createEngine } from './docker/engine.ts';
import type { Effects } from './effects.ts';
import type { Environment } from './environment.ts';
import { createOom, ownScore } from './oom.ts';
import { createPanes } from './panes.ts';
import { createPaneRecorder } from './recording/recorder.ts';
import { createStateVolumeWatch } from './state-volume.ts';

const SOCKET = '/var/run/docker.sock';
const DOCKER_VOLUME = '/var/lib/docker';

export interface Parts {
  /** Null where the worker has no Docker of its own. */
  readonly docker: DockerDaemon | null;
  /** Null where nobody looks at the credentials. */
  readonly checkCredentials: ((signal: AbortSignal) => Promise<PhaseResult>) | null;
  /** Before the first session is made. */
  prepare(): void;
  /** Every few seconds, from the moment on when tmux is there. */
  tend(): Promise<void>;
  /** As soon as a session has been made. */
  sessionsChanged(): Promise<void>;
  /** Why no work may be taken now; null when it may. */
  obstacle(): string | null;
}

export interface PartsNeeds {
  readonly settings: () => Settings;
  /** Notes how a phase of the boot is doing now. */
  readonly note: (phase: string, status: PhaseStatus, message: string) => void;
}

export type MakeParts = (needs: PartsNeeds) => Parts;

export const noParts: MakeParts = () => ({
  docker: null,
  checkCredentials: null,
  prepare() {},
  async tend() {},
  async sessionsChanged() {},
  obstacle: () => null,
});

/** @param env the supervisor's own environment, for what the chart says there */
export function partsOf(environment: Environment, effects: Effects, env: NodeJS.ProcessEnv): MakeParts {
  const { dirs, pod } = environment;
  const panes = createPanes(effects.processes);
  const ours = new Set<string>([BOOT_SESSION, ORCHESTRATOR_SESSION, 'tool-check']);
  const recorder = createPaneRecorder(environment, effects, panes, ours);
  const local: Parts = {
    docker: null,
    checkCredentials: null,
    prepare() {},
    tend: recorder.tend,
    sessionsChanged: recorder.tend,
    obstacle: () => null,
  };
  if (!pod) return () => local;

  return ({ settings, note }) => {
    const docker = createDockerDaemon(effects, createEngine(SOCKET), {
      settings,
      memoryLimit: env['WORKER_MEMORY_LIMIT_BYTES'],
      addresses: [env['KUBERNETES_SERVICE_HOST'] ?? ''],
      note: (status, message) => note('docker', status, message),
    });
    const guard = createDiskGuard(
      effects,
      DOCKER_VOLUME,
      volumeUse,
      () => settings().docker.storage,
      docker.isUp,
    );
    const tellOfState = createStateVolumeWatch(environment, effects, volumeUse);
    const credentials = createCredentials(environment, effects);
    const trustClones = keepClaudeSeeded(effects, env['CLAUDE_CONFIG_DIR'], dirs.WORKER_REPOS_DIR);
    const spare = createOom(
      effects,
      panes,
      ownScore(effects.files),
      join(dirs.WORKER_RUN_DIR, 'pane-oom-score'),
    );
    return {
      docker,
      checkCredentials: credentials.check,
      prepare: trustClones,
      async tend() {
        trustClones();
        await spare();
        await recorder.tend();
        await docker.tend();
        if (settings().docker.enabled) await guard.tend();
        await tellOfState();
        const news = await credentials.tend();
        if (news !== null) note('credentials', news.status, news.message);
      },
      async sessionsChanged() {
        await recorder.tend();
        await spare();
      },
      obstacle: guard.obstacle,
    };
  };
}

function volumeUse(path: string): VolumeUse | null {
  try {
    const { bsize, blocks, bavail, bfree } = statfsSync(path);
    // As df counts: what is reserved for root is neither used nor free.
    return { usedBytes: (blocks - bfree) * bsize, sizeBytes: (blocks - bfree + bavail) * bsize };
  } catch {
    return null;
  }
}
