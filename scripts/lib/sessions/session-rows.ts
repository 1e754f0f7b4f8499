/** The sessions of a worker with what they work on: parses the answer of scripts/remote/look.sh with `brief humans`. Pure. */
import { parseInside } from '../health/inside.ts';
import type { Frame } from '../transport/frame.ts';
import { isActive, workSessions } from '../worker/sessions.ts';
import { parseSnapshot } from '../worker/snapshot.ts';

/** A session for the table and for JSON; times are RFC 3339 by the worker's clock. */
export interface SessionRow {
  readonly name: string;
  /** Null for the orchestrator and all sessions that factory did not create; so are the next three. */
  readonly stage: string | null;
  readonly attempt: number | null;
  readonly issue: number | null;
  /** Null also when the project of the issue is unknown. */
  readonly project: string | null;
  readonly state: 'active' | 'idle' | 'exited';
  /** Null also when it has exited and tmux does not know the code. */
  readonly exitCode: number | null;
  readonly createdAt: string;
  /** Time of the last output. */
  readonly activityAt: string;
  /** How many terminals are attached. */
  readonly attached: number;
  /** Whether factory considers it human-driven; null for a session that is not of a stage. */
  readonly human: boolean | null;
}

/** @returns the rows in the order in which `peek` numbers them, and the worker's clock in seconds since 1970 */
export function parseSessionRows(frame: Frame): { readonly rows: SessionRow[]; readonly now: number } {
  const { sessions, queue, now } = parseSnapshot(frame);
  const { human } = parseInside(frame);
  const time = (seconds: number) => new Date(seconds * 1000).toISOString();
  const rows = workSessions(sessions).map((session): SessionRow => {
    const { name, stage, exited, attached } = session;
    return {
      name,
      stage: stage?.stage ?? null,
      attempt: stage?.attempt ?? null,
      issue: stage?.issue ?? null,
      project: queue.find(({ issue }) => issue === stage?.issue)?.owner ?? null,
      state: exited !== null ? 'exited' : isActive(session, now) ? 'active' : 'idle',
      exitCode: exited === 'unknown' ? null : exited,
      createdAt: time(session.createdAt),
      activityAt: time(session.activityAt),
      attached,
      human: stage === null ? null : human.has(name),
    };
  });
  return { rows, now };
}
