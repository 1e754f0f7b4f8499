/** `queue`: shows and changes the rows of a worker's queue. */
import { randomUUID } from 'node:crypto';
import { chooseAction, refuseMisplaced } from './lib/cli/action.ts';
import { type Context, defineCommand } from './lib/cli/command.ts';
import { CliError, ExitCode, UsageError } from './lib/cli/errors.ts';
import { type Column, renderJson, renderTable } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat, TABLE_FLAGS } from './lib/cli/output-flags.ts';
import { confirm } from './lib/cli/prompt.ts';
import { runIfMain } from './lib/cli/run.ts';
import { age, count } from './lib/cli/text.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { userAtHost } from './lib/config/user.ts';
import { describeOutcome, parseDispatchAnswer, succeeded } from './lib/dispatch/outcome.ts';
import { dispatchArgs } from './lib/dispatch/request.ts';
import type { Transport } from './lib/transport/transport.ts';
import { runChange } from './lib/unstick/change.ts';
import {
  describeMove,
  type MovePlan,
  type MoveRequest,
  parseMove,
  planMove,
  type WantedMove,
} from './lib/unstick/move.ts';
import {
  describeChange,
  type Outcome,
  parseChange,
  planChange,
  type QueueChange,
  type RowRequest,
  requeueRequest,
} from './lib/unstick/queue-change.ts';
import { checkRepo, type NamedIssues, parseIssue, parseIssues } from './lib/worker/arguments.ts';
import { describeClearing } from './lib/worker/in-the-way.ts';
import { findWorker } from './lib/worker/observe.ts';
import { WORKER } from './lib/worker/positionals.ts';
import { isQueueUnknown, itemName, openItems } from './lib/worker/queue.ts';
import { parseSnapshot, type QueueItem, type Snapshot } from './lib/worker/snapshot.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['table', 'json'] as const;
const ACTIONS = ['list', 'move', 'remove', 'requeue', 'set-intent'] as const;

type Word = (typeof ACTIONS)[number];

/** Flags of one action. */
const ONLY_FOR = { all: 'list', top: 'move', before: 'move' } as const satisfies Record<string, Word>;

export const queue = defineCommand({
  name: 'queue',
  summary: SUMMARIES.queue,
  description: `list shows the rows that still need work, in the order in which they are taken; --all adds the finished ones. move puts
waiting rows at the top or before another one; factory itself only adds at the end, so the rows behind them are removed and
added again, and their AGE begins anew. remove deletes a row; an issue that is being worked on has to be given up
first (unstick --give-up). requeue runs an issue again that is completed, failed, or was taken and not begun, with its project,
intent and dependencies; its worktree and branch are dropped, unmerged commits stay under refs/factory-worker in the clone.
set-intent sets the intent: what users get from the issue.`,
  positionals: [
    WORKER,
    { name: ACTIONS.join('|'), required: false },
    { name: 'ISSUE', required: false, repeat: true },
  ],
  flags: {
    all: { type: 'boolean', short: 'a', description: 'list: also the finished rows' },
    top: { type: 'boolean', description: 'move: before all rows that wait' },
    before: { type: 'string', value: 'ISSUE', description: 'move: before this row' },
    'dry-run': { type: 'boolean', description: 'say what would be done, change nothing' },
    yes: { type: 'boolean', short: 'y', description: 'do it without asking' },
    ...OUTPUT_FLAGS(FORMATS),
    ...TABLE_FLAGS,
    ...WORKER_FLAGS,
    timeout: { ...WORKER_FLAGS.timeout, default: '2m' },
  },
  examples: [
    ['worker-1', 'what is still to be done, with dependencies and intents'],
    ['worker-1 move 31 --top', 'the next one to be taken'],
    ['worker-1 remove 23 24', 'remove two rows'],
    ['worker-1 requeue 23 --yes', 'run a failed issue again, without asking'],
    ["worker-1 set-intent 23 'Users can log in with a passkey'", 'for a row that factory skips'],
  ],
  async run({ flags, positionals: [name = '', word = 'list', ...rest] }, context) {
    const format = outputFormat(flags, FORMATS);
    const action = chooseAction('queue', ACTIONS, word);
    refuseMisplaced('queue', action, ONLY_FOR, flags);
    const { named, text } = parseRest(action, rest);
    const place = action === 'move' ? parsePlace(flags) : null;
    const { timeoutMs, enter } = await findWorker(context, flags, name);
    const { transport } = await enter();
    const worker: Reached = { name, transport, timeoutMs };
    const before = await look(worker, flags['dry-run'], context);
    refuseUnknown(before, name, context);
    if (action === 'list') {
      list(before, name, format, flags, context);
      return ExitCode.ok;
    }
    checkRepo(named, before, name);
    if (action === 'move') {
      checkRepo(
        { issues: place?.issue == null ? [] : [place.issue], repo: place?.repo ?? null },
        before,
        name,
      );
      const wanted = { issues: named.issues, before: place?.issue ?? null, worker: name };
      return move(before, wanted, worker, { dryRun: flags['dry-run'], json: format === 'json' }, context);
    }
    const change = planChange(before, { action, issues: named.issues, text, worker: name });
    if (change.outcomes.length > 0 && change.issues.length === 0)
      return report(change.outcomes, name, format, context);
    context.stderr.write(`${describeChange(change, before)}`);
    if (flags['dry-run']) return report([...change.outcomes, ...wouldBe(change)], name, format, context);
    if (!(await confirm(context, `Do that on ${name}?`, flags.yes))) throw new CliError('nothing was done');
    const done =
      action === 'requeue'
        ? await requeue(change, before, name, transport, timeoutMs, context)
        : await apply({ ...change, action }, transport, timeoutMs, context);
    return report([...change.outcomes, ...done], name, format, context);
  },
});

function parseRest(
  action: Word,
  rest: readonly string[],
): { readonly named: NamedIssues; readonly text: string } {
  if (action === 'list') {
    if (rest.length > 0) throw new UsageError(`unexpected argument "${rest[0]}"`);
    return { named: { issues: [], repo: null }, text: '' };
  }
  if (rest.length === 0) throw new UsageError(`ISSUE is missing: which row to ${action}?`);
  if (action !== 'set-intent') return { named: parseIssues(rest, 'ISSUE'), text: '' };
  const [word = '', text, surplus] = rest;
  if (text === undefined || text.trim() === '')
    throw new UsageError('set-intent takes ISSUE and a TEXT in quotes');
  if (surplus !== undefined)
    throw new UsageError(`unexpected argument "${surplus}"`, 'put the text in quotes');
  const { issue, repo } = parseIssue(word, 'ISSUE');
  return { named: { issues: [issue], repo }, text };
}

/** @throws CliError when the queue could not be read */
function refuseUnknown(snapshot: Snapshot, worker: string, { commandLine }: Context): void {
  if (!isQueueUnknown(snapshot)) return;
  const said = snapshot.faults.find(({ part }) => part === 'queue')?.message ?? 'no answer';
  throw new CliError(`the queue of ${worker} cannot be read: ${said}`, {
    hints: [`why: ${commandLine('why', worker)}`],
  });
}

/** The worker that the command is about, entered. */
interface Reached {
  readonly name: string;
  readonly transport: Transport;
  readonly timeoutMs: number;
}

/** Where `move` puts the rows: before an issue, or at the top. */
function parsePlace({ top, before }: { readonly top: boolean; readonly before: string | undefined }): {
  readonly issue: number | null;
  readonly repo: string | null;
} {
  if (top === (before !== undefined)) throw new UsageError('move takes either --top or --before ISSUE');
  return before === undefined ? { issue: null, repo: null } : parseIssue(before, '--before');
}

/** Looks at the worker; first finishes a move that was cut off, since a row may be missing. */
async function look(worker: Reached, dryRun: boolean, context: Context): Promise<Snapshot> {
  const { transport, timeoutMs } = worker;
  const call = { script: 'look', args: ['full'], timeoutMs, signal: context.signal };
  const frame = await transport.run(call);
  if (!frame.parts.has('moving') || dryRun) return parseSnapshot(frame);
  await runMove({ order: [], again: [] }, [], [], worker, context);
  context.stderr.write('note: an earlier move was cut off, and is finished now\n');
  return parseSnapshot(await transport.run(call));
}

function runMove(
  { again }: MovePlan,
  moved: readonly number[],
  seen: readonly number[],
  { name, transport, timeoutMs }: Reached,
  { signal, commandLine }: Context,
): Promise<Snapshot> {
  const request: MoveRequest = {
    by: userAtHost(),
    moved,
    issues: again.map(({ issue }) => issue),
    projects: again.map(({ owner }) => owner ?? ''),
    seen,
  };
  const call = { script: 'queue-move', args: [JSON.stringify(request)], timeoutMs, signal };
  const typed = commandLine('queue', name);
  return runChange(transport, call, typed).then((frame) => parseMove(frame, typed));
}

async function move(
  before: Snapshot,
  wanted: WantedMove,
  worker: Reached,
  { dryRun, json }: { readonly dryRun: boolean; readonly json: boolean },
  context: Context,
): Promise<number> {
  const { stdout } = context;
  const plan = planMove(before, wanted);
  if (plan.again.length > 0 && !dryRun) {
    const seen = before.queue
      .filter(({ status }) => status === 'pending')
      .sort((a, b) => a.position - b.position)
      .map(({ issue }) => issue);
    await runMove(plan, wanted.issues, seen, worker, context);
  }
  if (json) {
    stdout.write(renderJson({ worker: worker.name, dryRun, order: plan.order.map(({ issue }) => issue) }));
  } else {
    const already = plan.again.length === 0 ? ' already' : '';
    stdout.write(`${describeMove(wanted.issues, plan)}${already}${dryRun ? ' (nothing was changed)' : ''}\n`);
  }
  return ExitCode.ok;
}

function list(
  snapshot: Snapshot,
  worker: string,
  format: (typeof FORMATS)[number],
  flags: { readonly all: boolean; readonly 'no-headers': boolean },
  { stdout, stderr, commandLine }: Context,
): void {
  const { queue: rows, now } = snapshot;
  if (format === 'json') {
    stdout.write(renderJson(rows.map(({ pipeline, ...row }) => ({ ...row, pipeline }))));
    return;
  }
  const open = openItems(snapshot);
  const finished = rows.filter((row) => !open.includes(row));
  const shown = flags.all ? [...open, ...finished] : open;
  if (shown.length > 0) stdout.write(renderRows(shown, open, now, !flags['no-headers']));
  else if (finished.length === 0) stderr.write(`the queue of ${worker} is empty\n`);
  else stderr.write(`nothing is queued on ${worker}\n`);
  if (finished.length > 0 && !flags.all) {
    const failed = finished.filter((row) => row.status === 'failed' || row.pipeline?.status === 'failed');
    const some = failed.length === 0 ? '' : `, ${failed.length} of them failed`;
    stderr.write(
      `${count(finished.length, 'finished row')}${some}; to see them: ${commandLine('queue', worker, '--all')}\n`,
    );
  }
}

/** @param open those that have a place, in its order */
function renderRows(
  rows: readonly QueueItem[],
  open: readonly QueueItem[],
  now: number,
  headers: boolean,
): string {
  const columns: Column<QueueItem>[] = [
    { header: 'PLACE', value: (row) => (open.includes(row) ? String(open.indexOf(row) + 1) : '-') },
    { header: 'ISSUE', value: itemName },
    {
      header: 'STATE',
      value: ({ status, pipeline }) =>
        pipeline === null || pipeline.status === status || status === 'pending'
          ? status
          : `${status} (${pipeline.status})`,
    },
    { header: 'STAGE', value: ({ pipeline }) => pipeline?.stage || '-' },
    { header: 'WAITS FOR', value: ({ dependsOn }) => dependsOn.map((issue) => `#${issue}`).join(',') || '-' },
    { header: 'AGE', value: ({ addedAt }) => (addedAt ? age(now - Date.parse(addedAt) / 1000) : '-') },
    { header: 'INTENT', value: ({ intent }) => intent || '(none)' },
  ];
  return renderTable(rows, columns, { headers });
}

async function apply(
  { action, issues, text, worker }: QueueChange & Pick<RowRequest, 'action'>,
  transport: Transport,
  timeoutMs: number,
  { signal, commandLine }: Context,
): Promise<readonly Outcome[]> {
  const request: RowRequest = { by: userAtHost(), action, issues, text };
  const call = { script: 'queue', args: [JSON.stringify(request)], timeoutMs, signal };
  return parseChange(await runChange(transport, call, commandLine('queue', worker)), action);
}

/** One dispatch for each row, since each has its own intent and dependencies. */
async function requeue(
  { issues }: QueueChange,
  before: Snapshot,
  worker: string,
  transport: Transport,
  timeoutMs: number,
  { signal, commandLine }: Context,
): Promise<Outcome[]> {
  const done: Outcome[] = [];
  for (const issue of issues) {
    const request = requeueRequest(before, issue, { id: randomUUID(), by: userAtHost() });
    const call = { script: 'dispatch', args: dispatchArgs(request), timeoutMs, signal };
    const frame = await runChange(transport, call, commandLine('queue', worker));
    const { outcomes, snapshot } = parseDispatchAnswer(frame, request, worker, commandLine);
    const wayOn = {
      requeue: commandLine('why', worker),
      giveUp: commandLine('unstick', worker, String(issue), '--give-up'),
      clear: (cure: string) => describeClearing(commandLine, worker, issue, cure),
    };
    done.push(
      ...outcomes.map((outcome) => ({
        issue,
        ok: succeeded(outcome),
        message: describeOutcome(outcome, request, snapshot, wayOn),
      })),
    );
  }
  return done;
}

function wouldBe({ action, issues }: QueueChange): Outcome[] {
  return issues.map((issue) => ({ issue, ok: true, message: `#${issue}: would ${action}` }));
}

function report(
  outcomes: readonly Outcome[],
  worker: string,
  format: (typeof FORMATS)[number],
  { stdout, stderr, commandLine }: Context,
): number {
  if (format === 'json') {
    stdout.write(renderJson({ worker, outcomes }));
  } else {
    for (const { ok, message, next } of outcomes) {
      (ok ? stdout : stderr).write(`${message}\n`);
      if (next) stderr.write(`  ${next.why}: ${commandLine(...next.command)}\n`);
    }
  }
  return outcomes.every(({ ok }) => ok) ? ExitCode.ok : ExitCode.failed;
}

await runIfMain(import.meta.url, queue);
