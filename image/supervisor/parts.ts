/**
 * What a worker has beyond boot, loop and sessions: Docker, the guards of its volumes, the out-of-memory scores,
 * credentials that are looked at, recordings of the panes. They plug into the supervisor's tables; a local worker has the
 * recordings only.
 */
import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { PhaseStatus, Settings } from '../../scripts/lib/contract.ts';
import { isLoginMissing } from './account/token.ts';
import type { PhaseResult } from './boot/run.ts';
import { type Guard, STOP_FAILURE } from './credentials/claude-settings.ts';
import { keepClaudeSeeded } from './credentials/claude-state.ts';
import { createCredentials, localCredentials } from './credentials/credentials.ts';
import { createDockerDaemon, type DockerDaemon } from './docker/daemon.ts';
import { DATA_ROOT, SOCKET } from './docker/daemon-config.ts';
import { createDiskGuard, type VolumeUse } from './docker/disk.ts';
import { createEngine } from './docker/engine.ts';
import type { Effects } from './effects/effects.ts';
import { ownScore } from './effects/oom-score.ts';
import type { Environment } from './environment.ts';
import { createOom } from './oom.ts';
import { createPaneRecorder } from './sessions/recorder.ts';
import { createStateVolumeWatch } from './state-volume.ts';
import { createChore } from './util/chore.ts';

export interface Parts {
  /** Null where the worker has no Docker of its own. */
  readonly docker: DockerDaemon | null;
  checkCredentials(signal: AbortSignal): Promise<PhaseResult>;
  /** Before the first session is made. */
  prepare(): void;
  /** Every few seconds, from the moment on when tmux is there. Waits for nothing. */
  tend(): void;
  /** As soon as a session has been made. */
  sessionsChanged(): void;
  /** At the very end, when the panes are gone: what they printed last is on disk afterwards. */
  closeRecordings(): Promise<void>;
  /** Why no work may be taken now; null when it may. */
  obstacle(): string | null;
  /** Whether claude has nothing to log in with. */
  loginMissing(): boolean;
}

export interface PartsNeeds {
  readonly settings: () => Settings;
  /** Notes how a phase of the boot is doing now. */
  readonly note: (phase: string, status: PhaseStatus, message: string) => void;
}

export type MakeParts = (needs: PartsNeeds) => Parts;

/** @param env the supervisor's own environment, for what the chart says there */
export function partsOf(environment: Environment, effects: Effects, env: NodeJS.ProcessEnv): MakeParts {
  return environment.pod
    ? (needs) => podParts(environment, effects, env, needs)
    : (needs) => localParts(environment, effects, needs);
}

/** What claude's settings.json is to say. */
function guardOf({ libDir }: Environment, { files, log }: Effects, { settings }: PartsNeeds): () => Guard {
  const script = join(libDir, STOP_FAILURE);
  const hook = files.isExecutable(script) ? script : null;
  if (hook === null) {
    log.line(
      `${script} is missing, so a stage in which claude cannot work may count as done; a worker on this machine gets it by: factory-worker local up`,
    );
  }
  return () => ({ hook, mayAsk: settings().claude.askUserQuestion });
}

function localParts(environment: Environment, effects: Effects, needs: PartsNeeds): Parts {
  const { files, log, tmux } = effects;
  const recorder = createPaneRecorder(environment, effects);
  // In its private HOME. Where that is a link, it is somebody's own, and what claude asks there it asks them.
  const { claudeDir } = environment;
  const isPrivate = [claudeDir, join(claudeDir, 'settings.json')].every(
    (path) => files.realPath(path) === path,
  );
  if (!isPrivate)
    log.line(
      `${claudeDir} is a link: without our settings there, a stage in which claude fails may count as done`,
    );
  const seedClaude = keepClaudeSeeded(effects, {
    directory: isPrivate ? claudeDir : null,
    repos: null,
    guard: guardOf(environment, effects, needs),
  });
  const tendPanes = createChore(
    'tmux panes',
    async () => recorder.tend((await tmux.server())?.panes ?? []),
    log.line,
  );
  return {
    docker: null,
    checkCredentials: async () => localCredentials(environment, files),
    prepare: () => void seedClaude(),
    tend: tendPanes,
    sessionsChanged: tendPanes,
    closeRecordings: recorder.close,
    obstacle: seedClaude,
    // Of a claude that is somebody's own that cannot be known.
    loginMissing: () => false,
  };
}

function podParts(
  environment: Environment,
  effects: Effects,
  env: NodeJS.ProcessEnv,
  needs: PartsNeeds,
): Parts {
  const { settings, note } = needs;
  const { dirs } = environment;
  const { files, log, tmux } = effects;
  const docker = createDockerDaemon(effects, createEngine(SOCKET), {
    settings,
    memoryLimit: env['WORKER_MEMORY_LIMIT_BYTES'],
    addresses: [env['KUBERNETES_SERVICE_HOST'] ?? ''],
    note: (status, message) => note('docker', status, message),
  });
  const guard = createDiskGuard(effects, DATA_ROOT, volumeUse, () => settings().docker.storage, docker.isUp);
  const watchStateVolume = createStateVolumeWatch(environment, effects, volumeUse);
  const credentials = createCredentials(environment, effects);
  const seedClaude = keepClaudeSeeded(effects, {
    directory: env['CLAUDE_CONFIG_DIR'] || null,
    repos: dirs.WORKER_REPOS_DIR,
    guard: guardOf(environment, effects, needs),
  });
  const recorder = createPaneRecorder(environment, effects);
  const spare = createOom(effects, ownScore(files), join(dirs.WORKER_RUN_DIR, 'pane-oom-score'));

  // Each on its own: neither a slow count of a volume nor a failure of one may keep the others from their work.
  const chore = (name: string, work: () => void | Promise<void>) => createChore(name, work, log.line);
  const tendPanes = chore('tmux panes', async () => {
    const server = await tmux.server();
    spare(server);
    await recorder.tend(server?.panes ?? []);
  });
  const chores = [
    tendPanes,
    chore("claude's state", () => void seedClaude()),
    chore('Docker', docker.tend),
    chore('docker volume', async () => {
      if (settings().docker.enabled) await guard.tend();
    }),
    chore('state volume', watchStateVolume),
    chore('credentials', async () => {
      const news = await credentials.tend();
      if (news !== null) note('credentials', news.status, news.message);
    }),
  ];
  return {
    docker,
    checkCredentials: credentials.check,
    prepare: () => void seedClaude(),
    tend: () => chores.forEach((start) => void start()),
    sessionsChanged: tendPanes,
    closeRecordings: recorder.close,
    obstacle: () => guard.obstacle() ?? seedClaude(),
    loginMissing: () => isLoginMissing(environment, env, files),
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
