/**
 * The session that a check-in waits for in vain: it is gone, as all are when the tmux server dies, and the program does not
 * look. It would wait until the stage's time-out and block the issue. Ended before that, the check-in leaves an interrupted
 * stage behind, which `recovery.ts` runs again.
 */
import type { Pipeline } from '../../../scripts/lib/factory.ts';
import type { TmuxSession } from '../effects/effects.ts';
import { BELIEVED_AT_WORK, findSession } from './recovery.ts';

/** At the end of a stage the program ends the session first, and says so a moment later. */
export const LOST_MS = 4_000;

/**
 * @returns the pipeline in progress whose session is gone; null also where it is not certain which one the check-in is at
 *   work on. A session that is idle has done its part, and one that has exited is somebody's doing: the program sees both.
 */
export function lostSession(
  pipelines: readonly Pipeline[],
  sessions: readonly TmuxSession[],
): Pipeline | null {
  const [current, ...others] = pipelines.filter(({ status }) => status === 'in_progress');
  if (current === undefined || others.length > 0) return null;
  const { session, sessionState } = current;
  const believed = session !== '' && BELIEVED_AT_WORK.has(sessionState);
  return believed && findSession(sessions, session) === undefined ? current : null;
}
