/**
 * Finds stages whose prompt never arrived: claude started too slowly (without network it takes 20 s, and `factory` pastes
 * after 15), or a dialog swallowed it. A minute and a half later `factory` takes the quiet pane for a finished stage.
 */
import type { Files, TmuxSession } from '../effects/effects.ts';
import { type AgentRecord, liveAgents, sessionOf, wasAsked } from './agents.ts';

/** By then `factory` has pasted the prompt, but not yet judged the stage. */
const PATIENCE_MS = 45_000;
/** The record says `idle` right after the start, and again only after a turn. */
const NEVER_BUSY_MS = 5_000;

export interface Unheard {
  readonly session: string;
  readonly why: string;
  /** When claude was started in it, in milliseconds since the epoch. */
  readonly startedAt: number;
}

/**
 * @param agents records of live processes whose session has no transcript
 * @param sessions the sessions of tmux
 */
export function unheard(
  agents: readonly AgentRecord[],
  sessions: readonly TmuxSession[],
  now: number,
): Unheard[] {
  return agents.flatMap((agent) => {
    const { status, waitingFor, startedAt, statusUpdatedAt } = agent;
    const session = sessions.find(({ name }) => name === sessionOf(agent));
    // A person who is attached sees it, and may be typing.
    if (session === undefined || session.attached > 0 || now - startedAt < PATIENCE_MS) return [];
    const found = (why: string) => [{ session: session.name, why, startedAt }];
    if (status === 'idle' && statusUpdatedAt - startedAt < NEVER_BUSY_MS)
      return found('it was asked nothing');
    return status === 'waiting' && waitingFor === 'dialog open' ? found('it shows a dialog') : [];
  });
}

/** @returns records of claude's live sessions that have no transcript yet */
export function silentAgents(
  claudeDir: string,
  files: Pick<Files, 'list' | 'read' | 'exists'>,
): AgentRecord[] {
  return liveAgents(claudeDir, files).filter((agent) => !wasAsked(agent, claudeDir, files));
}
