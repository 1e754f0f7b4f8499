/** A worker as one row of the dashboard. Pure. */
import { safe } from '../cli/sink.ts';
import { age, oneLine } from '../cli/text.ts';
import type { PaneView } from '../health/inside.ts';
import type { Observation } from '../health/observe.ts';
import { firstProblem, needsYou, shortCause } from '../health/short-cause.ts';
import { waitingPanes } from '../health/work-rules.ts';
import { itemName, openItems } from '../worker/queue.ts';
import { parseStageName, workSessions } from '../worker/sessions.ts';
import type { QueueItem, Snapshot } from '../worker/snapshot.ts';

/** The groups, in their order on the screen. */
export const GROUPS = ['NEEDS YOU', 'AT WORK', 'IDLE'] as const;

export type Group = (typeof GROUPS)[number];

/** Text of the worker is on one line, without control characters, and with tokens masked. */
export interface Row {
  readonly worker: string;
  readonly group: Group;
  /** In about three words: `silent 11m`, `asks a question`. */
  readonly cause: string;
  /** The issue that it is about: `demo#23`; empty when there is none. */
  readonly issue: string;
  /** Its number, for commands. */
  readonly number: number | null;
  readonly stage: string;
  /** How long the stage has been running. */
  readonly age: string;
  /** How many issues wait behind it. */
  readonly behind: number;
  /** The names of its sessions as tmux has them, the one to look at first. */
  readonly sessions: readonly string[];
  readonly drained: boolean;
}

/** @param panes what its panes show; empty when it could not be asked */
export function rowOf(seen: Observation, panes: readonly PaneView[]): Row {
  const { worker, snapshot, status } = seen;
  const waiting = snapshot === null ? undefined : waitingPanes(snapshot, panes)[0];
  const open = snapshot === null ? [] : openItems(snapshot);
  const item = snapshot === null ? undefined : concerned(seen, snapshot, waiting?.session);
  const needs = waiting !== undefined || needsYou(seen);
  const works =
    snapshot !== null && (snapshot.locks.checkIn || open.some(({ status: row }) => row === 'active'));
  const rests = ['drained', 'stopped', 'starting', 'pending'].includes(status);
  const group = needs ? 'NEEDS YOU' : works && !rests ? 'AT WORK' : 'IDLE';
  const session = waiting?.session ?? item?.pipeline?.session ?? '';
  const started = snapshot?.sessions.find(({ name }) => name === item?.pipeline?.session)?.createdAt;
  return {
    worker: worker.name,
    group,
    cause: clean(waiting?.prompt.says ?? shortCause(seen) ?? calm(seen, group, open.length)),
    issue: clean(item === undefined ? '' : itemName(item)),
    number: item?.issue ?? null,
    stage: clean(item?.pipeline?.stage ?? ''),
    age: snapshot === null || started === undefined ? '' : age(snapshot.now - started),
    behind: open.filter((other) => other !== item).length,
    sessions: snapshot === null ? [] : sessionsOf(snapshot, session),
    drained: snapshot?.drain != null,
  };
}

/** What a worker without problems does. */
function calm({ status }: Observation, group: Group, open: number): string {
  if (status !== 'running') return status;
  if (group === 'AT WORK') return 'at work';
  return open > 0 ? 'between two check-ins' : 'nothing to do';
}

/** The row that the problem or the work is about. */
function concerned(
  seen: Observation,
  snapshot: Snapshot,
  waiting: string | undefined,
): QueueItem | undefined {
  const named = Number(/#(\d{1,9})/.exec(firstProblem(seen)?.cause ?? '')?.[1]);
  const issue = waiting === undefined ? named : parseStageName(waiting)?.issue;
  return snapshot.queue.find((item) => item.issue === issue) ?? openItems(snapshot)[0];
}

function sessionsOf({ sessions }: Snapshot, first: string): string[] {
  const names = workSessions(sessions).map(({ name }) => name);
  // A stage says more than the log of the check-ins.
  const wanted = names.includes(first) ? first : names.find((name) => parseStageName(name) !== null);
  return names.toSorted((a, b) => Number(b === wanted) - Number(a === wanted));
}

function clean(text: string): string {
  return oneLine(safe(text));
}
