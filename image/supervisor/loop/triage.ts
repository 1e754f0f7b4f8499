/**
 * A triage (B, `factory triage run N`) whose session is gone, or whose agent has died and left a shell: the program believes it
 * to be at work for ever. With the outcome written it only has to hear that the session has ended; otherwise the triage is
 * begun again. At most twice a day, then the operator is told what to type.
 */
import type { Repair } from '../../../scripts/lib/contract.ts';
import type { TmuxSession } from '../effects/effects.ts';
import type { Triage } from './open-work.ts';
import { findSession, type RepairAction } from './recovery.ts';

const DAY_MS = 86_400_000;
const MOST_TRIES = 2;
/** The shell is there before the agent. */
const QUIET_SECONDS = 60;

/** @returns null while nothing has to be done; a string: why nothing is done any more, with the cure */
export function recoverTriage(
  triage: Triage,
  {
    sessions,
    repairs,
    directory,
    now,
  }: {
    readonly sessions: readonly TmuxSession[];
    readonly repairs: readonly Repair[];
    /** The triage's clone. */
    readonly directory: string;
    /** Milliseconds since the epoch. */
    readonly now: number;
  },
): RepairAction | string | null {
  const { issue, stage, session, hasOutcome } = triage;
  const alive = findSession(sessions, session);
  const left =
    alive?.bareShell === true && alive.attached === 0 && now / 1000 - alive.windowActivity >= QUIET_SECONDS;
  if (alive !== undefined && !left) return null;
  const action = hasOutcome ? 'mark-exited' : 'run-triage';
  const tries = repairs.filter(
    (past) => past.session === session && past.action === action && now - Date.parse(past.at) < DAY_MS,
  );
  if (tries.length < MOST_TRIES) return { issue, stage, attempt: 0, session, action, cure: '' };
  // The check-ins that follow say what the program makes of it.
  if (hasOutcome) return null;
  return `the triage of #${issue} was interrupted in stage ${stage} again after ${MOST_TRIES} repairs; type: cd ${directory} && factory triage run ${issue}`;
}
