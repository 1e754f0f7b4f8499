/** The orchestrator loop: observes, asks `planTick` what to do, does it, and waits for the next reason to look. */
import {
  type AccountHold,
  type CheckInAction,
  type Database,
  DEFAULT_SETTINGS,
  describeCloneHold,
  type Heartbeat,
  type LoopState,
  type Repair,
  SCHEMA,
} from '../../../scripts/lib/contract.ts';
import { type Pipeline, parseError, parseStageName } from '../../../scripts/lib/factory.ts';
import { stageAgents } from '../account/agents.ts';
import type { Clones } from '../clones/clones.ts';
import type { Base } from '../clones/follow.ts';
import type { Argv, Effects } from '../effects/effects.ts';
import { holdersOf, untilFree } from '../effects/locks.ts';
import { tmuxName } from '../effects/tmux.ts';
import type { Environment } from '../environment.ts';
import { untilAborted } from '../util/abort.ts';
import { messageOf } from '../util/errors.ts';
import { createNews } from '../util/news.ts';
import { duration, timestamp } from '../util/time.ts';
import { advance, checkIn, lastActions, type Outcome, runTriage } from './check-in.ts';
import { drainReason } from './drain.ts';
import type { Factory } from './factory.ts';
import { giveIntent } from './intent.ts';
import { fetchText } from './issue-text.ts';
import { LOST_MS, lostSession } from './lost-session.ts';
import { readHeartbeat } from './observe.ts';
import { holdsWriteLock, mayChange, planQuestion } from './question.ts';
import { describeOrphan, markExited, type RepairAction } from './recovery.ts';
import { forgetSettled, noteTaken, putBack, removeRow } from './taken.ts';
import { hasMoved, planTick, type Tick } from './tick.ts';
import type { Place, View } from './view.ts';
import type { Wake } from './wake.ts';

/** The pause after an error of the supervisor itself (a full disk, say); the configured interval may be much longer. */
const AFTER_ERROR_MS = 10_000;

/** How often, and after which pause, a check-in is stopped that is just looking at its agent. */
const STOP_TRIES = 30;
const STOP_PAUSE_MS = 100;

export interface Loop {
  /** Resolves when the loop has stopped, after the running check-in. */
  readonly ended: Promise<void>;
  /** Ends the running check-in if it runs this issue's stage, which cannot succeed. */
  endStage(issue: number): void;
  /** Ends the running check-in when the session or the agent that it waits for is gone. To be called every few seconds. */
  maintain(): Promise<void>;
  /**
   * Stops the running check-in while its agent asks the operator, and lets it go on afterwards. To be called every few seconds,
   * also while the worker waits for its last stage.
   */
  waitForAnswer(): Promise<void>;
  /** A description of what is running; null when nothing is. */
  working(): string | null;
  /** The process groups of what is running, including a check-in that an earlier supervisor started. */
  groups(): number[];
}

/**
 * @param observe observes everything that `planTick` needs
 * @param stop aborts when the worker is told to stop: nothing new is started, and what runs may finish
 */
export function startLoop(
  environment: Environment,
  effects: Effects,
  {
    observe,
    factory,
    clones,
    database,
  }: {
    observe: () => Promise<View>;
    factory: Factory;
    clones: Pick<Clones, 'look' | 'follow' | 'followAll' | 'faults'>;
    database: () => Database;
  },
  wake: Wake,
  stop: AbortSignal,
): Loop {
  const { clock, files, log, processes, tmux } = effects;
  const { paths } = environment;
  let work: string | null = null;
  let issueAtWork: number | null = null;
  /** Why the running check-in was ended by us; null when it was not. */
  let endReason: string | null = null;
  /** The session that is missing, and since when. */
  let missed: { readonly session: string; readonly since: number } | null = null;
  // Continues the heartbeat of an earlier supervisor: the running check-in may be its own.
  let heartbeat: Heartbeat = {
    schema: SCHEMA,
    project: null,
    startedAt: timestamp(clock.now()),
    finishedAt: null,
    intervalSeconds: DEFAULT_SETTINGS.orchestrator.intervalSeconds,
    actions: [],
    ...readHeartbeat(files.read(paths.heartbeat)),
    state: 'waiting',
    reason: null,
    pid: process.pid,
    account: null,
  };
  let written = '';
  /** Logged once, not every half minute: the orchestrator session counts as idle only without output. */
  const sayRest = createNews(log.orchestrator);

  const writeHeartbeat = (change: Partial<Heartbeat>): void => {
    heartbeat = { ...heartbeat, ...change, clones: clones.faults(), database: database() };
    const text = `${JSON.stringify(heartbeat)}\n`;
    if (text === written) return;
    files.write(paths.heartbeat, text);
    written = text;
  };

  /** The heartbeat file itself may be what cannot be written. */
  const complain = (reason: string): void => {
    try {
      writeHeartbeat({ state: 'waiting', reason });
    } catch {
      // The next heartbeat reports it.
    }
  };

  /** Keeps heartbeat and log around a run that may take long. */
  const during = async (
    what: string,
    project: string | null,
    issue: number | null,
    run: () => Promise<Outcome>,
    startedAt = timestamp(clock.now()),
  ): Promise<Outcome> => {
    const started = clock.now();
    work = what;
    issueAtWork = issue;
    endReason = null;
    missed = null;
    sayRest('');
    writeHeartbeat({
      state: 'checking-in',
      reason: null,
      project,
      startedAt,
      finishedAt: null,
      actions: [],
      account: null,
    });
    log.orchestrator(what);
    try {
      const ran = await run();
      const outcome = endReason === null ? ran : { ...ran, error: `ended: ${endReason}` };
      const took = duration(clock.now() - started);
      log.orchestrator(
        `${what}: ${outcome.busy ? 'another check-in was faster' : describe(outcome)} (${took})`,
      );
      return outcome;
    } finally {
      work = null;
      issueAtWork = null;
      heartbeat = { ...heartbeat, asks: null };
    }
  };

  /** What `factory` says of its pipelines; null when it cannot be asked. */
  const readPipelines = async (): Promise<readonly Pipeline[] | null> => {
    const clone = clones.look().find(({ state }) => state === 'ready');
    const store = clone === undefined ? '' : await factory.store(clone.directory);
    return typeof store === 'string' ? null : store.pipelines;
  };

  const finish = (state: LoopState, { actions, error }: Outcome, warning: string | null): void => {
    writeHeartbeat({ state, reason: error ?? warning, finishedAt: timestamp(clock.now()), actions });
  };

  /** @returns whether to look again at once */
  const doCheckIn = async (tick: Tick & { kind: 'check-in' }, view: View): Promise<boolean> => {
    const { project, directory } = tick.place;
    if (tick.takes !== null) {
      const fault = await clones.follow(project, baseOf(view));
      // That took a moment, in which the worker may have been stopped or drained.
      if (stop.aborted || drainReason(files.read(paths.drain)) !== null) return true;
      // The issue would not start from what the remote has.
      if (fault !== null) {
        rest({ kind: 'rest', state: 'refused', reason: describeCloneHold(fault) }, null);
        return false;
      }
      const { issue } = tick.takes;
      const { store } = view;
      // When the number already has a pipeline, it would be unclear afterwards which row that belongs to.
      if (typeof store !== 'string' && !store.pipelines.some((pipeline) => pipeline.issue === issue))
        noteTaken(environment, effects, tick.takes, false);
    }
    const outcome = await during(`check-in in ${project}`, project, tick.issue, () =>
      checkIn(environment, effects, directory),
    );
    finish('waiting', outcome, tick.warning);
    if (outcome.busy || endReason !== null) return true;
    return hasMoved(outcome.actions, view.store, await factory.store(directory));
  };

  const adopt = async (): Promise<void> => {
    const ours = holdersOf(processes, paths.checkInLock).length > 0;
    const what = ours ? 'check-in of an earlier supervisor' : 'another program has the check-in lock';
    const wait = async (): Promise<Outcome> => {
      await untilFree(processes, paths.checkInLock);
      return { busy: false, actions: lastActions(environment, files), error: null };
    };
    const { project, startedAt, finishedAt } = heartbeat;
    const since = ours && finishedAt === null ? startedAt : undefined;
    const outcome = await during(what, project, null, wait, since);
    finish('waiting', outcome, null);
  };

  /** @returns whether to look again at once */
  const repair = async (action: RepairAction, place: Place): Promise<boolean> => {
    // Recorded before it is done: a repair that kills the worker must not be repeated for ever.
    const record: Repair = { at: timestamp(clock.now()), ...action };
    files.append(paths.repairs, `${JSON.stringify(record)}\n`);
    const { issue, session } = action;
    const what = `repair: ${describeOrphan(action)}`;
    if (action.action === 'give-up') {
      log.orchestrator(`${what}: given up; type: ${action.cure}`);
      return true;
    }
    if (action.action === 'requeue' || action.action === 'remove-row') {
      const fixRow = action.action === 'requeue' ? putBack : removeRow;
      log.orchestrator(`${what}: ${await fixRow(environment, effects, factory, place, issue)}`);
      return true;
    }
    if (action.action === 'end-session') {
      await tmux.killSession(tmuxName(session));
      log.orchestrator(`${what}: ended the session ${session}, which was in its way`);
      return true;
    }
    if (action.action === 'mark-exited') {
      const result = await processes.run(markExited(action), { cwd: place.directory, timeoutMs: 30_000 });
      const said = result.code === 0 ? `marked ${session} as exited` : parseError(result.stderr);
      log.orchestrator(`${what}: ${said}`);
      return true;
    }
    if (action.action === 'run-triage') {
      await tmux.killSession(tmuxName(session));
      const outcome = await during(`${what}: beginning it anew`, place.project, null, () =>
        runTriage(environment, effects, issue, place.directory),
      );
      finish('waiting', outcome, null);
      return true;
    }
    if (action.action === 'retry' || action.action === 'run-again' || action.action === 'unblock') {
      // The session waits at its prompt; nothing else would end it.
      if (session !== '') await tmux.killSession(tmuxName(session));
      const configured = (await factory.dialect())?.name === 'B';
      const retry: Argv = ['factory', 'pipeline', 'retry', `${issue}`];
      const argv =
        action.action !== 'run-again' ? retry : configured && session !== '' ? markExited(action) : null;
      if (argv !== null) {
        const result = await processes.run(argv, { cwd: place.directory, timeoutMs: 30_000 });
        log.orchestrator(`${what}: ${result.code === 0 ? 'will run again' : parseError(result.stderr)}`);
        if (result.code !== 0) return true;
      }
      // B's next check-in runs it; the others skip for ever what is in progress.
      if (configured) return true;
    }
    if (action.action === 'kill-and-advance') {
      await tmux.killSession(tmuxName(session));
      log.orchestrator(`${what}: ended the quiet session ${session}`);
    }
    // Otherwise its session would seem to be missing while the commands before the stage run.
    if (session !== '') await processes.run(markExited(action), { cwd: place.directory, timeoutMs: 30_000 });
    const outcome = await during(`${what}: running the stage again`, place.project, issue, () =>
      advance(environment, effects, issue, place.directory),
    );
    finish('waiting', outcome, null);
    return true;
  };

  const rest = (tick: Tick & { kind: 'rest' }, account: AccountHold | null): void => {
    writeHeartbeat({ state: tick.state, reason: tick.reason, account });
    sayRest(`${tick.state}: ${tick.reason ?? 'nothing to do'}`);
  };

  /** @returns whether to look again at once */
  const giveText = async ({ issue, place }: Tick & { kind: 'fetch-text' }): Promise<boolean> => {
    const { directory } = place;
    const complaint = await fetchText(effects, { home: environment.home, directory, issue });
    if (complaint === null) {
      log.orchestrator(`#${issue}: fetched its text, which an interrupted check-in had not stored`);
      return true;
    }
    const reason = `#${issue} would be worked on without its text, and GitHub does not give it: ${complaint}; it is asked again; to go on without the issue: unstick ${issue} --give-up (on the laptop)`;
    writeHeartbeat({ state: 'waiting', reason });
    sayRest(`waiting: ${reason}`);
    return false;
  };

  /** @returns whether to look again at once */
  const perform = async (tick: Tick, view: View): Promise<boolean> => {
    switch (tick.kind) {
      case 'rest':
        rest(tick, view.account);
        if (tick.state === 'waiting' && tick.reason === null) {
          await clones.followAll(baseOf(view));
          writeHeartbeat({});
        }
        return false;
      case 'adopt':
        await adopt();
        return true;
      case 'give-intent': {
        const { issue } = tick.lost;
        giveIntent(files, environment.home, tick.lost);
        log.orchestrator(`#${issue}: gave it its intent, which an interrupted check-in had not stored`);
        return true;
      }
      case 'fetch-text':
        return giveText(tick);
      case 'repair':
        return repair(tick.repair, tick.place);
      case 'check-in':
        return doCheckIn(tick, view);
    }
  };

  const run = async (): Promise<void> => {
    while (!stop.aborted) {
      let pause: number;
      try {
        const view = await observe();
        if (stop.aborted) return;
        const { intervalSeconds } = view.settings.orchestrator;
        heartbeat = { ...heartbeat, intervalSeconds };
        const { store, taken } = view;
        if (typeof store !== 'string') await forgetSettled(environment, effects, { taken, store });
        if (await perform(planTick(view), view)) continue;
        pause = intervalSeconds * 1000;
      } catch (error) {
        const reason = messageOf(error);
        log.line(`error in the loop, which continues: ${reason}`);
        complain(reason);
        pause = AFTER_ERROR_MS;
      }
      await wake.wait(pause, stop);
    }
  };

  void untilAborted(stop).then(() => {
    if (work !== null) writeHeartbeat({ reason: 'the worker is stopping: this is its last check-in' });
  });

  const endCheckIn = (why: string): void => {
    endReason = why;
    for (const group of holdersOf(processes, paths.checkInLock)) processes.signalGroup(group, 'SIGTERM');
  };

  /** @returns the pipeline of the running check-in when its session or agent is gone */
  const findLost = async (): Promise<Pipeline | null> => {
    if (work === null) return null;
    const sessions = (await tmux.sessions()) ?? [];
    const healthy = sessions.some(
      ({ name, bareShell }) => parseStageName(name)?.issue === issueAtWork && !bareShell,
    );
    if (healthy) return null;
    const pipelines = await readPipelines();
    return pipelines === null ? null : lostSession(pipelines, sessions);
  };

  /**
   * Stops a program between two of its looks at the agent: in the middle of one it would later act on what it saw before, and
   * while it writes to its database that would stay locked.
   *
   * @returns whether it is stopped
   */
  const stopProgram = async (program: number): Promise<boolean> => {
    for (let tries = 1; tries <= STOP_TRIES; tries += 1) {
      if (endReason !== null) return false;
      if (processes.isAsleep(program)) {
        processes.setStopped(program, true);
        const locks = files.read('/proc/locks') ?? '';
        if (processes.isAsleep(program) && !holdsWriteLock(locks, program)) return true;
        processes.setStopped(program, false);
      }
      await clock.sleep(STOP_PAUSE_MS);
    }
    return false;
  };

  return {
    ended: run(),
    endStage(issue) {
      if (issue !== issueAtWork) return;
      log.orchestrator(`#${issue} cannot work: ending its check-in, which would take it for done or blocked`);
      endCheckIn('its stage cannot work');
    },
    async maintain() {
      // A check-in may take half an hour, in which the database may come and go.
      if (work !== null) writeHeartbeat({});
      const lost = await findLost();
      if (lost === null || work === null) {
        missed = null;
        return;
      }
      const { session } = lost;
      if (missed?.session !== session) {
        missed = { session, since: clock.now() };
      } else if (endReason === null && clock.now() - missed.since >= LOST_MS) {
        const inSession = (await tmux.hasSession(tmuxName(session))) ? 'the agent in its' : 'its';
        log.orchestrator(`#${lost.issue}: ${inSession} session ${session} is gone: ending its check-in`);
        // Including the shell that the agent left: it would be taken for an agent at work.
        await tmux.killSession(tmuxName(session));
        endCheckIn(`${inSession} session ${session} is gone`);
      }
    },
    async waitForAnswer() {
      // There is one at most.
      const [program] = holdersOf(processes, paths.checkInLock).flatMap((group) => processes.children(group));
      const session = heartbeat.asks ?? null;
      if (program === undefined && session !== null) writeHeartbeat({ asks: null });
      if (program === undefined || endReason !== null) return;
      const stopped = processes.isStopped(program);
      const asking = { stopped, session, agents: stageAgents(environment.claudeDir, files) };
      const pipelines = mayChange(asking) ? await readPipelines() : null;
      const plan = pipelines === null ? null : planQuestion(asking, pipelines, clock.now());
      if (plan === null) return;
      if (plan === 'go-on') {
        processes.setStopped(program, false);
        log.orchestrator('the agent that asked has ended its turn: its check-in goes on');
        writeHeartbeat({ asks: null });
      } else if (await stopProgram(program)) {
        log.orchestrator(`#${plan.issue} asks the operator: its check-in is stopped until it has the answer`);
        writeHeartbeat({ asks: tmuxName(plan.session) });
      }
    },
    working: () => work,
    groups: () => holdersOf(processes, paths.checkInLock),
  };
}

/** Where the program branches off for an issue. */
function baseOf({ dialect }: View): Base {
  return dialect?.name === 'B' ? 'origin/main' : 'HEAD';
}

function describe({ actions, error }: Outcome): string {
  if (error !== null) return error;
  return actions.length === 0 ? 'done' : actions.map(describeAction).join('; ');
}

function describeAction({ issue, action, stage, message }: CheckInAction): string {
  return `#${issue} ${action}${stage ? ` ${stage}` : ''}${message ? ` (${message})` : ''}`;
}
