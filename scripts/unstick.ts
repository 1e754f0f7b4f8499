/** `unstick`: gets a stuck issue moving again, or gives it up, with factory's own commands. */
import { type Context, defineCommand } from './lib/cli/command.ts';
import { CliError, ExitCode } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { confirm } from './lib/cli/prompt.ts';
import { runIfMain } from './lib/cli/run.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { userAtHost } from './lib/config/user.ts';
import { parseError, statusWord } from './lib/factory.ts';
import { isHuman } from './lib/health/inside.ts';
import { runChange } from './lib/unstick/change.ts';
import {
  describeStep,
  isReached,
  type NoPlan,
  type Plan,
  planUnstick,
  type UnstickRequest,
} from './lib/unstick/plan.ts';
import { checkRepo, parseIssue } from './lib/worker/arguments.ts';
import { parseInTheWay } from './lib/worker/in-the-way.ts';
import { findWorker } from './lib/worker/observe.ts';
import { WORKER } from './lib/worker/positionals.ts';
import { itemName, openItems } from './lib/worker/queue.ts';
import { parseSnapshot, type Snapshot } from './lib/worker/snapshot.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

export const unstick = defineCommand({
  name: 'unstick',
  summary: SUMMARIES.unstick,
  description: `Finds out why the issue does not move and shows the steps that fix it in this worker's version of factory; after a
confirmation it carries them out and checks again. If the issue is not stuck, or has moved since the first check (by another
operator or the supervisor), it changes nothing.`,
  positionals: [WORKER, { name: 'ISSUE', required: true }],
  flags: {
    'give-up': { type: 'boolean', description: 'end the work on it, so that the queue continues without it' },
    'dry-run': { type: 'boolean', description: 'show what would be done, change nothing' },
    yes: { type: 'boolean', short: 'y', description: 'do not ask' },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
    timeout: { ...WORKER_FLAGS.timeout, default: '2m' },
  },
  examples: [
    ['worker-1 23', 'find out what is wrong with #23, show the steps, ask, carry them out'],
    ['worker-1 demo#23', 'the same, as list and status print it'],
    ['worker-1 23 --give-up --yes', 'let the queue go on without #23'],
    ['worker-1 23 --dry-run -o json', 'the plan as JSON'],
  ],
  async run({ flags, positionals: [name = '', word = ''] }, context) {
    const format = outputFormat(flags, FORMATS);
    const { issue, repo } = parseIssue(word, 'ISSUE');
    const { timeoutMs, enter } = await findWorker(context, flags, name);
    const { stdout, stderr, signal } = context;
    const { transport } = await enter();
    const seen = await transport.run({ script: 'unstick-look', args: [`${issue}`], timeoutMs, signal });
    const before = parseSnapshot(seen);
    refuseBlind(before, name, context);
    checkRepo({ issues: [issue], repo }, before, name);
    const human = isHuman(seen.parts.get('human')?.text ?? '');
    const way = parseInTheWay(seen).get(issue) ?? null;
    const plan = planUnstick(before, { issue, worker: name, giveUp: flags['give-up'] }, human, way);
    const answer = (fields: object) =>
      renderJson({ worker: name, issue, ...planJson(plan, context), ...fields });
    if (plan.kind === 'nothing') {
      if (format === 'json') stdout.write(answer({ done: false }));
      else stdout.write(describeNothing(plan, context));
      return plan.fine ? ExitCode.ok : ExitCode.failed;
    }
    if (flags['dry-run']) {
      stdout.write(format === 'json' ? answer({ done: false }) : describePlan(plan));
      return ExitCode.ok;
    }
    if (format === 'text' || !flags.yes) stderr.write(describePlan(plan));
    if (!(await confirm(context, `Do that on ${name}?`, flags.yes))) throw new CliError('nothing was done');

    const project = before.queue.find((row) => row.issue === issue)?.owner ?? onlyProject(before);
    const request: UnstickRequest = {
      by: userAtHost(),
      issue,
      project,
      standing: plan.standing,
      steps: plan.steps.map(({ argument }) => argument),
    };
    const call = { script: 'unstick', args: [JSON.stringify(request)], timeoutMs, signal };
    const frame = await runChange(transport, call, context.commandLine('why', name));
    const after = parseSnapshot(frame);
    const stopped = frame.parts.get('stopped')?.text;
    if (stopped !== undefined) {
      const done = (frame.parts.get('steps')?.text ?? '').split('\n').filter((line) => line !== '');
      throw new CliError(`#${issue}: ${parseError(stopped)}`, {
        hints: [
          done.length === 0 ? 'nothing was changed' : `done before that: ${done.join('; ')}`,
          `look again: ${context.commandLine('why', name)}`,
        ],
      });
    }
    const reached = isReached(plan, after, issue);
    if (format === 'json') stdout.write(answer({ done: true, reached, pipeline: pipelineOf(after, issue) }));
    else stdout.write(`${describeAfter(plan, after, issue)}\n`);
    if (reached) return ExitCode.ok;
    throw new CliError(`#${issue} is still ${pipelineOf(after, issue)?.status ?? 'there'}`, {
      hints: [`why: ${context.commandLine('why', name)}`],
    });
  },
});

/** @throws CliError when too little is known for a plan */
function refuseBlind({ faults }: Snapshot, worker: string, { commandLine }: Context): void {
  const fault = faults.find(({ part }) => part === 'queue' || part === 'pipelines' || part === 'dialect');
  if (fault === undefined) return;
  throw new CliError(`factory does not answer on ${worker}: ${fault.message}`, {
    hints: [`why: ${commandLine('why', worker)}`],
  });
}

/** Any clone will do when the issue's own is unknown: factory has to be called in one. */
function onlyProject({ clones }: Snapshot): string {
  return clones[0]?.project ?? '';
}

function pipelineOf({ pipelines }: Snapshot, issue: number) {
  return pipelines.find((pipeline) => pipeline.issue === issue) ?? null;
}

function describePlan({ because, steps, attached }: Plan): string {
  const lines = steps.map((step, index) => `  ${index + 1}. ${describeStep(step)}\n`);
  const person = attached === null ? '' : `a person is attached to ${attached}, which will be ended\n`;
  return `${because}; this helps:\n${lines.join('')}${person}`;
}

function describeNothing({ because, next }: NoPlan, { commandLine }: Context): string {
  const lines = next.map(({ why, command: [name, ...args] }) => `  ${why}: ${commandLine(name, ...args)}\n`);
  return `${because}\n${lines.join('')}`;
}

function describeAfter({ goal }: Plan, after: Snapshot, issue: number): string {
  const pipeline = pipelineOf(after, issue);
  const [next] = openItems(after).filter((row) => row.issue !== issue);
  const queue = next === undefined ? 'nothing else is queued' : `${itemName(next)} is next`;
  if (goal === 'forgotten')
    return `#${issue}: the old pipeline is gone; the row is taken up at the next check-in`;
  if (goal === 'given-up') return `#${issue} is given up; ${queue}`;
  const at = `stage ${pipeline?.stage}, attempt ${pipeline?.attempt}`;
  return after.locks.checkIn
    ? `#${issue} is at work again: ${at}`
    : `#${issue} is ${statusWord(String(pipeline?.status))}: ${at}; the next check-in takes it up`;
}

function planJson(plan: Plan | NoPlan, { commandLine }: Context) {
  return plan.kind === 'go'
    ? { because: plan.because, steps: plan.steps.map(describeStep), next: [] }
    : {
        because: plan.because,
        steps: [],
        next: plan.next.map(({ why, command: [name, ...args] }) => `${why}: ${commandLine(name, ...args)}`),
      };
}

await runIfMain(import.meta.url, unstick);
