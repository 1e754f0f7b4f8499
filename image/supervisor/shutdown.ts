/**
 * SIGTERM means drain: the running stage may finish, then everything is stopped in order. A table of steps, each with a time
 * limit and a log line, so that all of it fits into a pod's grace period, before Kubernetes kills what is left.
 */
import type { Settings } from '../../scripts/lib/contract.ts';
import type { DockerDaemon } from './docker/daemon.ts';
import type { Effects } from './effects/effects.ts';
import { OWN_SESSIONS } from './sessions/sessions.ts';
import { messageOf } from './util/errors.ts';
import { duration } from './util/time.ts';

export interface ShutdownStep {
  readonly name: string;
  readonly limitMs: number;
  /**
   * @param signal aborts at the limit
   * @returns a message for the log; empty when there was nothing to do
   */
  run(signal: AbortSignal): Promise<string>;
}

/** Runs the steps in order; one that fails or takes too long is logged, and the next one begins. */
export async function runShutdown(
  steps: readonly ShutdownStep[],
  { clock, log }: Pick<Effects, 'clock' | 'log'>,
): Promise<void> {
  for (const step of steps) {
    const started = clock.now();
    const over = new AbortController();
    const work = step.run(over.signal).catch((error: unknown) => `failed: ${messageOf(error)}`);
    const timeout = clock
      .sleep(step.limitMs, over.signal)
      .then(() => `not done after ${duration(step.limitMs)}, continuing`);
    const said = await Promise.race([work, timeout]);
    over.abort();
    log.line(`stop ${step.name} ${duration(clock.now() - started)}${said ? `: ${said}` : ''}`);
  }
}

/** What the steps need from the worker. */
export interface Stoppable {
  /** Resolves when the loop has ended. */
  readonly loopEnded: Promise<void>;
  /** What the loop is running; null when nothing. */
  working(): string | null;
  checkInGroups(): number[];
  readonly limits: Settings['shutdown'];
  /** Aborts when the operator does not want to wait for the stage any longer (a second SIGTERM). */
  readonly skipStageWait: AbortSignal;
  /** Writes the rest of the panes' recordings. */
  closeRecordings(): Promise<void>;
  releaseLock(): void;
  /** Null where the worker has no Docker of its own. */
  readonly docker: Pick<DockerDaemon, 'stopContainers' | 'stop'> | null;
  /** Null where the worker has no database server of its own. */
  readonly database: { stop(signal: AbortSignal): Promise<string> } | null;
}

const REMIND_MS = 30_000;
/** The time between SIGTERM and SIGKILL. */
const OBEY_MS = 5_000;
/** The same for a pane's own program, once its jobs have ended. */
const LEADER_MS = 1_000;
const POLL_MS = 100;
/** Reserved in the grace period for the last log lines and the end of the container itself. */
const MARGIN_MS = 5_000;

/**
 * Fits the table into the grace period. The wait for the stage has priority: the limits of the other steps shrink to a half
 * before the wait is shortened, and further only when the grace period is even shorter than that.
 *
 * @param waitMs how long to wait for the stage
 * @param endMs sum of the limits of all other steps
 * @returns the wait, and the factor for the other limits (at most 1)
 */
export function fitIntoGrace(
  graceSeconds: number | null,
  waitMs: number,
  endMs: number,
): { readonly waitMs: number; readonly scale: number } {
  if (graceSeconds === null) return { waitMs, scale: 1 };
  const budget = Math.max(0, graceSeconds * 1000 - MARGIN_MS);
  const wait = Math.min(waitMs, Math.max(0, budget - endMs / 2));
  return { waitMs: wait, scale: Math.min(1, (budget - wait) / endMs) };
}

/** The table. The order matters: first what starts stages, then the agents, then what they need. */
export function shutdownSteps(worker: Stoppable, effects: Effects): ShutdownStep[] {
  const [tell, ...end] = endSteps(worker, effects);
  const endMs = [tell, ...end].reduce((sum, step) => sum + step.limitMs, 0);
  const { waitForStageSeconds, graceSeconds } = worker.limits;
  const { waitMs, scale } = fitIntoGrace(graceSeconds, waitForStageSeconds * 1000, endMs);
  const scaled = (step: ShutdownStep): ShutdownStep => ({ ...step, limitMs: step.limitMs * scale });
  return [scaled(tell), waitStep(worker, waitMs, effects), ...end.map(scaled)];
}

function waitStep(worker: Stoppable, waitMs: number, { clock, log }: Effects): ShutdownStep {
  return {
    name: 'wait for the running stage',
    // It ends by itself; the limit is only a safeguard.
    limitMs: waitMs + 1_000,
    async run(signal) {
      const what = worker.working();
      if (what === null) return 'nothing is running';
      const until = clock.now() + waitMs;
      const over = AbortSignal.any([signal, worker.skipStageWait]);
      let ended = false;
      const loopEnded = worker.loopEnded.then(() => {
        ended = true;
      });
      while (!ended && !over.aborted && clock.now() < until) {
        log.line(`waiting for ${what}, at most ${duration(until - clock.now())} more`);
        const pause = new AbortController();
        const reminder = clock.sleep(
          Math.min(REMIND_MS, until - clock.now()),
          AbortSignal.any([over, pause.signal]),
        );
        await Promise.race([loopEnded, reminder]);
        pause.abort();
      }
      if (ended) return `${what} has ended`;
      return over.aborted ? `not waiting any longer for ${what}` : `${what} did not end in time`;
    },
  };
}

/** All steps except the wait; the first one comes before it. */
function endSteps(worker: Stoppable, effects: Effects): [ShutdownStep, ...ShutdownStep[]] {
  const { clock, processes, tmux } = effects;
  const { database, docker } = worker;
  const stopDocker: ShutdownStep[] = docker
    ? [
        { name: 'stop the containers', limitMs: 30_000, run: () => docker.stopContainers() },
        { name: 'stop Docker', limitMs: 25_000, run: (signal) => docker.stop(signal) },
      ]
    : [];
  // Last of all: agents and check-ins record there how they end.
  const stopDatabase: ShutdownStep[] = database
    ? [{ name: 'stop the database', limitMs: 10_000, run: (signal) => database.stop(signal) }]
    : [];
  return [
    {
      name: 'tell attached clients',
      limitMs: 3_000,
      async run() {
        await tmux.tell('This worker is stopping: its running stage may end, then every session is closed.');
        return '';
      },
    },
    {
      name: 'end the check-in',
      limitMs: 2 * OBEY_MS,
      async run(signal) {
        const groups = worker.checkInGroups();
        await endGroups(groups, OBEY_MS, signal, effects);
        return groups.length === 0 ? '' : 'ended in the middle of a stage; the next start picks it up again';
      },
    },
    {
      name: 'end the agents',
      limitMs: 3 * OBEY_MS,
      async run(signal) {
        // tmux itself only sends SIGHUP; this gives agents the chance to exit cleanly. They are jobs of the pane's shell, in
        // groups of their own. The shell ignores SIGTERM, and killing it first would send SIGHUP to its jobs.
        const all = (await tmux.server())?.panes ?? [];
        const panes = all.filter(({ session }) => !OWN_SESSIONS.has(session));
        const leaders = panes.map(({ pid }) => pid);
        const groups = new Set(processes.inTerminalSessions(leaders).map(({ group }) => group));
        const jobs = [...groups].filter((group) => !leaders.includes(group));
        await endGroups(jobs, OBEY_MS, signal, effects);
        await endGroups(leaders, LEADER_MS, signal, effects);
        const names = [...new Set(panes.map(({ session }) => session))];
        for (const name of names) await tmux.killSession(name);
        return names.join(', ');
      },
    },
    ...stopDocker,
    {
      name: 'end tmux',
      limitMs: OBEY_MS,
      async run(signal) {
        await tmux.killServer();
        while (!signal.aborted && (await tmux.sessions()) !== null) await clock.sleep(POLL_MS, signal);
        await worker.closeRecordings();
        return '';
      },
    },
    ...stopDatabase,
    {
      name: 'release the lock',
      limitMs: 1_000,
      async run() {
        processes.endAll();
        worker.releaseLock();
        return '';
      },
    },
  ];
}

/** Sends SIGTERM to process groups, and SIGKILL to those still alive after the grace time or when the signal aborts. */
async function endGroups(
  groups: readonly number[],
  graceMs: number,
  signal: AbortSignal,
  { clock, processes }: Effects,
): Promise<void> {
  for (const group of groups) processes.signalGroup(group, 'SIGTERM');
  const until = clock.now() + graceMs;
  const alive = () => groups.filter((group) => processes.signalGroup(group, 0));
  while (alive().length > 0 && clock.now() < until && !signal.aborted) await clock.sleep(POLL_MS, signal);
  for (const group of alive()) processes.signalGroup(group, 'SIGKILL');
}
