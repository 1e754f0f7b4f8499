/**
 * Finds stages whose prompt never arrived: claude started too slowly (without network it takes 20 s, and `factory` pastes
 * after 15), or a dialog swallowed it. A minute and a half later `factory` takes the quiet pane for a finished stage. Uses
 * claude's own record of the session (CLAUDE_CONFIG_DIR/sessions/PID.json), not the pane.
 */
import { join } from 'node:path';
import { isRecord } from '../../../scripts/lib/contract.ts';
import type { Files, TmuxSession } from '../effects/effects.ts';

/** By then `factory` has pasted the prompt, but not yet judged the stage. */
const PATIENCE_MS = 45_000;
/** The record says `idle` right after the start, and again only after a turn. */
const NEVER_BUSY_MS = 5_000;

/** The fields of the record that we use; claude 2.1.330 writes more. */
export interface AgentRecord {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, which distinguishes a reused process id. */
  readonly procStart: string;
  readonly sessionId: string;
  /** `23-build-1:@0.%0`. */
  readonly tmux: string;
  readonly status: string;
  readonly waitingFor?: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly statusUpdatedAt: number;
}

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
  return agents.flatMap(({ tmux, status, waitingFor, startedAt, statusUpdatedAt }) => {
    const session = sessions.find(({ name }) => name === /^(.+):@\d+\.%\d+$/.exec(tmux)?.[1]);
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
  const folder = join(claudeDir, 'sessions');
  const projects = join(claudeDir, 'projects');
  return files.list(folder).flatMap((name) => {
    if (!/^\d+\.json$/.test(name)) return [];
    const agent = parse(files.read(join(folder, name)));
    if (agent === null || startOf(files.read(`/proc/${agent.pid}/stat`)) !== agent.procStart) return [];
    const transcript = `${agent.sessionId}.jsonl`;
    return files.list(projects).some((project) => files.exists(join(projects, project, transcript)))
      ? []
      : [agent];
  });
}

function parse(text: string | null): AgentRecord | null {
  try {
    const record: unknown = JSON.parse(text ?? '');
    if (!isRecord(record)) return null;
    const { pid, procStart, sessionId, tmux, status, startedAt, statusUpdatedAt } = record;
    const complete =
      [pid, startedAt, statusUpdatedAt].every((value) => typeof value === 'number') &&
      [procStart, sessionId, tmux, status].every((value) => typeof value === 'string') &&
      /^[\w-]+$/.test(sessionId as string);
    return complete ? (record as unknown as AgentRecord) : null;
  } catch {
    // claude is still writing it.
    return null;
  }
}

/** @param stat content of /proc/PID/stat, whose second field, in parentheses, may contain anything */
function startOf(stat: string | null): string | undefined {
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}
