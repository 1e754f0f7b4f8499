/** `cleanup`: removes what finished issues have left on a worker. */

import { type Context, defineCommand } from './lib/cli/command.ts';
import { CliError, ExitCode } from './lib/cli/errors.ts';
import { type Column, painter, renderJson, renderTable } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import * as prompt from './lib/cli/prompt.ts';
import { runIfMain } from './lib/cli/run.ts';
import { bytes, count, oneLine } from './lib/cli/text.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { userAtHost } from './lib/config/user.ts';
import type { CleanupOutcome } from './lib/contract.ts';
import {
  type CleanupRequest,
  type Item,
  parseOutcomes,
  planCleanup,
  removalOrder,
  whyUnjudged,
} from './lib/housekeeping/cleanup.ts';
import { sumBytes } from './lib/housekeeping/usage.ts';
import { checkRepo, parseIssues } from './lib/worker/arguments.ts';
import { findWorker } from './lib/worker/observe.ts';
import { WORKER } from './lib/worker/positionals.ts';
import { parseSnapshot } from './lib/worker/snapshot.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

export const cleanup = defineCommand({
  name: 'cleanup',
  summary: SUMMARIES.cleanup,
  description: `Shows everything with its size first, then asks. Nothing of an issue that is queued or being worked on is ever removed, and
a worktree with uncommitted files or unpushed commits only when its issue is named. Branches stay in the clone. Of Docker only
the build cache and unnamed images are removed, never volumes.`,
  positionals: [WORKER],
  flags: {
    issue: {
      type: 'list',
      short: 'i',
      value: 'N',
      description: 'remove the worktree of this finished issue even with unsaved work',
    },
    'dry-run': { type: 'boolean', description: 'show what would be removed, remove nothing' },
    yes: { type: 'boolean', short: 'y', description: 'do not ask' },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
    timeout: { ...WORKER_FLAGS.timeout, default: '10m' },
  },
  examples: [
    ['worker-1 --dry-run', 'what can be removed, and what has to stay and why'],
    ['worker-1', 'the same, and remove it after a confirmation'],
    ['worker-1 --issue 23 --yes', 'also the unsaved work of #23'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const format = outputFormat(flags, FORMATS);
    const named = parseIssues(flags.issue, '--issue');
    const { stdout, stderr, signal } = context;
    const { worker, timeoutMs, enter } = await findWorker(context, flags, name);
    const { transport } = await enter();
    const look = await transport.run({ script: 'cleanup-look', args: [], timeoutMs, signal });
    checkRepo(named, parseSnapshot(look), worker.name);
    const items = planCleanup(look, named.issues);
    const chosen = items.filter(({ keep }) => keep === null);
    const show = (outcomes: readonly CleanupOutcome[]) =>
      stdout.write(renderJson({ worker: worker.name, items: items.map((item) => toJson(item, outcomes)) }));
    const unjudged = whyUnjudged(look);
    if (format === 'text') stdout.write(renderPlan(items, context));
    if (unjudged !== null && items.some(({ kind }) => kind !== 'docker')) {
      stderr.write(`worktrees and logs of ${worker.name} stay: ${oneLine(unjudged)}\n`);
    }
    if (flags['dry-run'] || chosen.length === 0) {
      if (format === 'json') show([]);
      if (chosen.length === 0 && unjudged !== null) {
        throw new CliError(`${worker.name} could not be judged, so nothing was removed: ${unjudged}`, {
          hints: [
            `why: ${context.commandLine('why', worker.name)}`,
            `what takes up its disk: ${context.commandLine('usage', worker.name)}`,
          ],
        });
      }
      if (format === 'text' && chosen.length === 0)
        stderr.write(`there is nothing to clean up on ${worker.name}\n`);
      return ExitCode.ok;
    }
    const question = `Remove ${count(chosen.length, 'thing')} from ${worker.name}, ${bytes(sumBytes(chosen))}?`;
    if (!(await prompt.confirm(context, question, flags.yes))) {
      stderr.write('nothing was removed\n');
      return ExitCode.failed;
    }
    const request: CleanupRequest = { by: userAtHost(), named: named.issues, items: removalOrder(items) };
    const args = [JSON.stringify(request)];
    const frame = await transport.run({ script: 'cleanup', args, timeoutMs, signal });
    const busy = frame.parts.get('busy');
    if (busy) throw new CliError(`nothing was removed: ${busy.text}`, { hints: ['type it again'] });
    const outcomes = parseOutcomes(frame);
    if (format === 'json') show(outcomes);
    else report(items, outcomes, context);
    return outcomes.every(({ fate }) => fate !== 'failed') ? ExitCode.ok : ExitCode.failed;
  },
});

function renderPlan(items: readonly Item[], { stdout, env }: Context): string {
  if (items.length === 0) return '';
  const paint = painter(stdout, env);
  const columns: Column<Item>[] = [
    { header: 'WHAT', value: ({ what }) => what },
    { header: 'SIZE', value: ({ bytes: size }) => bytes(size) },
    {
      header: 'FATE',
      value: ({ keep }) => (keep === null ? 'go' : `stay: ${keep}`),
      paint: ({ keep }, cell) => (keep === null ? cell : paint('dim', cell)),
    },
  ];
  return renderTable(items, columns, { headers: true });
}

function report(
  items: readonly Item[],
  outcomes: readonly CleanupOutcome[],
  { stdout, stderr }: Context,
): void {
  const gone = outcomes
    .filter(({ fate }) => fate === 'done')
    .map(({ id }) => items.find((item) => item.id === id));
  const freed = gone.reduce((sum, item) => sum + (item?.bytes ?? 0), 0);
  stdout.write(`removed ${count(gone.length, 'thing')}, about ${bytes(freed)}\n`);
  for (const { id, fate, why } of outcomes) {
    if (fate === 'done') continue;
    const what = items.find((item) => item.id === id)?.what ?? id;
    stderr.write(`${what} ${fate === 'kept' ? 'stayed' : 'could not be removed'}: ${oneLine(why)}\n`);
  }
}

function toJson({ kind, what, issue, bytes: size, keep, id }: Item, outcomes: readonly CleanupOutcome[]) {
  const outcome = outcomes.find((candidate) => candidate.id === id);
  return { kind, what, issue, bytes: size, keep, fate: outcome?.fate ?? null, why: outcome?.why ?? null };
}

await runIfMain(import.meta.url, cleanup);
