/** Changes to rows of a queue: which are possible, what they mean, and their outcome. Pure. */
import { CliError } from '../cli/errors.ts';
import type { DispatchRequest } from '../dispatch/request.ts';
import { isLive, parseError } from '../factory.ts';
import { readLines } from '../read-contract.ts';
import type { Frame } from '../transport/frame.ts';
import { itemName } from '../worker/queue.ts';
import type { QueueItem, Snapshot } from '../worker/snapshot.ts';
import type { Advice } from './plan.ts';

export type Action = 'remove' | 'requeue' | 'set-intent';

/** The outcome for one row, or why nothing is done with it. */
export interface Outcome {
  readonly issue: number;
  readonly ok: boolean;
  readonly message: string;
  readonly next?: Advice;
}

export interface Wanted {
  readonly action: Action;
  readonly issues: readonly number[];
  /** The intent, for `set-intent`. */
  readonly text: string;
  readonly worker: string;
}

/** A change to rows, as scripts/remote/queue.sh reads it. */
export interface RowRequest {
  /** The operator, for the record on the worker: `user@host`. */
  readonly by: string;
  readonly action: 'remove' | 'set-intent';
  readonly issues: readonly number[];
  /** The intent, for `set-intent`. */
  readonly text: string;
}

export interface QueueChange extends Wanted {
  /** The issues with which nothing is done. */
  readonly outcomes: readonly Outcome[];
}

export function planChange(snapshot: Snapshot, wanted: Wanted): QueueChange {
  const settled = wanted.issues.map((issue) => settle(snapshot, issue, wanted));
  return {
    ...wanted,
    issues: wanted.issues.filter((_, index) => settled[index] === null),
    outcomes: settled.filter((outcome) => outcome !== null),
  };
}

/** The outcome when there is nothing to do or it is refused; null when the change is to be made. */
function settle({ queue, pipelines }: Snapshot, issue: number, { action, worker }: Wanted): Outcome | null {
  const row = queue.find((candidate) => candidate.issue === issue);
  const pipeline = pipelines.find((candidate) => candidate.issue === issue);
  const outcome = (ok: boolean, message: string, next?: Advice): Outcome => ({
    issue,
    ok,
    message,
    ...(next ? { next } : {}),
  });
  if (row === undefined && !(action === 'requeue' && pipeline !== undefined)) {
    return outcome(action === 'remove', `#${issue} is not in the queue of ${worker}`);
  }
  const name = row === undefined ? `#${issue}` : itemName(row);
  const working = pipeline !== undefined && isLive(pipeline);
  const giveUp: Advice = { why: 'give it up first', command: ['unstick', worker, `${issue}`, '--give-up'] };
  switch (action) {
    case 'remove':
      return working
        ? outcome(
            false,
            `${name} is being worked on (${pipeline.status}, stage ${pipeline.stage}): without its row it would be invisible`,
            giveUp,
          )
        : null;
    case 'requeue':
      if (working)
        return outcome(
          false,
          `${name} is being worked on (${pipeline.status}, stage ${pipeline.stage})`,
          giveUp,
        );
      if (row?.status === 'pending') return outcome(true, `${name} waits in the queue already`);
      return (row?.owner ?? null) === null
        ? outcome(false, `it is not known which project ${name} belongs to`, {
            why: 'say it',
            command: ['dispatch', worker, '--project', 'NAME', '--issue', `${issue}`, '--requeue'],
          })
        : null;
    case 'set-intent':
      return row !== undefined && (row.status === 'completed' || row.status === 'failed')
        ? outcome(false, `${name} is ${row.status}: its intent is no longer read`, {
            why: 'run it again',
            command: ['queue', worker, 'requeue', `${issue}`],
          })
        : null;
  }
}

/** What is going to be done, one line per row. */
export function describeChange(
  { action, issues, text }: QueueChange,
  { queue, pipelines }: Snapshot,
): string {
  const lines = issues.map((issue) => {
    const row = queue.find((candidate) => candidate.issue === issue);
    const name = row === undefined ? `#${issue}` : itemName(row);
    const begun = pipelines.some((pipeline) => pipeline.issue === issue);
    const sentences: Readonly<Record<Action, string>> = {
      remove: `remove ${name} (${row?.status}) from the queue${begun ? '; its pipeline and worktree stay' : ''}`,
      requeue: `queue ${name} (${row?.status}) again; its pipeline, worktree and branch are removed, unmerged commits are kept`,
      'set-intent': `set the intent of ${name} from "${row?.intent}" to "${text}"`,
    };
    return `${sentences[action]}\n`;
  });
  return lines.join('');
}

/** The dispatch that queues a finished row again, as it was. */
export function requeueRequest(
  { queue }: Snapshot,
  issue: number,
  { id, by }: Pick<DispatchRequest, 'id' | 'by'>,
): DispatchRequest {
  const row = queue.find((candidate) => candidate.issue === issue) as QueueItem;
  return {
    id,
    by,
    project: row.owner ?? '',
    issues: [issue],
    intent: row.intent === '' ? undefined : row.intent,
    dependsOn: row.dependsOn,
    requeue: true,
    dryRun: false,
  };
}

/**
 * @param frame the answer of scripts/remote/queue.sh
 * @throws CliError when nothing was changed, ContractError when the answer is not valid
 */
export function parseChange(frame: Frame, action: Action): Outcome[] {
  const busy = frame.parts.get('busy');
  if (busy) throw new CliError(`nothing was changed: ${busy.text}`, { hints: ['type it again'] });
  const done = { remove: 'is out of the queue', requeue: 'is queued again', 'set-intent': 'has its intent' }[
    action
  ];
  const outcomes = frame.parts.get('outcomes')?.text ?? '';
  return readLines('rowOutcome', 'what the worker says of the change', outcomes).map(
    ({ issue, ok, message }) => ({
      issue,
      ok,
      message: ok ? `#${issue} ${done}` : `#${issue}: ${parseError(message)}`,
    }),
  );
}
