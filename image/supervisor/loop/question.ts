/**
 * A check-in whose agent waits for an answer of the operator. `factory` takes the quiet pane for a finished stage after a minute
 * and a half, and blocks the issue after the stage's time-out. So the check-in is stopped (SIGSTOP) before that, and goes on when
 * the agent has ended its turn: then `factory` sees the end first, however much time has passed. Not as soon as the question is
 * answered: the time-out would hit the agent that works on with the answer.
 *
 * Whether it is stopped is a state of the process, so a later supervisor needs no record of it.
 */
import type { Pipeline } from '../../../scripts/lib/factory.ts';
import { type AgentRecord, sessionOf } from '../account/agents.ts';
import { tmuxName } from '../effects/tmux.ts';
import { AGENT_IS_THERE } from './lost-session.ts';
import { BELIEVED_AT_WORK } from './recovery.ts';

/** The hooks of Stop have told the end of a turn by then, or never will. */
const TOLD_MS = 30_000;

export interface Asking {
  /** Whether the check-in is stopped. */
  readonly stopped: boolean;
  /** The session for which it was stopped; null when that is unknown. */
  readonly session: string | null;
  /** Agents of stages that have received their prompt. */
  readonly agents: readonly AgentRecord[];
}

/** Whether the check-in may have to be stopped, or to go on: only then the store has to be read. */
export function mayChange({ stopped, session, agents }: Asking): boolean {
  const waiting = agents.filter(isWaiting);
  return stopped ? !waiting.some((agent) => sessionOf(agent) === session) : waiting.length > 0;
}

/**
 * @param now in milliseconds since the epoch
 * @returns the pipeline whose agent asks, for which the check-in is to be stopped; `go-on`: a stopped one is to go on; null:
 *   everything stays as it is
 */
export function planQuestion(
  { stopped, session, agents }: Asking,
  pipelines: readonly Pipeline[],
  now: number,
): Pipeline | 'go-on' | null {
  const atWork = pipelines.filter(({ status }) => status === 'in_progress');
  const agentsOf = (pipeline: Pipeline) =>
    agents.filter((agent) => sessionOf(agent) === tmuxName(pipeline.session));
  if (!stopped) {
    return (
      atWork.find((pipeline) => isBelievedAtWork(pipeline) && agentsOf(pipeline).some(isWaiting)) ?? null
    );
  }
  const concerned = atWork.filter((pipeline) => session === null || tmuxName(pipeline.session) === session);
  return concerned.every((pipeline) => hasEnded(pipeline, agentsOf(pipeline), now)) ? 'go-on' : null;
}

const isWaiting = ({ status }: AgentRecord) => status === 'waiting';
const isBelievedAtWork = ({ sessionState }: Pipeline) => BELIEVED_AT_WORK.has(sessionState);

function hasEnded(pipeline: Pipeline, agents: readonly AgentRecord[], now: number): boolean {
  if (!isBelievedAtWork(pipeline)) return true;
  // One that was killed is found by lost-session.ts, which ends the check-in; here factory would take it for finished.
  if (agents.length === 0) return !AGENT_IS_THERE.has(pipeline.sessionState);
  return agents.every(({ status, statusUpdatedAt }) => status === 'idle' && now - statusUpdatedAt >= TOLD_MS);
}

/**
 * Whether a process holds a lock for writing: its database would stay locked while it is stopped, also for the hook that tells
 * the end of a turn.
 *
 * @param locks content of /proc/locks: `3: POSIX  ADVISORY  WRITE 4711 08:01:1234 120 120`
 */
export function holdsWriteLock(locks: string, pid: number): boolean {
  return locks.split('\n').some((line) => {
    const [, kind, , mode, holder] = line.trim().split(/\s+/);
    return kind === 'POSIX' && mode === 'WRITE' && holder === `${pid}`;
  });
}
