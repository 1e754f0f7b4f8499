/**
 * The session that a check-in waits for in vain. It is gone, as all are when the tmux server dies: the program does not look,
 * waits until the stage's time-out and blocks the issue. Or its agent has ended without a word, killed for memory perhaps: the
 * program takes the quiet pane for a stage that is done. Ended before that, the check-in leaves an interrupted stage behind,
 * which `recovery.ts` runs again.
 */
import type { Pipeline } from '../../../scripts/lib/factory.ts';
import type { TmuxSession } from '../effects/effects.ts';
import { BELIEVED_AT_WORK, findSession } from './recovery.ts';

/** At the end of a stage the program ends the session first, and says so a moment later. */
export const LOST_MS = 4_000;

/** An agent has been in it, and at `started` it may still be on its way. */
const AGENT_IS_THERE = new Set(['active', 'factory_send', 'steer']);

/**
 * @returns the pipeline in progress whose session or agent is gone; null also where it is not certain which one the check-in is at
 *   work on. A session that is idle has done its part, and one that has exited is somebody's doing: the program sees both.
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
