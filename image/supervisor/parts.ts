/**
 * The parts of a worker besides boot, loop and sessions: Docker, the guards of its volumes, out-of-memory scores, checks of
 * credentials, recordings of the panes. They plug into the supervisor's tables; of these a local worker has the recordings
 * only.
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
import { createAgentLeftovers } from './sessions/agent-leftovers.ts';
import { createPaneRecorder } from './sessions/recorder.ts';
import { createStateVolumeWatch, stateVolumeObstacle } from './state-volume.ts';
import { createChore } from './util/chore.ts';

export interface Parts {
  /** Null where the worker has no Docker of its own. */
  readonly docker: DockerDaemon | null;
  checkCredentials(signal: AbortSignal): Promise<PhaseResult>;
  /** To be called before the first session is created. */
  prepare(): void;
  /** To be called every few seconds once tmux is running. Returns at once. */
  maintain(): void;
  /** To be called as soon as a session has been created. */
  sessionsChanged(): void;
  /** To be called at the very end, when the panes are gone: writes their last output to disk. */
  closeRecordings(): Promise<void>;
  /** Why no work may be taken now; null when it may be. */
  obstacle(): string | null;
  /** Whether claude has nothing to log in with. */
  loginMissing(): boolean;
}

export interface PartsNeeds {
  readonly settings: () => Settings;
  /** Updates the state of a boot phase. */
  readonly note: (phase: string, status: PhaseStatus, message: string) => void;
}

export type MakeParts = (needs: PartsNeeds) => Parts;

/** @param env the supervisor's own environment, with the variables set by the chart */
export function partsOf(environment: Environment, effects: Effects, env: NodeJS.ProcessEnv): MakeParts {
  return environment.pod
    ? (needs) => podParts(environment, effects, env, needs)
    : (needs) => localParts(environment, effects, needs);
}

/** What claude's settings.json must contain. */
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
  // In its private HOME. When that is a link, the directory is the user's own, and they answer what claude asks there.
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
  const maintainPanes = createChore(
    'tmux panes',
    async () => recorder.maintain((await tmux.server())?.panes ?? []),
    log.line,
  );
  // The temporary files are in the folders of this machine, where the user's own claude has its own.
  const removeLeftovers = createChore(
    "claude's leftovers",
    createAgentLeftovers(effects, { claude: claudeDir, temporary: null, sockets: null }),
    log.line,
  );
  return {
    docker: null,
    checkCredentials: async () => localCredentials(environment, files),
    prepare: () => void seedClaude(),
    maintain() {
      maintainPanes();
      if (isPrivate) removeLeftovers();
    },
    sessionsChanged: maintainPanes,
    closeRecordings: recorder.close,
    obstacle: () => stateVolumeObstacle(volumeUse(environment.dirs.WORKER_STATE_DIR)) ?? seedClaude(),
    // Unknown for the user's own claude.
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

  // Independent of each other: neither a slow count of a volume nor a failure may hold up the others.
  const chore = (name: string, work: () => void | Promise<void>) => createChore(name, work, log.line);
  const maintainPanes = chore('tmux panes', async () => {
    const server = await tmux.server();
    spare(server);
    await recorder.maintain(server?.panes ?? []);
  });
  const chores = [
    maintainPanes,
    chore("claude's state", () => void seedClaude()),
    chore(
      "claude's leftovers",
      createAgentLeftovers(effects, {
        claude: environment.claudeDir,
        temporary: join(env['TMPDIR'] || '/tmp', 'claude-0'),
        sockets: '/tmp/cc-socks',
      }),
    ),
    chore('Docker', docker.maintain),
    chore('docker volume', async () => {
      if (settings().docker.enabled) await guard.maintain();
    }),
    chore('state volume', watchStateVolume),
    chore('credentials', async () => {
      const news = await credentials.maintain();
      if (news !== null) note('credentials', news.status, news.message);
    }),
  ];
  return {
    docker,
    checkCredentials: credentials.check,
    prepare: () => void seedClaude(),
    maintain: () => chores.forEach((start) => void start()),
    sessionsChanged: maintainPanes,
    closeRecordings: recorder.close,
    obstacle: () => guard.obstacle() ?? stateVolumeObstacle(volumeUse(dirs.WORKER_STATE_DIR)) ?? seedClaude(),
    loginMissing: () => isLoginMissing(environment, env, files),
  };
}

function volumeUse(path: string): VolumeUse | null {
  try {
    const { bsize, blocks, bavail, bfree } = statfsSync(path);
    // Like df: blocks reserved for root count neither as used nor as free.
    return { usedBytes: (blocks - bfree) * bsize, sizeBytes: (blocks - bfree + bavail) * bsize };
  } catch {
    return null;
  }
}
