/**
 * claude's own records of its live sessions, CLAUDE_CONFIG_DIR/sessions/PID.json: whether an agent works or waits, without
 * looking at its pane.
 */
import { join } from 'node:path';
import { isRecord } from '../../../scripts/lib/contract.ts';
import { parseStageName } from '../../../scripts/lib/factory.ts';
import type { Files } from '../effects/effects.ts';

/** The fields of the record that we use; claude 2.1.330 writes more. */
export interface AgentRecord {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, which distinguishes a reused process id. */
  readonly procStart: string;
  readonly sessionId: string;
  /** `23-build-1:@0.%0`. */
  readonly tmux: string;
  /** `busy`, `waiting` (for an answer), or `idle`, which comes after the hooks of Stop have ended. */
  readonly status: string;
  /** `input needed` (a question of the agent), `permission prompt`, `dialog open`. */
  readonly waitingFor?: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly statusUpdatedAt: number;
}

/** The name of the tmux session that an agent runs in; undefined outside of tmux. */
export function sessionOf({ tmux }: AgentRecord): string | undefined {
  return /^(.+):@\d+\.%\d+$/.exec(tmux)?.[1];
}

/** @returns records whose process lives */
export function liveAgents(claudeDir: string, files: Pick<Files, 'list' | 'read'>): AgentRecord[] {
  const folder = join(claudeDir, 'sessions');
  return files.list(folder).flatMap((name) => {
    if (!/^\d+\.json$/.test(name)) return [];
    const agent = parse(files.read(join(folder, name)));
    const alive = agent !== null && startOf(files.read(`/proc/${agent.pid}/stat`)) === agent.procStart;
    return alive ? [agent] : [];
  });
}

/** Whether an agent has received a prompt: its session has a transcript then. */
export function wasAsked(
  { sessionId }: AgentRecord,
  claudeDir: string,
  files: Pick<Files, 'list' | 'exists'>,
): boolean {
  const projects = join(claudeDir, 'projects');
  return files.list(projects).some((project) => files.exists(join(projects, project, `${sessionId}.jsonl`)));
}

/** @returns the live agents of stages that have received their prompt */
export function stageAgents(
  claudeDir: string,
  files: Pick<Files, 'list' | 'read' | 'exists'>,
): AgentRecord[] {
  return liveAgents(claudeDir, files).filter(
    (agent) => parseStageName(sessionOf(agent) ?? '') !== null && wasAsked(agent, claudeDir, files),
  );
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
