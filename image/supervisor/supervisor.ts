/** The supervisor as a whole: boot, loop, maintenance of the worker, and orderly shutdown. */
import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import { type Boot, FILES } from '../../scripts/lib/contract.ts';
import { createAccount } from './account/account.ts';
import { checksPhase } from './boot/phases/checks.ts';
import { CLONES_PHASE, clonesPhase } from './boot/phases/clones.ts';
import { credentialsPhase } from './boot/phases/credentials.ts';
import { DATABASE_PHASE, databasePhase } from './boot/phases/database.ts';
import { dockerPhase } from './boot/phases/docker.ts';
import { createBootLock } from './boot/phases/lock.ts';
import { ORCHESTRATOR_PHASE, orchestratorPhase, orchestratorState } from './boot/phases/orchestrator.ts';
import { recoverPhase } from './boot/phases/recover.ts';
import { tmuxPhase } from './boot/phases/tmux.ts';
import { createBootRecord } from './boot/record.ts';
import { type Phase, runBoot } from './boot/run.ts';
import { createClones } from './clones/clones.ts';
import { createDatabase } from './database/database.ts';
import { createServer } from './database/server.ts';
import type { Effects } from './effects/effects.ts';
import type { Environment } from './environment.ts';
import { createFactory } from './loop/factory.ts';
import { type Loop, startLoop } from './loop/loop.ts';
import { createObserver } from './loop/observe.ts';
import { createToolCheck } from './loop/tool-check.ts';
import { createWake } from './loop/wake.ts';
import type { MakeParts } from './parts.ts';
import { createSessions } from './sessions/sessions.ts';
import { createSettings } from './settings.ts';
import { runShutdown, shutdownSteps } from './shutdown.ts';
import { untilAborted } from './util/abort.ts';
import { createChore } from './util/chore.ts';
import { messageOf } from './util/errors.ts';
import { createNews } from './util/news.ts';

/** How often the time stamp is updated and the worker's parts are maintained. */
const MAINTAIN_MS = 5_000;

/** Files on the state volume that wake the loop when they change. */
const WAKING = new Set<string>(
  [FILES.drain, FILES.dispatches, FILES.requestedProjects, FILES.account].map((name) => basename(name)),
);

/** A file of the volatile folder that tmux touches for every new session (image/etc/tmux.conf). */
const SESSION_SIGN = 'new-session';

export interface Supervisor {
  /** Runs until told to stop. */
  run(): Promise<void>;
  /** Requests an orderly shutdown; a second call skips the wait for the running stage. */
  stop(signal: string): void;
}

/** @param makeParts creates the worker's parts besides boot, loop and sessions */
export function createSupervisor(
  environment: Environment,
  effects: Effects,
  makeParts: MakeParts,
): Supervisor {
  const { clock, files, log } = effects;
  const { dirs, paths, pod } = environment;
  const stopping = new AbortController();
  const skipStageWait = new AbortController();
  const { signal } = stopping;

  const wake = createWake(clock);
  const sessions = createSessions(environment, effects);
  const lock = createBootLock(environment, effects, () => {
    log.line('another supervisor has taken the boot lock from us: leaving everything to it');
    stopping.abort();
  });

  /** A pod has its own folder for volatile files; a local worker's belongs to the holder of the lock. */
  const mayWrite = () => pod || lock.isHeld();
  const complain = createNews(log.line);
  const tolerant = (what: string, write: () => void): void => {
    try {
      if (mayWrite()) write();
      complain('');
    } catch (error) {
      complain(`cannot write ${what}: ${messageOf(error)}; see: df -h ${dirs.WORKER_RUN_DIR}`);
    }
  };

  const record = createBootRecord(
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
    if (!record.boot().phases.some(({ name }) => name === CLONES_PHASE)) return;
    const { status, message } = clones.summary();
    record.note(CLONES_PHASE, status, message);
  };
  const noteOrchestrator = (): void => {
    if (loop === null) return;
    const { status, message } = orchestratorState(settings());
    record.note(ORCHESTRATOR_PHASE, status, message);
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
  const settings = createSettings(paths.settings, effects);
  const parts = makeParts({ settings, note: record.note });
  const factory = createFactory(environment, effects);
  const database = createDatabase(environment, effects, {
    factory,
    server: createServer(environment, effects),
    changed: (phase) => {
      record.noteDatabase(database.status());
      // Before, the boot itself is what goes on.
      if (phase === null) return;
      record.note(DATABASE_PHASE, phase.status, phase.message);
      wake.ring();
    },
  });
  const account = createAccount(environment, effects, parts.loginMissing, (lost) => {
    for (const issue of lost) loop?.endStage(issue);
    wake.ring();
  });
  const observe = createObserver(environment, effects, {
    settings,
    clones,
    factory,
    toolsMissing: createToolCheck(environment, effects),
    obstacle: parts.obstacle,
    account,
    database: database.status,
  });
  let loop: Loop | null = null;

  const phases: Phase[] = [
    lock.phase,
    checksPhase(environment, effects),
    databasePhase(database),
    tmuxPhase(sessions, () => parts.prepare()),
    dockerPhase(parts.docker, settings),
    credentialsPhase(parts.checkCredentials),
    clonesPhase(environment, effects, clones),
    recoverPhase(settings, observe),
    orchestratorPhase(sessions, settings, () => {
      loop = startLoop(
        environment,
        effects,
        { observe, factory, clones, database: database.status },
        wake,
        signal,
      );
    }),
  ];

  /** Reads what the chart or the operator may have changed. */
  const refresh = createChore(
    'projects',
    () => {
      clones.refresh();
      noteClones();
      noteOrchestrator();
    },
    log.line,
  );
  const maintainAccount = createChore("claude's account", account.maintain, log.orchestrator);
  const keepSessions = createChore('tmux', sessions.keep, log.line);
  const maintainDatabase = createChore('the database', database.maintain, log.line);
  const waitForAnswer = createChore('a question', async () => loop?.waitForAnswer(), log.line);
  const maintainCheckIn = createChore('check-in', async () => loop?.maintain(), log.line);
  const phaseIsOk = (phase: string): boolean =>
    record.boot().phases.some(({ name, status }) => name === phase && status === 'ok');

  /**
   * Updates the time stamp and waits for answers until the very end; maintains sessions and clones until the worker is told to
   * stop.
   */
  const supervise = async (ended: AbortSignal): Promise<void> => {
    while (!ended.aborted) {
      // Nothing here is awaited: pruning a disk may take minutes, and the time stamp must stay current.
      tolerant(FILES.alive, () => files.touch(paths.alive));
      if (!signal.aborted) keepSessions();
      if (phaseIsOk('tmux')) parts.maintain();
      maintainDatabase();
      waitForAnswer();
      if (!signal.aborted && record.boot().finishedAt !== null) {
        refresh();
        maintainAccount();
        maintainCheckIn();
      }
      await clock.sleep(MAINTAIN_MS, ended);
    }
  };

  const watch = (): (() => void) => {
    const changed = () => {
      refresh();
      wake.ring();
    };
    const ends = [
      files.watch(dirs.WORKER_STATE_DIR, (name) => {
        if (WAKING.has(name)) changed();
        // Before factory notices: a stage whose check-in is ended in time keeps its attempt.
        if (name === FILES.claudeFailures && !signal.aborted) maintainAccount();
      }),
      files.watch(dirs.WORKER_CONFIG_DIR, changed),
      files.watch(dirs.WORKER_RUN_DIR, (name) => {
        if (name === SESSION_SIGN) parts.sessionsChanged();
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
          limits: settings().shutdown,
          skipStageWait: skipStageWait.signal,
          closeRecordings: parts.closeRecordings,
          releaseLock: lock.release,
          docker: parts.docker,
          database: database.ownServer() ? database : null,
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
        skipStageWait.abort();
      } else {
        log.line(`${name}: stopping`);
        stopping.abort();
      }
    },

    async run() {
      const ended = new AbortController();
      void supervise(ended.signal);
      await runBoot(phases, { clock, record, signal });
      const unwatch = signal.aborted ? () => {} : watch();
      await untilAborted(signal);
      unwatch();
      // Without the lock everything belongs to another supervisor and must not be touched.
      if (lock.isHeld()) await shutDown();
      ended.abort();
    },
  };
}
