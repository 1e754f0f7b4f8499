/**
 * A session that has the name of a stage's attempt but is unknown to the pipeline: the check-in was killed right after
 * creating the session. The next start of the stage fails with "already exists" and blocks the pipeline; without the session
 * it works.
 */
import type { Pipeline } from '../../../scripts/lib/factory.ts';
import type { TmuxSession } from '../effects/effects.ts';
import { tmuxName } from '../effects/tmux.ts';

export type StrayDecision =
  | { readonly kind: 'end-session'; readonly session: string }
  | { readonly kind: 'wait'; readonly reason: string };

/**
 * @param now milliseconds since the epoch
 * @param quietSeconds output younger than this means that the session is in use
 * @returns null when there is no such session
 */
export function decideStray(
  { issue, stage, attempt, status, session }: Pipeline,
  { sessions, now }: { readonly sessions: readonly TmuxSession[]; readonly now: number },
  quietSeconds: number,
): StrayDecision | null {
  if (session !== '' || (status !== 'in_progress' && status !== 'pending')) return null;
  const name = `${issue}-${stage}-${attempt}`;
  const stray = sessions.find((candidate) => candidate.name === tmuxName(name));
  if (stray === undefined) return null;
  if (stray.attached > 0)
    return { kind: 'wait', reason: `#${issue} waits until no one is attached to ${name}` };
  if (now / 1000 - stray.windowActivity >= quietSeconds) return { kind: 'end-session', session: name };
  return {
    kind: 'wait',
    reason: `#${issue} cannot start stage ${stage}: the session ${name} is there already; it is ended after ${quietSeconds} quiet seconds`,
  };
}
