/** The supervisor as a whole: boot, the loop, the watch over what is ours, and the orderly end. */
import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import { type Boot, FILES } from '../../scripts/lib/contract.ts';
import { untilAborted } from './abort.ts';
import { createRecorder, type Phase, runBoot } from './boot.ts';
import { createClones } from './clones.ts';
import type { Effects } from './effects.ts';
import type { Environment } from './environment.ts';
import { createLook } from './look.ts';
import { type Loop, startLoop } from './loop.ts';
import { type MakeParts, noParts } from './parts.ts';
import { checksPhase } from './phases/checks.ts';
import { CLONES_PHASE, clonesPhase } from './phases/clones.ts';
import { credentialsPhase } from './phases/credentials.ts';
import { dockerPhase } from './phases/docker.ts';
import { createBootLock } from './phases/lock.ts';
import { ORCHESTRATOR_PHASE, orchestratorPhase, orchestratorState } from './phases/orchestrator.ts';
import { recoverPhase } from './phases/recover.ts';
import { tmuxPhase } from './phases/tmux.ts';
import { createSessions } from './sessions.ts';
import { runShutdown, shutdownSteps } from './shutdown.ts';
import { createToolCheck } from './tools.ts';
import { createWake } from './wake.ts';

/** How often the time stamp is moved and what is ours is looked after. */
const BEAT_MS = 5_000;

/** Files of the state volume that change what the loop does. */
const WAKING = new Set<string>(
  [FILES.drain, FILES.dispatches, FILES.requestedProjects].map((name) => basename(name)),
);

/** A file of the volatile folder that tmux touches for every new session (image/etc/tmux.conf). */
const SESSION_SIGN = 'new-session';

export interface Supervisor {
  /** Runs until told to stop. */
  run(): Promise<void>;
  /** Asks for an orderly end; asked again, it does not wait for the running stage. */
  stop(signal: string): void;
}

/** @param makeParts what this worker has beyond boot, loop and sessions */
export function createSupervisor(
  environment: Environment,
  effects: Effects,
  makeParts: MakeParts = noParts,
): Supervisor {
  const { clock, files, log } = effects;
  const { dirs, paths, pod } = environment;
  const stopping = new AbortController();
  const hurrying = new AbortController();
  const { signal } = stopping;

  const wake = createWake(clock);
  const sessions = createSessions(environment, effects);
  const lock = createBootLock(environment, effects, () => {
    log.line('another supervisor has taken the boot lock from us: leaving everything to it');
    stopping.abort();
  });

  /** A pod's folder for volatile files is its own; a local worker's belongs to whoever holds the lock. */
  const mayWrite = () => pod || lock.isHeld();
  const tolerant = (what: string, write: () => void): void => {
    try {
      if (mayWrite()) write();
    } catch (error) {
      log.line(`cannot write ${what}: ${error instanceof Error ? error.message : error}`);
    }
  };

  const recorder = createRecorder(
    clock,
    { bootId: randomUUID(), podUid: environment.podUid, image: environment.image },
    (boot: Boot) =>
      tolerant(FILES.boot, () => {
        files.write(paths.boot, `${JSON.stringify(boot)}\n`);
        files.touch(paths.alive);
      }),
    (line) => log.boot(line),
  );
  const noteClones = (): void => {
    if (!recorder.boot().phases.some(({ name }) => name === CLONES_PHASE)) return;
    const { status, message } = clones.summary();
    recorder.note(CLONES_PHASE, status, message);
  };
  const noteOrchestrator = (): void => {
    if (loop === null) return;
    const { status, message } = orchestratorState(look.settings());
    recorder.note(ORCHESTRATOR_PHASE, status, message);
  };
  const clones = createClones(
    environment,
    effects,
    () => {
      noteClones();
      wake.ring();
    },
    signal,
  );
  const look = createLook(environment, effects, clones, createToolCheck(environment, effects), () =>
    parts.obstacle(),
  );
  const parts = makeParts({ settings: look.settings, note: recorder.note });
  let loop: Loop | null = null;

  const phases: Phase[] = [
    lock.phase,
    checksPhase(environment, effects),
    tmuxPhase(sessions, () => parts.prepare()),
    dockerPhase(parts.docker, look.settings),
    credentialsPhase(environment, effects, parts.checkCredentials),
    clonesPhase(environment, effects, clones),
    recoverPhase(look),
    orchestratorPhase(sessions, look.settings, () => {
      loop = startLoop(environment, effects, look, wake, signal);
    }),
  ];

  /** Not waited for: pruning a disk may take minutes, and the time stamp must move. */
  let tending = false;
  const tendParts = (): void => {
    if (tending) return;
    tending = true;
    void parts
      .tend()
      .catch((error: unknown) => log.line(error instanceof Error ? error.message : String(error)))
      .finally(() => {
        tending = false;
      });
  };
  const phaseIsOk = (phase: string): boolean =>
    recorder.boot().phases.some(({ name, status }) => name === phase && status === 'ok');

  /** Moves the time stamp to the very end; looks after sessions and clones until the worker is told to stop. */
  const supervise = async (ended: AbortSignal): Promise<void> => {
    while (!ended.aborted) {
      tolerant(FILES.alive, () => files.touch(paths.alive));
      try {
        if (!signal.aborted) await sessions.keep();
        if (phaseIsOk('tmux')) tendParts();
        if (!signal.aborted && recorder.boot().finishedAt !== null) refresh();
      } catch (error) {
        log.line(error instanceof Error ? error.message : String(error));
      }
      await clock.sleep(BEAT_MS, ended);
    }
  };
  /** Reads what the chart and the laptop may have changed. */
  const refresh = (): void => {
    clones.refresh();
    noteClones();
    noteOrchestrator();
  };

  const watch = (): (() => void) => {
    const changed = () => {
      refresh();
      wake.ring();
    };
    const ends = [
      files.watch(dirs.WORKER_STATE_DIR, (name) => {
        if (WAKING.has(name)) changed();
      }),
      files.watch(dirs.WORKER_CONFIG_DIR, changed),
      files.watch(dirs.WORKER_RUN_DIR, (name) => {
        if (name === SESSION_SIGN) void parts.sessionsChanged().catch(() => {});
      }),
    ];
    return () => ends.forEach((end) => void end());
  };

  const shutDown = (): Promise<void> => {
    const running: Loop | null = loop;
    return runShutdown(
      shutdownSteps(
        {
          loopEnded: running?.ended ?? Promise.resolve(),
          working: () => running?.working() ?? null,
          checkInGroups: () => running?.groups() ?? [],
          limits: look.settings().shutdown,
          hurry: hurrying.signal,
          releaseLock: lock.release,
          ...(parts.docker ? { docker: parts.docker } : {}),
        },
        effects,
      ),
      effects,
    );
  };

  return {
    stop(name) {
      if (signal.aborted) {
        log.line(`${name} again: not waiting for the running stage`);
        hurrying.abort();
      } else {
        log.line(`${name}: stopping`);
        stopping.abort();
      }
    },

    async run() {
      const ended = new AbortController();
      void supervise(ended.signal);
      await runBoot(phases, { clock, recorder, signal });
      const unwatch = signal.aborted ? () => {} : watch();
      await untilAborted(signal);
      unwatch();
      // Without the lock nothing here is ours, and nothing is touched.
      if (lock.isHeld()) await shutDown();
      ended.abort();
    },
  };
}
