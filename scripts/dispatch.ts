/** `dispatch`: puts issues into a worker's queue, each exactly once. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, defineCommand, type Input, runIfMain } from './lib/cli/command.ts';
import { CliError, ExitCode, InterruptedError, UsageError } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import * as prompt from './lib/cli/prompt.ts';
import { oneLine } from './lib/cli/text.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { userAtHost } from './lib/config/user.ts';
import type { WorkerEntry } from './lib/config/worker-entry.ts';
import { chooseWorker, loadWorkers } from './lib/config/workers-file.ts';
import type { Frame } from './lib/transport/frame.ts';
import { TransportError } from './lib/transport/transport.ts';
import {
  type DispatchAnswer,
  type DispatchRequest,
  describeOutcome,
  describeRequest,
  dispatchArgs,
  parseDispatchAnswer,
  parseIssues,
  parseProject,
  parseWithdrawal,
  succeeded,
} from './lib/worker/dispatch.ts';
import { type Fate, fateOf } from './lib/worker/fate.ts';
import { createReach, observe, type Reach } from './lib/worker/observe.ts';
import { parseSnapshot, type Snapshot } from './lib/worker/snapshot.ts';
import { assess } from './lib/worker/status.ts';

const FORMATS = ['text', 'json'] as const;

const FLAGS = {
  project: {
    type: 'string',
    short: 'p',
    value: 'NAME',
    description: 'project of the issues: the name of its clone on the worker, or owner/NAME',
  },
  issue: { type: 'list', short: 'i', value: 'N', description: 'issue to work on' },
  intent: {
    type: 'string',
    value: 'TEXT',
    description: 'what the work is meant to achieve; without it factory asks an agent, which takes a while',
  },
  'depends-on': { type: 'list', value: 'N', description: 'issue that has to be completed first' },
  clone: {
    type: 'string',
    value: 'REPO',
    description: 'clone owner/name (or a URL) onto the worker first, if it is not there',
  },
  requeue: {
    type: 'boolean',
    description: 'run a completed or failed issue again; its worktree and branch are dropped',
  },
  'dry-run': { type: 'boolean', description: 'say what would be queued, change nothing' },
  wait: {
    type: 'boolean',
    description: 'wait until the issues are completed (0), or one of them never will be (1)',
  },
  'wait-timeout': {
    type: 'string',
    value: 'DURATION',
    default: '12h',
    description: 'with --wait: give up waiting after that (124); the work goes on',
  },
  ...OUTPUT_FLAGS(FORMATS),
  ...WORKER_FLAGS,
  timeout: { ...WORKER_FLAGS.timeout, default: '3m' },
} as const;

export const dispatch = defineCommand({
  name: 'dispatch',
  summary: 'Put issues into the queue of a worker',
  description: `An issue that is pending or active already is left alone and counts as done. After a lost connection the command
looks again and says whether the issue is queued; typing it again never queues anything twice.`,
  positionals: [{ name: 'WORKER', required: false }],
  flags: FLAGS,
  examples: [
    ['worker-1 --project deathcookies --issue 23', 'one issue'],
    [
      'worker-1 -p deathcookies -i 23,24 --intent "Users can log in with a passkey"',
      'two, with the intent given',
    ],
    ['worker-1 --clone lucasnoah/deathcookies --issue 23', 'in a project the worker does not have yet'],
    ['worker-1 -p deathcookies -i 23 --requeue --wait', 'once more, and wait for the end'],
  ],
  async run({ flags, positionals }: Input<typeof FLAGS>, context) {
    const format = outputFormat(flags, FORMATS);
    const timeoutMs = parseDuration(flags.timeout, '--timeout');
    const given = {
      issues: parseIssues(flags.issue, '--issue'),
      dependsOn: parseIssues(flags['depends-on'], '--depends-on'),
      project: flags.project ?? flags.clone,
    };
    const project = given.project === undefined ? undefined : parseProject(given.project);

    const file = await loadWorkers(context.env, flags, context.commandLine);
    const reach = createReach(context, timeoutMs);
    const worker =
      positionals[0] === undefined
        ? await askWorker(context, file.workers)
        : chooseWorker(file, positionals[0]);
    const request: DispatchRequest = {
      id: randomUUID(),
      by: userAtHost(),
      project: project ?? (await askProject(context, reach, worker, timeoutMs)),
      issues: given.issues.length > 0 ? given.issues : await askIssues(context),
      intent: flags.intent,
      dependsOn: given.dependsOn,
      requeue: flags.requeue,
      dryRun: flags['dry-run'],
    };
    context.stderr.write(`${worker.name} ${whereabouts(worker)}\n`);
    if (flags.clone !== undefined) await clone(context, reach, worker, request, flags.clone, timeoutMs);
    const answer = await send(context, reach, worker, request, timeoutMs);
    report(context, worker, request, answer, format);
    if (!answer.outcomes.every(succeeded)) return ExitCode.failed;
    if (!flags.wait || flags['dry-run']) return ExitCode.ok;
    return waitFor(
      context,
      worker,
      request,
      timeoutMs,
      parseDuration(flags['wait-timeout'], '--wait-timeout'),
    );
  },
});

/** Sends the dispatch; after a lost connection, finds out what became of it. */
async function send(
  context: Context,
  reach: Reach,
  worker: WorkerEntry,
  request: DispatchRequest,
  timeoutMs: number,
): Promise<DispatchAnswer> {
  const { signal, stderr } = context;
  const { transport } = await reach.enter(worker);
  try {
    let frame: Frame;
    try {
      frame = await transport.run({ script: 'dispatch', args: dispatchArgs(request), timeoutMs, signal });
    } catch (error) {
      if (!(error instanceof TransportError) || !UNCERTAIN.has(error.kind)) throw error;
      stderr.write(`${error.message}; looking what became of it\n`);
      return await settle(context, worker, request, timeoutMs);
    }
    return parseDispatchAnswer(frame, request, worker.name);
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    throw InterruptedError.by(
      signal,
      `interrupted; ${worker.name} may still queue ${describeRequest(request)}. Typing it again never queues twice`,
    );
  }
}

/** After these the dispatch may or may not have happened. */
const UNCERTAIN = new Set<TransportError['kind']>(['broken', 'timeout', 'unreachable']);

/** How often, and how far apart, a worker is asked what became of a dispatch. */
const SETTLE_TRIES = 5;
const SETTLE_PAUSE_MS = 2_000;

/** Longer than a withdrawal waits for the queue; a dispatch may be given many minutes, a look may not. */
const SETTLE_TIMEOUT_MS = 45_000;

/**
 * Withdraws the dispatch and looks: what was not added by then never will be.
 *
 * @throws CliError when the worker cannot be asked
 */
async function settle(
  context: Context,
  worker: WorkerEntry,
  request: DispatchRequest,
  givenMs: number,
): Promise<DispatchAnswer> {
  const { signal } = context;
  const timeoutMs = Math.min(givenMs, SETTLE_TIMEOUT_MS);
  for (let attempt = 1; ; attempt++) {
    let trouble = new TransportError('timeout', `the queue of ${worker.name} is held`);
    try {
      // A new search for the pod: the old one may be what was lost.
      const { transport } = await createReach(context, timeoutMs).enter(worker);
      const frame = await transport.run({ script: 'withdraw', args: [request.id], timeoutMs, signal });
      const answer = parseWithdrawal(frame, request);
      if (answer !== null) return answer;
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      trouble = error;
    }
    if (attempt === SETTLE_TRIES) {
      throw new CliError(
        `it is not known whether ${describeRequest(request)} was queued: ${trouble.message}`,
        {
          hints: [
            'type the same dispatch again once the worker answers: it never queues anything twice',
            ...trouble.hints,
          ],
        },
      );
    }
    await sleep(SETTLE_PAUSE_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** Has the worker clone a repository and waits for it. */
async function clone(
  context: Context,
  reach: Reach,
  worker: WorkerEntry,
  request: DispatchRequest,
  repo: string,
  timeoutMs: number,
): Promise<void> {
  if (request.dryRun) {
    context.stderr.write(`would clone ${repo} onto ${worker.name}, if it is not there\n`);
    return;
  }
  const { transport } = await reach.enter(worker);
  const seconds = Math.max(1, Math.floor(timeoutMs / 1000) - 5);
  const frame = await transport.run({
    script: 'clone',
    args: [request.project, repo, '', String(seconds)],
    timeoutMs,
    signal: context.signal,
  });
  if (frame.parts.get('clone')?.text === 'ready') return;
  const phase = parseSnapshot(frame).boot?.phases.find(({ name }) => name === 'clones');
  throw new CliError(`${worker.name} has not cloned ${repo} within ${seconds}s; nothing was queued`, {
    hints: [
      ...(phase && phase.message !== '' ? [`it says: ${phase.message}`] : []),
      'it goes on trying; type the dispatch again later',
    ],
  });
}

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
    stdout.write(renderJson({ worker: worker.name, project: request.project, outcomes, problems }));
    return;
  }
  for (const outcome of outcomes) {
    const again = commandLine(
      'dispatch',
      worker.name,
      '-p',
      request.project,
      '-i',
      String(outcome.issue),
      '--requeue',
    );
    const stream = succeeded(outcome) ? stdout : stderr;
    stream.write(`${describeOutcome(outcome, request, snapshot, again)}\n`);
  }
  // Queued is not worked on: what keeps this worker from it is said at once.
  for (const { cause, next } of problems) {
    stderr.write(`note: ${oneLine(cause)}\n`);
    for (const line of next) stderr.write(`  ${line}\n`);
  }
}

/** Between two looks with --wait. */
const WAIT_PAUSE_MS = 3_000;

/** Looks until each issue has met its fate; says each change once. A worker that does not answer is asked again. */
async function waitFor(
  context: Context,
  worker: WorkerEntry,
  { project, issues }: DispatchRequest,
  timeoutMs: number,
  limitMs: number,
): Promise<number> {
  const { stderr, signal, now } = context;
  const until = now().getTime() + limitMs;
  const said = new Map<string, string>();
  const say = (about: string, text: string) => {
    if (said.get(about) !== text) stderr.write(`${text}\n`);
    said.set(about, text);
  };
  for (;;) {
    const seen = await observe(createReach(context, timeoutMs), worker, 'brief', context, timeoutMs);
    const fates =
      seen.snapshot === null ? [] : issues.map((issue) => fateOf(issue, seen.snapshot as Snapshot));
    fates.forEach((fate, index) => {
      say(`#${index}`, `${project}#${issues[index]} ${describeFate(fate)}`);
    });
    const trouble = seen.problems[0];
    if (trouble !== undefined) say('worker', `note: ${trouble.cause}`);
    if (fates.some(({ kind }) => kind === 'lost')) return ExitCode.failed;
    if (fates.length > 0 && fates.every(({ kind }) => kind === 'completed')) return ExitCode.ok;
    if (now().getTime() >= until) {
      throw new CliError(`not completed within ${limitMs / 1000}s; the work goes on`, {
        exitCode: ExitCode.timeout,
        hints: [`look: ${context.commandLine('status', worker.name)}`],
      });
    }
    await sleep(WAIT_PAUSE_MS, undefined, { signal }).catch(() => {
      throw InterruptedError.by(signal, `not waiting any more; the work goes on in ${worker.name}`);
    });
  }
}

function describeFate(fate: Fate): string {
  if (fate.kind === 'lost') return fate.reason;
  if (fate.kind === 'completed') return 'is completed';
  return fate.stage === null ? 'waits in the queue' : `is at stage ${fate.stage}`;
}

function whereabouts(worker: WorkerEntry): string {
  return worker.runtime === 'local'
    ? `(on this machine, ${worker.home})`
    : `(context ${worker.context}, namespace ${worker.namespace})`;
}

function askWorker(context: Context, workers: readonly WorkerEntry[]): Promise<WorkerEntry> {
  if (workers.length === 0) throw new UsageError('there are no workers yet');
  return prompt.select(
    context,
    'Which worker?',
    workers.map((worker) => ({ name: worker.name, value: worker })),
    'WORKER, the first argument',
  );
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
    throw new UsageError(`${worker.name} has no projects yet`, 'bring one: --clone owner/name');
  }
  return prompt.select(
    context,
    'Which project?',
    snapshot.clones.map(({ project }) => ({ name: project, value: project })),
    '--project NAME',
  );
}

async function askIssues(context: Context): Promise<number[]> {
  if (!context.interactive) throw new UsageError('--issue is missing');
  const text = await prompt.input(context, 'Which issue?', '--issue N', (answer) =>
    /^[1-9]\d{0,8}$/.test(answer.trim()) ? true : 'an issue number, such as 23',
  );
  return parseIssues([text.trim()], '--issue');
}

await runIfMain(import.meta.url, dispatch);
