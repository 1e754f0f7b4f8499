/** The outcome of a dispatch: parses and describes the answers of scripts/remote/dispatch.sh and dispatch-withdraw.sh. Pure. */
import { CliError, ExitCode, UsageError } from '../cli/errors.ts';
import { didYouMean, enumerate } from '../cli/text.ts';
import type { IssueOutcome } from '../contract.ts';
import { type Dialect, parseError } from '../factory.ts';
import { readLines } from '../read-contract.ts';
import type { Frame } from '../transport/frame.ts';
import { isQueueUnknown, itemName, openItems } from '../worker/queue.ts';
import { parseSnapshot, type Snapshot } from '../worker/snapshot.ts';
import { type CommandLine, describeFilling, makeRoom } from '../worker/status.ts';
import type { DispatchRequest } from './request.ts';

/** The answer of scripts/remote/dispatch.sh. */
export interface DispatchAnswer {
  readonly outcomes: readonly IssueOutcome[];
  readonly snapshot: Snapshot;
}

/**
 * @param worker name of the worker, for messages
 * @param command how a command is typed, for the hints
 * @throws CliError when nothing was added, with the reason and what to do
 */
export function parseDispatchAnswer(
  frame: Frame,
  request: DispatchRequest,
  worker: string,
  command: CommandLine,
): DispatchAnswer {
  const snapshot = parseSnapshot(frame);
  const project = frame.parts.get('project');
  if (project?.rc === 1) throw noClone(snapshot, request.project, worker);
  if (project?.rc === 2) {
    throw new CliError(`${request.project} has no pipeline configuration: ${project.text} is missing`, {
      hints: ['commit one to the repository, or set its path in the list of projects'],
    });
  }
  const busy = frame.parts.get('busy');
  if (busy) throw new CliError(`nothing was queued: ${busy.text}`, { hints: ['type it again'] });
  if (frame.parts.has('withdrawn')) throw new CliError('nothing was queued: this dispatch was withdrawn');
  checkDialect(snapshot.dialect, request);
  const outcomes = frame.parts.get('outcomes');
  if (outcomes === undefined) throw noQueue(snapshot, makeRoom(worker, command));
  return { outcomes: parseOutcomes(outcomes.text), snapshot };
}

/** The outcome of a dry run for a project that the worker has not cloned yet, so it has none of its issues. */
export function planWithoutClone({ issues }: DispatchRequest, snapshot: Snapshot): DispatchAnswer {
  const outcomes = issues.map((issue): IssueOutcome => {
    const row = snapshot.queue.find((item) => item.issue === issue);
    return row === undefined
      ? { issue, outcome: 'would-queue', detail: '' }
      : { issue, outcome: 'other-project', detail: row.owner ?? '?' };
  });
  return { outcomes, snapshot };
}

/**
 * @param frame the answer of scripts/remote/dispatch-withdraw.sh, which runs when the answer to the dispatch was lost
 * @returns the outcome of each issue; null while that is uncertain, since the dispatch may still run or the queue cannot be
 *   read
 */
export function parseWithdrawal(frame: Frame, { issues, project }: DispatchRequest): DispatchAnswer | null {
  if (frame.parts.has('busy')) return null;
  const snapshot = parseSnapshot(frame);
  if (isQueueUnknown(snapshot)) return null;
  const known = parseOutcomes(frame.parts.get('outcomes')?.text ?? '');
  const queued = openItems(snapshot).filter(({ owner }) => owner === project || owner === null);
  const outcomes = issues.map(
    (issue): IssueOutcome =>
      known.find((outcome) => outcome.issue === issue) ?? {
        issue,
        outcome: queued.some((item) => item.issue === issue) ? 'queued' : 'lost',
        detail: '',
      },
  );
  return { outcomes, snapshot };
}

/** @throws ContractError when a line is not an outcome */
function parseOutcomes(text: string): IssueOutcome[] {
  return readLines('issueOutcome', 'what the worker says of the dispatch', text);
}

function noQueue({ faults, dialect, disk }: Snapshot, room: string): CliError {
  const fault = faults.find(({ part }) => part === 'queue' || part === 'dialect');
  const full = describeFilling(disk);
  const why = [fault?.message ?? 'no answer', ...(full === null ? [] : [full])].join('; ');
  return new CliError(`nothing was queued: factory cannot read its queue: ${why}`, {
    hints: [
      ...(dialect?.postgres
        ? [
            'this factory keeps its queue in PostgreSQL: set DATABASE_URL in its environment, or use an image with a SQLite build',
          ]
        : []),
      ...(full === null ? [] : [room]),
    ],
  });
}

function noClone({ clones, boot }: Snapshot, project: string, worker: string): CliError {
  const names = clones.map((clone) => clone.project);
  const suggestion = didYouMean(project, names);
  const phase = boot?.phases.find(({ name }) => name === 'clones');
  return new CliError(`${worker} has no project ${project}`, {
    exitCode: ExitCode.usage,
    hints: [
      ...(suggestion === null ? [] : [suggestion]),
      names.length === 0 ? 'it has no projects yet' : `its projects: ${names.join(', ')}`,
      ...(phase && phase.status !== 'ok' && phase.message !== '' ? [`clones: ${phase.message}`] : []),
      'clone it there: dispatch … --clone owner/name',
    ],
  });
}

function checkDialect(dialect: Dialect | null, { intent, dependsOn }: DispatchRequest): void {
  if (dialect === null) return;
  if (dependsOn.length > 0 && !dialect.dependsOn) {
    throw new UsageError('the factory in this worker has no dependencies between issues (--depends-on)');
  }
  if (intent !== undefined && !dialect.intent) {
    throw new UsageError('the factory in this worker has no intents (--intent)');
  }
}

/** Whether the issue is in the queue, or would be. */
export function succeeded({ outcome }: IssueOutcome): boolean {
  return outcome === 'queued' || outcome === 'already' || outcome.startsWith('would-');
}

/** What to type when an issue was not queued. */
export interface WayOn {
  /** This dispatch with `--requeue`. */
  readonly requeue: string;
  /** The command that gives up the existing pipeline. */
  readonly giveUp: string;
  /** The command that clears what is in the way; `cure`: words to run in the worker, empty when `cleanup` removes it. */
  readonly clear: (cure: string) => string;
}

/** The sentence for one issue. */
export function describeOutcome(
  { issue, outcome, detail }: IssueOutcome,
  { project }: Pick<DispatchRequest, 'project'>,
  snapshot: Snapshot,
  { requeue, giveUp, clear }: WayOn,
): string {
  const name = `${project}#${issue}`;
  switch (outcome) {
    case 'queued':
      return `${name} queued: ${place(issue, snapshot)}${detail && `; the commits of the previous run stay in ${detail}`}`;
    case 'already':
      return `${name} is already queued: ${place(issue, snapshot)}`;
    case 'would-queue':
      return `${name} would be queued`;
    case 'would-requeue':
      return `${name} would be queued again (it is ${finishedWord(detail)}; its worktree and branch would go)`;
    case 'finished':
      return `${name} was not queued: it is ${finishedWord(detail)} already; to run it again, dropping its worktree and branch: ${requeue}`;
    case 'working':
      return `${name} was not queued: its row is ${finishedWord(detail)}, but its pipeline is in progress; to give that up first: ${giveUp}`;
    case 'lost':
      return `${name} is not queued, and will not be: the connection broke first; run the same dispatch again`;
    case 'other-project':
      return `${name} was not queued: this worker has ${detail}#${issue}, and one worker counts issues of all projects together; use another worker, or remove ${detail}#${issue} there first`;
    case 'in-the-way': {
      const [stays, cure = ''] = detail.split('\n');
      return `${name} was not queued: ${stays}, and factory would not begin over that; to clear it: ${clear(cure)}`;
    }
    case 'failed':
      return `${name} was not queued: factory says: ${parseError(detail)}`;
  }
}

function finishedWord(detail: string): string {
  if (detail === 'abandoned') return 'taken from the queue and not begun';
  return detail === 'pipeline' ? 'begun without a row in the queue' : detail;
}

/** `working on it now`, or `place 2 of 3, after demo#22`. */
function place(issue: number, snapshot: Snapshot): string {
  const open = openItems(snapshot);
  const index = open.findIndex((item) => item.issue === issue);
  const item = open[index];
  if (item === undefined) return 'it has left the queue already';
  if (item.status === 'active')
    return item.pipeline ? `working on it now, stage ${item.pipeline.stage}` : 'working on it now';
  const waits =
    item.dependsOn.length > 0
      ? `, after its dependencies ${enumerate(item.dependsOn.map((n) => `#${n}`))}`
      : '';
  const before = open[index - 1];
  return `place ${index + 1} of ${open.length}${before === undefined ? '' : `, behind ${itemName(before)}`}${waits}`;
}
