/** Waits until a worker reaches a goal: the goals, and the loop that checks them. */
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, UsageError } from '../cli/errors.ts';
import { pause } from '../cli/pause.ts';
import { didYouMean } from '../cli/text.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { isBehind, isLive, type Pipeline } from '../factory.ts';
import { observe } from '../health/observe.ts';
import { openConnections, WATCHING } from '../transport/connections.ts';
import { isBlocked } from '../worker/account.ts';
import { checkRepo, type NamedIssues, parseIssue } from '../worker/arguments.ts';
import { createReach } from '../worker/observe.ts';
import { failedDependencies, isQueueUnknown, itemName, openItems } from '../worker/queue.ts';
import type { QueueItem, Snapshot } from '../worker/snapshot.ts';

/** The state of a goal at one look. */
export interface Verdict {
  /** `never`: not without the operator. */
  readonly state: 'reached' | 'open' | 'never';
  /** A sentence for people: `demo#23 is at stage qa`. */
  readonly says: string;
}

/** Something to wait for. */
export interface Goal {
  /** As typed: `idle`, `issue:23=completed`. */
  readonly name: string;
  readonly judge: (snapshot: Snapshot) => Verdict;
  /** Checked against the worker at each look, where a project was typed with the issue. */
  readonly named?: NamedIssues;
}

const ENDS = ['completed', 'failed', 'ended'] as const;
type End = (typeof ENDS)[number];

/**
 * @param word `idle`, or `issue:N=completed`, `issue:N=failed`, `issue:N=ended`; N in any form of {@link parseIssue}
 * @throws UsageError when it is neither
 */
export function parseGoal(word: string): Goal {
  if (word === 'idle') return IDLE;
  const [, named, end = 'completed'] = /^(?:issue:|(?=.*#|https?:))(.+?)(?:=(\w+))?$/.exec(word) ?? [];
  if (named === undefined) {
    throw new UsageError(`cannot wait for "${word}"`, 'wait for idle, or for issue:23=completed');
  }
  const wanted = ENDS.find((known) => known === end);
  if (wanted === undefined) {
    const near = didYouMean(end, ENDS);
    throw new UsageError(
      `an issue can be waited for until it is ${ENDS.join(', ')}; not "${end}"`,
      ...(near === null ? [] : [near]),
    );
  }
  const { issue, repo } = parseIssue(named, 'issue:');
  return { ...issueGoal(issue, wanted), named: { issues: [issue], repo } };
}

/** @param name the name of the issue, if it is known before the first look */
export function issueGoal(issue: number, end: End, name?: string): Goal {
  let known = name !== undefined;
  return {
    name: `issue:${issue}=${end}`,
    judge(snapshot) {
      const row = snapshot.queue.find((item) => item.issue === issue);
      const begun = snapshot.pipelines.find((pipeline) => pipeline.issue === issue);
      const called = name ?? (row === undefined ? `#${issue}` : itemName(row));
      if (row === undefined && begun === undefined && !known) {
        return { state: 'never', says: `${called} is not in the queue` };
      }
      known = true;
      const fate = fates(snapshot)(issue);
      const failed = row?.status === 'failed' || begun?.status === 'failed';
      return { state: stateOf(fate, end, failed), says: `${called} ${describeFate(fate)}` };
    },
  };
}

function stateOf({ kind }: Fate, end: End, failed: boolean): Verdict['state'] {
  if (kind === 'open') return 'open';
  if (end === 'ended') return 'reached';
  if (end === 'failed') return failed ? 'reached' : 'never';
  return kind === 'completed' ? 'reached' : 'never';
}

function describeFate(fate: Fate): string {
  if (fate.kind === 'lost') return fate.reason;
  if (fate.kind === 'completed') return 'is completed';
  return fate.stage === null ? 'waits in the queue' : `is at stage ${fate.stage}`;
}

/** Nothing is queued, and no pipeline is left to work on. */
const IDLE: Goal = {
  name: 'idle',
  judge(snapshot) {
    const open = openItems(snapshot);
    const fateOf = fates(snapshot);
    const numbers = new Set(open.map(({ issue }) => issue));
    const stray = snapshot.pipelines.filter((pipeline) => isLive(pipeline) && !numbers.has(pipeline.issue));
    if (open.length === 0 && stray.length === 0) return { state: 'reached', says: 'nothing is queued' };
    for (const item of open) {
      const fate = fateOf(item.issue);
      if (fate.kind === 'lost') return { state: 'never', says: `${itemName(item)} ${fate.reason}` };
    }
    const blocked = stray.find((pipeline) => isBlocked(snapshot, pipeline));
    if (blocked !== undefined) {
      return { state: 'never', says: `#${blocked.issue} is blocked at stage ${blocked.stage}` };
    }
    const names = [...open.map(itemName), ...stray.map(({ issue }) => `#${issue}`)];
    return { state: 'open', says: `still to do: ${names.join(', ')}` };
  },
};

/** Between two looks. */
const PAUSE_MS = 3_000;

interface Limits {
  /** How long one look may take. */
  readonly timeoutMs: number;
  /** The limit of the whole wait. */
  readonly limitMs: number;
}

/**
 * Looks until all goals are reached, or one of them never will be; reports each change once, on stderr. Keeps asking a worker
 * that does not answer.
 *
 * @returns the last verdicts, in the order of the goals
 * @throws CliError with exit 124 after the time limit
 */
export async function waitUntil(
  context: Context,
  worker: WorkerEntry,
  goals: readonly Goal[],
  { timeoutMs, limitMs }: Limits,
): Promise<readonly Verdict[]> {
  const { stderr, signal, now } = context;
  const until = now().getTime() + limitMs;
  openConnections(context, [worker], WATCHING);
  const said = new Map<string, string>();
  const say = (about: string, text: string) => {
    if (said.get(about) !== text) stderr.write(`${text}\n`);
    said.set(about, text);
  };
  for (;;) {
    const { snapshot, problems } = await observe(
      createReach(context, timeoutMs),
      worker,
      'brief',
      context,
      timeoutMs,
    );
    // A queue that cannot be read looks like an empty one.
    const verdicts =
      snapshot === null || isQueueUnknown(snapshot)
        ? []
        : goals.map(({ judge, named }) => {
            if (named !== undefined) checkRepo(named, snapshot, worker.name);
            return judge(snapshot);
          });
    verdicts.forEach(({ says }, index) => {
      say(goals[index]?.name ?? '', says);
    });
    const [trouble] = problems;
    if (trouble !== undefined) say('worker', `note: ${trouble.cause}`);
    if (verdicts.some(({ state }) => state === 'never')) return verdicts;
    if (verdicts.length > 0 && verdicts.every(({ state }) => state === 'reached')) return verdicts;
    if (now().getTime() >= until) {
      throw new CliError(
        `not ${goals.map(({ name }) => name).join(', ')} within ${limitMs / 1000}s; the work continues`,
        { exitCode: ExitCode.timeout, hints: [`look: ${context.commandLine('status', worker.name)}`] },
      );
    }
    const rest = Math.max(1, until - now().getTime());
    await pause(Math.min(PAUSE_MS, rest), signal, `no longer waiting; the work continues in ${worker.name}`);
  }
}

/** What becomes of a dispatched issue. */
export type Fate =
  | { readonly kind: 'open'; readonly stage: string | null }
  | { readonly kind: 'completed' }
  /** It will not be completed without the operator; `reason` completes the sentence "demo#23 …". */
  | { readonly kind: 'lost'; readonly reason: string };

/**
 * What is looked up is collected once, since a queue may have ten thousand rows.
 *
 * @returns a function for issues that were in the queue when the wait began
 */
export function fates(snapshot: Snapshot): (issue: number) => Fate {
  const rows = firstByIssue(snapshot.queue);
  const pipelines = firstByIssue(snapshot.pipelines);
  const failedDependency = failedDependencies(snapshot.queue);
  return (issue) => fateOf(rows.get(issue), pipelines.get(issue), snapshot, failedDependency);
}

const firstByIssue = <T extends { readonly issue: number }>(all: readonly T[]): ReadonlyMap<number, T> =>
  new Map(all.map((one) => [one.issue, one] as const).reverse());

function fateOf(
  row: QueueItem | undefined,
  pipeline: Pipeline | undefined,
  snapshot: Snapshot,
  failedDependency: (row: QueueItem) => QueueItem | undefined,
): Fate {
  const completed =
    row === undefined
      ? pipeline?.status === 'completed'
      : row.status === 'completed' || isBehind(row, snapshot.pipelines);
  if (completed) return { kind: 'completed' };
  if (row?.status === 'failed') return { kind: 'lost', reason: 'has failed' };
  if (row === undefined) return { kind: 'lost', reason: 'was taken out of the queue' };
  if (pipeline !== undefined && isBlocked(snapshot, pipeline))
    return { kind: 'lost', reason: `is blocked at stage ${pipeline.stage}` };
  // Failing or aborting a pipeline by hand leaves its row active.
  if (pipeline?.status === 'failed') return { kind: 'lost', reason: `has failed at stage ${pipeline.stage}` };
  const failed = failedDependency(row);
  if (failed !== undefined) return { kind: 'lost', reason: `waits for #${failed.issue}, which has failed` };
  return { kind: 'open', stage: pipeline?.stage ?? null };
}
