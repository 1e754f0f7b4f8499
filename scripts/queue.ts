/** `queue`: shows and changes the rows of a worker's queue. */
import { randomUUID } from 'node:crypto';
import { chooseAction } from './lib/cli/action.ts';
import { type Context, defineCommand, runIfMain } from './lib/cli/command.ts';
import { CliError, ExitCode, UsageError } from './lib/cli/errors.ts';
import { type Column, renderJson, renderTable } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat, TABLE_FLAGS } from './lib/cli/output-flags.ts';
import { confirm } from './lib/cli/prompt.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { userAtHost } from './lib/config/user.ts';
import { describeOutcome, parseDispatchAnswer, succeeded } from './lib/dispatch/outcome.ts';
import { dispatchArgs } from './lib/dispatch/request.ts';
import type { Transport } from './lib/transport/transport.ts';
import { runChange } from './lib/unstick/change.ts';
import {
  type Action,
  describeChange,
  type Outcome,
  parseChange,
  planChange,
  type QueueChange,
  type RowRequest,
  requeueRequest,
} from './lib/unstick/queue-change.ts';
import { parseIssues } from './lib/worker/arguments.ts';
import { describeClearing } from './lib/worker/in-the-way.ts';
import { findWorker } from './lib/worker/observe.ts';
import { isQueueUnknown, itemName } from './lib/worker/queue.ts';
import { parseSnapshot, type QueueItem, type Snapshot } from './lib/worker/snapshot.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['table', 'json'] as const;
const ACTIONS = ['list', 'remove', 'requeue', 'set-intent'] as const;

export const queue = defineCommand({
  name: 'queue',
  summary: SUMMARIES.queue,
  description: `list shows every row, including finished ones. remove deletes a row; an issue that is being worked on has to be given up
first (unstick --give-up). requeue runs an issue again that is completed, failed, or was taken and not begun, with its project,
intent and dependencies; its worktree and branch are dropped, unmerged commits stay under refs/factory-worker in the clone.
set-intent sets the intent: what users get from the issue.`,
  positionals: [
    { name: 'WORKER', required: true },
    { name: ACTIONS.join('|'), required: false },
    { name: 'ISSUE', required: false, repeat: true },
  ],
  flags: {
    'dry-run': { type: 'boolean', description: 'say what would be done, change nothing' },
    yes: { type: 'boolean', short: 'y', description: 'do it without asking' },
    ...OUTPUT_FLAGS(FORMATS),
    ...TABLE_FLAGS,
    ...WORKER_FLAGS,
    timeout: { ...WORKER_FLAGS.timeout, default: '2m' },
  },
  examples: [
    ['worker-1', 'every row, with its dependencies and intent'],
    ['worker-1 remove 23 24', 'remove two rows'],
    ['worker-1 requeue 23 --yes', 'run a failed issue again, without asking'],
    ["worker-1 set-intent 23 'Users can log in with a passkey'", 'for a row that factory skips'],
  ],
  async run({ flags, positionals: [name = '', word = 'list', ...rest] }, context) {
    const format = outputFormat(flags, FORMATS);
    const action = chooseAction('queue', ACTIONS, word);
    const { issues, text } = parseRest(action, rest);
    const { timeoutMs, enter } = await findWorker(context, flags, name);
    const { transport } = await enter();
    const before = parseSnapshot(
      await transport.run({ script: 'look', args: ['full'], timeoutMs, signal: context.signal }),
    );
    refuseUnknown(before, name, context);
    if (action === 'list') {
      const json = () => renderJson(before.queue.map(({ pipeline, ...row }) => ({ ...row, pipeline })));
      context.stdout.write(format === 'json' ? json() : renderRows(before, !flags['no-headers']));
      if (before.queue.length === 0 && format !== 'json')
        context.stderr.write(`the queue of ${name} is empty\n`);
      return ExitCode.ok;
    }
    const change = planChange(before, { action, issues, text, worker: name });
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

function parseRest(action: 'list' | Action, rest: readonly string[]): { issues: number[]; text: string } {
  const numbers = (words: readonly string[]) =>
    parseIssues(
      words.map((word) => word.replace(/^#/, '')),
      'ISSUE',
    );
  if (action === 'list') {
    if (rest.length > 0) throw new UsageError(`unexpected argument "${rest[0]}"`);
    return { issues: [], text: '' };
  }
  if (rest.length === 0) throw new UsageError(`ISSUE is missing: which row to ${action}?`);
  if (action !== 'set-intent') return { issues: numbers(rest), text: '' };
  const [issue = '', text, surplus] = rest;
  if (text === undefined || text.trim() === '')
    throw new UsageError('set-intent takes ISSUE and a TEXT in quotes');
  if (surplus !== undefined)
    throw new UsageError(`unexpected argument "${surplus}"`, 'put the text in quotes');
  return { issues: numbers([issue]), text };
}

/** @throws CliError when the queue could not be read */
function refuseUnknown(snapshot: Snapshot, worker: string, { commandLine }: Context): void {
  if (!isQueueUnknown(snapshot)) return;
  const said = snapshot.faults.find(({ part }) => part === 'queue')?.message ?? 'no answer';
  throw new CliError(`the queue of ${worker} cannot be read: ${said}`, {
    hints: [`why: ${commandLine('why', worker)}`],
  });
}

function renderRows({ queue: rows }: Snapshot, headers: boolean): string {
  const columns: Column<QueueItem>[] = [
    { header: 'POS', value: ({ position }) => String(position) },
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
    { header: 'ADDED', value: ({ addedAt }) => addedAt || '-' },
    { header: 'INTENT', value: ({ intent }) => intent || '(none)' },
  ];
  return rows.length === 0 ? '' : renderTable(rows, columns, { headers });
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
