/**
 * The session that a check-in waits for in vain. Either it is gone, as all sessions are when the tmux server dies: the program
 * does not notice, waits until the stage's time-out and blocks the issue. Or its agent has died, killed for memory perhaps: the
 * program takes the quiet pane for a finished stage. When the check-in is ended before that, it leaves an interrupted stage
 * behind, which `recovery.ts` runs again.
 */
import type { Pipeline } from '../../../scripts/lib/factory.ts';
import type { TmuxSession } from '../effects/effects.ts';
import { BELIEVED_AT_WORK, findSession } from './recovery.ts';

/** At the end of a stage the program ends the session first, and records that a moment later. */
export const LOST_MS = 4_000;

/** States in which the agent has been running; at `started` it may still be starting. */
export const AGENT_IS_THERE = new Set(['active', 'factory_send', 'steer']);

/**
 * @returns the pipeline in progress whose session or agent is gone; null also when it is uncertain which one the check-in is
 *   working on. An idle session has done its part, and an exited one was ended on purpose: the program sees both.
 */
export function lostSession(
  pipelines: readonly Pipeline[],
  sessions: readonly TmuxSession[],
): Pipeline | null {
  const [current, ...others] = pipelines.filter(({ status }) => status === 'in_progress');
  if (current === undefined || others.length > 0) return null;
  const { session, sessionState } = current;
  if (session === '' || !BELIEVED_AT_WORK.has(sessionState)) return null;
  const alive = findSession(sessions, session);
  if (alive === undefined) return current;
  const agentGone = AGENT_IS_THERE.has(sessionState) && alive.bareShell && alive.attached === 0;
  return agentGone ? current : null;
}
