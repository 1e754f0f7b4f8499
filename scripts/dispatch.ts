/** `dispatch`: adds issues to a worker's queue, each exactly once. */
import { randomUUID } from 'node:crypto';
import { type Context, defineCommand, type Input } from './lib/cli/command.ts';
import { CliError, ExitCode, UsageError } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import * as prompt from './lib/cli/prompt.ts';
import { runIfMain } from './lib/cli/run.ts';
import { oneLine } from './lib/cli/text.ts';
import { parseDuration, waitLimit } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { userAtHost } from './lib/config/user.ts';
import type { WorkerEntry } from './lib/config/worker-entry.ts';
import { chooseWorker, loadWorkers } from './lib/config/workers-file.ts';
import { chooseAuto, meansAuto } from './lib/dispatch/auto.ts';
import { clone } from './lib/dispatch/clone.ts';
import { type DispatchAnswer, describeOutcome, succeeded } from './lib/dispatch/outcome.ts';
import type { DispatchRequest } from './lib/dispatch/request.ts';
import { send } from './lib/dispatch/send.ts';
import { observe } from './lib/health/observe.ts';
import { assess, problemJson } from './lib/health/report.ts';
import { openConnections } from './lib/transport/connections.ts';
import { issueGoal, waitUntil } from './lib/waiting/waiting.ts';
import { checkRepo, type NamedIssues, parseIssues, parseProject, sameRepo } from './lib/worker/arguments.ts';
import { describeClearing } from './lib/worker/in-the-way.ts';
import { createReach, type Reach } from './lib/worker/observe.ts';
import { WORKER } from './lib/worker/positionals.ts';
import { parseSnapshot } from './lib/worker/snapshot.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

/** How long `--wait` waits. */
const DEFAULT_WAIT = '12h';

const FLAGS = {
  project: {
    type: 'string',
    short: 'p',
    value: 'NAME',
    description: 'project of the issues: the name of its clone on the worker, or owner/NAME',
  },
  issue: {
    type: 'list',
    short: 'i',
    value: 'N',
    description: 'issue to work on: 23, 25-27, demo#23 or its URL',
  },
  intent: {
    type: 'string',
    value: 'TEXT',
    description:
      'what users get from the issues; if omitted, factory derives it with an agent, which takes a while',
  },
  'depends-on': { type: 'list', value: 'N', description: 'issue that must be completed first' },
  clone: {
    type: 'string',
    value: 'REPO',
    description: 'first clone owner/name (or a URL) onto the worker, if it is missing',
  },
  requeue: {
    type: 'boolean',
    description:
      'run a completed or failed issue again; its worktree and branch are dropped (unmerged commits stay under refs/factory-worker)',
  },
  'dry-run': { type: 'boolean', description: 'show what would be queued, change nothing' },
  wait: {
    type: 'boolean',
    description: 'wait until all issues are completed (0) or one cannot be (1)',
  },
  'wait-timeout': {
    type: 'string',
    value: 'DURATION',
    description: `wait, but no longer than this (124); the work continues; default: ${DEFAULT_WAIT}`,
  },
  ...OUTPUT_FLAGS(FORMATS),
  ...WORKER_FLAGS,
  timeout: { ...WORKER_FLAGS.timeout, default: '3m' },
} as const;

export const dispatch = defineCommand({
  name: 'dispatch',
  summary: SUMMARIES.dispatch,
  description: `An issue that is already pending or active is left alone and counts as done. After a lost connection the command checks
for up to twice the --timeout (at most two minutes) and says whether the issue is queued; running it again never queues
anything twice. WORKER auto means the worker with the fewest open issues among those that have the project.`,
  positionals: [WORKER],
  flags: FLAGS,
  examples: [
    ['worker-1 --project deathcookies --issue 23', 'one issue'],
    [
      'worker-1 -p deathcookies -i 23,24 --intent "Users can log in with a passkey"',
      'two, with the intent given',
    ],
    ['worker-1 -i https://github.com/lucasnoah/deathcookies/issues/23', 'the same, pasted from a browser'],
    ['worker-1 -i deathcookies#25-27', 'three of them'],
    ['worker-1 --clone lucasnoah/deathcookies --issue 23', 'in a project the worker does not have yet'],
    ['worker-1 -p deathcookies -i 23 --requeue --wait', 'once more, and wait for the end'],
    ['auto -p deathcookies -i 23', 'the least loaded worker that has the project'],
  ],
  async run({ flags, positionals: [name = ''] }: Input<typeof FLAGS>, context) {
    const format = outputFormat(flags, FORMATS);
    const timeoutMs = parseDuration(flags.timeout, '--timeout');
    const limitMs = waitLimit(flags, DEFAULT_WAIT);
    const given = parseIssues(flags.issue, '--issue');
    const dependsOn = parseIssues(flags['depends-on'], '--depends-on');
    // A clone may have another name than its repository (--clone REPO --project NAME).
    const named = sameRepo(sameRepo(given.repo, dependsOn.repo), flags.clone ?? flags.project ?? null);
    const wanted = flags.project ?? named;
    const project = wanted === null ? undefined : parseProject(wanted);

    const file = await loadWorkers(context.env, flags, context.commandLine);
    openConnections(context, file.workers);
    const reach = createReach(context, timeoutMs);
    const worker = meansAuto(name, file)
      ? await chooseAuto(context, reach, file.workers, project, given.issues)
      : chooseWorker(file, name);
    const request: DispatchRequest = {
      id: randomUUID(),
      by: userAtHost(),
      project: project ?? (await askProject(context, reach, worker, timeoutMs)),
      issues: given.issues.length > 0 ? given.issues : await askIssues(context),
      intent: flags.intent,
      dependsOn: dependsOn.issues,
      requeue: flags.requeue,
      dryRun: flags['dry-run'],
    };
    context.stderr.write(`${worker.name} ${whereabouts(worker)}\n`);
    if (flags.clone === undefined && given.repo?.includes('/')) {
      await checkOwner(context, reach, worker, { issues: request.issues, repo: given.repo }, timeoutMs);
    }
    const planned =
      flags.clone === undefined ? null : await clone(context, reach, worker, request, flags.clone, timeoutMs);
    const answer = planned ?? (await send(context, reach, worker, request, timeoutMs));
    report(context, worker, request, answer, format);
    if (!answer.outcomes.every(succeeded)) return ExitCode.failed;
    if (limitMs === null || flags['dry-run']) return ExitCode.ok;
    return waitFor(context, worker, request, timeoutMs, limitMs);
  },
});

function report(
  context: Context,
  worker: WorkerEntry,
  request: DispatchRequest,
  { outcomes, snapshot }: DispatchAnswer,
  format: (typeof FORMATS)[number],
): void {
  const { stdout, stderr, commandLine } = context;
  const { problems } = assess(worker, null, snapshot, commandLine);
  if (format === 'json') {
    stdout.write(
      renderJson({
        worker: worker.name,
        project: request.project,
        outcomes,
        problems: problems.map(problemJson),
      }),
    );
    return;
  }
  for (const outcome of outcomes) {
    const issue = String(outcome.issue);
    const wayOn = {
      requeue: commandLine('dispatch', worker.name, '-p', request.project, '-i', issue, '--requeue'),
      giveUp: commandLine('unstick', worker.name, issue, '--give-up'),
      clear: (cure: string) => describeClearing(commandLine, worker.name, outcome.issue, cure),
    };
    const stream = succeeded(outcome) ? stdout : stderr;
    stream.write(`${describeOutcome(outcome, request, snapshot, wayOn)}\n`);
  }
  // Queued does not mean started: report at once what keeps this worker from starting.
  for (const { cause, next } of problems) {
    stderr.write(`note: ${oneLine(cause)}\n`);
    for (const line of next) stderr.write(`  ${line}\n`);
  }
}

/** Waits until the issues are completed. */
async function waitFor(
  context: Context,
  worker: WorkerEntry,
  { project, issues }: DispatchRequest,
  timeoutMs: number,
  limitMs: number,
): Promise<number> {
  const goals = issues.map((issue) => issueGoal(issue, 'completed', `${project}#${issue}`));
  const verdicts = await waitUntil(context, worker, goals, { timeoutMs, limitMs });
  return verdicts.every(({ state }) => state === 'reached') ? ExitCode.ok : ExitCode.failed;
}

function whereabouts(worker: WorkerEntry): string {
  return worker.runtime === 'local'
    ? `(on this machine, ${worker.home})`
    : `(context ${worker.context}, namespace ${worker.namespace})`;
}

async function askProject(
  context: Context,
  reach: Reach,
  worker: WorkerEntry,
  timeoutMs: number,
): Promise<string> {
  if (!context.interactive) throw new UsageError('--project is missing');
  const { snapshot, problems } = await observe(reach, worker, 'brief', context, timeoutMs);
  if (snapshot === null) throw new CliError(problems[0]?.cause ?? `${worker.name} does not answer`);
  if (snapshot.clones.length === 0) {
    throw new UsageError(`${worker.name} has no projects yet`, 'add one: --clone owner/name');
  }
  return prompt.select(
    context,
    'Which project?',
    snapshot.clones.map(({ project }) => ({ name: project, value: project })),
    '--project NAME',
  );
}

/** The same name may be another owner's repository on this worker: its issues would be the wrong ones. */
async function checkOwner(
  { signal }: Context,
  reach: Reach,
  worker: WorkerEntry,
  named: NamedIssues,
  timeoutMs: number,
): Promise<void> {
  const { transport } = await reach.enter(worker);
  const frame = await transport.run({ script: 'look', args: ['brief'], timeoutMs, signal });
  checkRepo(named, parseSnapshot(frame), worker.name);
}

async function askIssues(context: Context): Promise<readonly number[]> {
  if (!context.interactive) throw new UsageError('--issue is missing');
  const text = await prompt.input(context, 'Which issue?', '--issue N', (answer) =>
    /^[1-9]\d{0,8}$/.test(answer.trim()) ? true : 'an issue number, such as 23',
  );
  return parseIssues([text.trim()], '--issue').issues;
}

await runIfMain(import.meta.url, dispatch);
