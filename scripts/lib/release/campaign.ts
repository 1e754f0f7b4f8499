/** A release of one or more workers: look at all, ask once, release one worker first, then the others. */
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, InterruptedError, UsageError } from '../cli/errors.ts';
import type { Flags } from '../cli/flags.ts';
import { liveText, renderJson } from '../cli/output.ts';
import { confirm } from '../cli/prompt.ts';
import { enumerate } from '../cli/text.ts';
import { parseDuration } from '../config/duration.ts';
import type { ClusterWorker, WorkerEntry } from '../config/worker-entry.ts';
import { tellFailure } from '../lifecycle/several.ts';
import type { Plan } from '../plan.ts';
import { shortReference } from '../registry/reference.ts';
import { fanOut } from '../worker/fan-out.ts';
import type { Limits, Outcome } from './job.ts';
import { continues, importOf, planRelease, type ReleaseRequest, stoppedWith } from './plan.ts';
import { describeTarget, lookAt, type ReleaseContext, see, type Target } from './preflight.ts';
import {
  endedDrained,
  isUnderWay,
  NOTHING_YET,
  newRecord,
  type ReleaseRecord,
  readRecords,
  recordPath,
  type StepName,
  saveRecord,
  unfinished,
} from './record.ts';
import { finishUndo, runRelease } from './run.ts';
import { STEPS } from './steps.ts';

export interface CampaignOptions extends Limits {
  readonly allowMigration: boolean;
  readonly maxParallel: number;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** Makes the request for a worker from its state. */
export type RequestOf = (target: Target, records: readonly ReleaseRecord[]) => Promise<ReleaseRequest>;

interface Prepared {
  readonly target: Target;
  readonly request: ReleaseRequest;
  readonly plan: Plan<StepName>;
  readonly earlier: ReleaseRecord | null;
  /** The release that this one takes the place of: the earlier one, or one that has ended and left its drain. */
  readonly replaced: ReleaseRecord | null;
}

/** The outcome for one worker, as `-o json` prints it. */
interface Result {
  readonly worker: string;
  readonly result: 'unchanged' | 'planned' | 'untouched' | ReleaseRecord['state'];
  readonly image: string;
  readonly commands?: readonly string[];
  readonly why: string | null;
  readonly exitCode?: number;
  readonly record: ReleaseRecord | null;
}

/** @throws UsageError for workers that have no pod */
export function clusterWorkers(workers: readonly WorkerEntry[]): ClusterWorker[] {
  return workers.map((worker) => {
    if (worker.runtime === 'kubernetes') return worker;
    throw new UsageError(
      `${worker.name} runs on this machine and has no image`,
      'to update it: local down, local up',
    );
  });
}

/**
 * @param what completes the question "… ?": `Roll to X`
 * @returns the exit code
 */
export async function runCampaign(
  workers: readonly ClusterWorker[],
  requestOf: RequestOf,
  what: string,
  around: ReleaseContext,
  options: CampaignOptions,
): Promise<number> {
  const { context } = around;
  if (!options.yes && !options.dryRun && !context.interactive) {
    throw new UsageError(`${what} restarts workers, and there is no terminal to ask on`, 'give --yes');
  }
  const prepared = await Promise.all(workers.map((worker) => prepare(worker, requestOf, around)));
  const refusals = prepared.flatMap(({ target, plan }) =>
    plan.kind === 'refuse' ? [{ name: target.worker.name, ...plan }] : [],
  );
  if (refusals.length > 0) {
    throw new CliError(
      `nothing was touched: ${refusals.map(({ name, why }) => `${name} ${why}`).join('; ')}`,
      { hints: refusals.flatMap(({ hints }) => hints) },
    );
  }
  const todo = prepared.filter(({ plan }) => plan.kind === 'go');
  if (options.dryRun)
    return report(
      context,
      prepared.map((item) => planned(item, around)),
      options,
    );
  if (todo.length > 0 && !options.yes) {
    const lines = todo.map(({ target, request }) => `  ${describe(target, request)}\n`);
    context.stderr.write(lines.join(''));
    const names = enumerate(todo.map(({ target }) => target.worker.name));
    if (!(await confirm(context, `${what}: ${names}?`, false))) throw new CliError('nothing was touched');
  }
  const results = await inOrder(prepared, around, options);
  return report(context, results, options);
}

function describe({ worker, ...rest }: Target, { image }: ReleaseRequest): string {
  const target = { worker, ...rest };
  return `${worker.name} (context ${worker.context}, namespace ${worker.namespace}): ${shortReference(target.workload.image)} -> ${shortReference(image)}; ${describeTarget(target).join('; ')}`;
}

async function prepare(
  worker: ClusterWorker,
  requestOf: RequestOf,
  around: ReleaseContext,
): Promise<Prepared> {
  const records = readRecords(around.context.env);
  const earlier = unfinished(records, worker);
  if (earlier !== null && isUnderWay(earlier, around.context.env)) {
    throw new CliError(
      `a release of ${worker.name} is in progress on this machine (process ${earlier.pid}, since ${earlier.startedAt})`,
      {
        hints: [
          'let it finish, or interrupt it there',
          `look: ps -p ${earlier.pid}; if it is another program, set "pid" to 0 in ${recordPath(around.context.env, earlier)}`,
        ],
      },
    );
  }
  const target = await lookAt(worker, around);
  const request = await requestOf(target, records);
  const seen = await see(target, request.kind === 'rollout' ? request.image : null);
  const plan: Plan<StepName> =
    earlier?.state === 'rolling-back'
      ? { kind: 'go', steps: [], notes: ['is still being rolled back'] }
      : planRelease(seen, request, earlier, around.context.commandLine, records);
  return { target, request, plan, earlier, replaced: earlier ?? endedDrained(records, seen.drain) };
}

/** Releases the first worker alone: a bad image fails there, and the others stay as they are. */
async function inOrder(
  prepared: readonly Prepared[],
  around: ReleaseContext,
  options: CampaignOptions,
): Promise<Result[]> {
  const first = prepared.findIndex(({ plan }) => plan.kind === 'go');
  const results = new Map<Prepared, Result>();
  const canary = prepared[first];
  if (canary !== undefined) {
    const result = await releaseOne(canary, around, options, true);
    results.set(canary, result);
    if (result.result !== 'done') {
      return prepared.map((item) => results.get(item) ?? untouched(item));
    }
  }
  const rest = prepared.filter((item) => item !== canary);
  const others = await fanOut(rest, options.maxParallel, (item) =>
    releaseOne(item, around, options, options.maxParallel === 1),
  );
  rest.forEach((item, index) => void results.set(item, others[index] as Result));
  return prepared.map((item) => results.get(item) as Result);
}

/** @param alone whether no other worker is released at the same time */
async function releaseOne(
  item: Prepared,
  around: ReleaseContext,
  options: CampaignOptions,
  alone: boolean,
): Promise<Result> {
  const { target, request, plan, earlier } = item;
  const { worker } = target;
  const { context } = around;
  if (plan.kind !== 'go') return untouched(item);
  const say = (text: string) => void context.stderr.write(`${worker.name}: ${text}\n`);
  for (const text of plan.notes) say(text);
  let outcome: Outcome;
  try {
    if (earlier?.state === 'rolling-back')
      outcome = await finishUndo(target, request, earlier, { ...options, say }, around);
    else
      outcome = await runRelease(
        target,
        request,
        plan.steps,
        recordFor(item, context),
        { ...options, say, ...(alone && { live: liveText(context.stderr) }) },
        around,
      );
  } catch (error) {
    if (!(error instanceof CliError) || error instanceof InterruptedError) throw error;
    tellFailure(context.stderr, worker.name, error, options.json);
    return {
      worker: worker.name,
      result: 'failed',
      image: request.image,
      why: error.message,
      exitCode: error.exitCode,
      record: null,
    };
  }
  const { record, error } = outcome;
  if (error !== null) tellFailure(context.stderr, worker.name, error, options.json);
  const left = target.workload.replicas === 0 ? stoppedWith(record.image) : null;
  return {
    worker: worker.name,
    result: record.state,
    image: record.image,
    why: error?.message ?? left,
    exitCode: error?.exitCode ?? ExitCode.ok,
    record,
  };
}

/** The record to continue, or a new one; an earlier record that is not continued becomes `abandoned`. */
function recordFor(prepared: Prepared, context: Context): ReleaseRecord {
  const record = recordAsItWas(prepared, context);
  const { target, request, earlier } = prepared;
  const of = importOf({ database: target.facts?.state.database ?? null }, request, earlier);
  if (of === null || of === 'own' || of === record.id)
    return { ...record, imports: of === null ? null : record.id };
  // Of one that was given up: some rows may be there.
  return { ...record, imports: of, imported: record.imported ?? earlier?.imported ?? NOTHING_YET };
}

function recordAsItWas(
  { target, request, earlier, replaced }: Prepared,
  { env, now }: Context,
): ReleaseRecord {
  if (earlier !== null && continues(earlier, request)) return earlier;
  if (earlier !== null) saveRecord(env, { ...earlier, state: 'abandoned', finishedAt: now().toISOString() });
  const { worker, workload, helmed, pod } = target;
  // Never go back to the image of an abandoned release, but to the one that it replaced.
  const known = earlier?.done.includes('roll') ? earlier.previous : null;
  return newRecord(
    worker,
    {
      kind: request.kind,
      image: request.image,
      replaces: replaced?.id ?? null,
      previous: {
        image: known?.image ?? workload.image,
        revision: known?.revision ?? deployedRevision(helmed),
        podUid: pod?.metadata.uid ?? null,
      },
    },
    now(),
  );
}

function deployedRevision(helmed: Target['helmed']): number | null {
  return (
    helmed?.history.findLast(({ status }) => status === 'deployed')?.revision ??
    helmed?.status.revision ??
    null
  );
}

function untouched({ target, request, plan }: Prepared): Result {
  return {
    worker: target.worker.name,
    result: plan.kind === 'nothing' ? 'unchanged' : 'untouched',
    image: request.image,
    why: plan.kind === 'nothing' ? plan.why : null,
    record: null,
  };
}

function planned(item: Prepared, around: ReleaseContext): Result {
  const { target, request, plan, earlier } = item;
  if (plan.kind !== 'go') return untouched(item);
  const planned = { target, request, around, id: earlier?.id ?? 'ID' };
  return {
    worker: target.worker.name,
    result: 'planned',
    image: request.image,
    commands: plan.steps.flatMap((name) => STEPS[name].commands(planned)),
    why: plan.notes.join('; ') || null,
    record: null,
  };
}

function report({ stdout }: Context, results: readonly Result[], { json }: CampaignOptions): number {
  if (json) stdout.write(renderJson(results));
  else {
    for (const { worker, result, image, commands, why, record } of results) {
      if (commands !== undefined)
        stdout.write(
          `# ${worker}${why === null ? '' : `: ${why}`}\n${commands.map((text) => `${text}\n`).join('')}`,
        );
      else if (result === 'unchanged') stdout.write(`${worker}: ${why}; nothing to do\n`);
      else if (result === 'untouched')
        stdout.write(`${worker}: not touched, since the first worker failed\n`);
      else if (result === 'done')
        stdout.write(`${worker}: ${why ?? `runs ${shortReference(image)}${took(record)}`}\n`);
    }
  }
  return exitCodeOf(results);
}

/** The exit code of a release of these workers. */
export function exitCodeOf(results: readonly Pick<Result, 'result' | 'exitCode'>[]): number {
  const bad = results.filter(({ result }) =>
    ['failed', 'rolled-back', 'rolling-back', 'running', 'untouched'].includes(result),
  );
  if (bad.length === 0) return ExitCode.ok;
  const tried = bad.filter(({ result }) => result !== 'untouched');
  const [code = ExitCode.failed, ...others] = new Set(
    tried.map(({ exitCode = ExitCode.failed }) => exitCode),
  );
  // If all failures have the same code, it is the exit code: 124 for drains that took too long.
  if (others.length === 0 && (code !== ExitCode.failed || results.length === 1)) return code;
  return bad.length === results.length ? ExitCode.failed : ExitCode.partial;
}

function took(record: ReleaseRecord | null): string {
  if (record?.finishedAt == null) return '';
  const seconds = (Date.parse(record.finishedAt) - Date.parse(record.startedAt)) / 1000;
  const { roll = 0, wait = 0 } = record.seconds;
  return ` (${seconds.toFixed(0)}s, of which ${(roll + wait).toFixed(1)}s from the roll to Ready)`;
}

export const CAMPAIGN_FLAGS = {
  'no-prepull': {
    type: 'boolean',
    description:
      'do not test the image in its own pod first; a migration is then noticed only after the roll',
  },
  'prepull-timeout': {
    type: 'string',
    value: 'DURATION',
    default: '15m',
    description: 'how long to wait for the image pull',
  },
  'drain-timeout': {
    type: 'string',
    value: 'DURATION',
    default: '1h',
    description: 'how long to wait for the running stage; then exit 124, nothing rolled',
  },
  now: {
    type: 'boolean',
    description: 'do not wait for the running stage; it continues after the next start',
  },
  'ready-timeout': {
    type: 'string',
    value: 'DURATION',
    default: '15m',
    description: 'how long to wait for the new pod',
  },
  'allow-state-migration': {
    type: 'boolean',
    description: 'accept an image whose factory has another dialect or database schema',
  },
  'max-parallel': {
    type: 'string',
    value: 'N',
    default: '2',
    description: 'after the first worker, how many at a time',
  },
  'dry-run': { type: 'boolean', description: 'print every command; change nothing' },
  yes: { type: 'boolean', short: 'y', description: 'do not ask' },
} as const satisfies Flags;

interface CampaignFlagValues {
  readonly 'prepull-timeout': string;
  readonly 'drain-timeout': string;
  readonly 'ready-timeout': string;
  readonly 'allow-state-migration': boolean;
  readonly 'max-parallel': string;
  readonly 'dry-run': boolean;
  readonly yes: boolean;
}

export function campaignOptions(flags: CampaignFlagValues, json: boolean): CampaignOptions {
  const maxParallel = Number(flags['max-parallel']);
  if (!Number.isInteger(maxParallel) || maxParallel < 1)
    throw new UsageError('--max-parallel must be a whole number, at least 1');
  return {
    prepullMs: parseDuration(flags['prepull-timeout'], '--prepull-timeout'),
    drainMs: parseDuration(flags['drain-timeout'], '--drain-timeout'),
    readyMs: parseDuration(flags['ready-timeout'], '--ready-timeout'),
    allowMigration: flags['allow-state-migration'],
    maxParallel,
    yes: flags.yes,
    dryRun: flags['dry-run'],
    json,
  };
}
