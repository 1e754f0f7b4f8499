/** `why`: diagnoses a worker: causes, evidence, next command. */
import { type Context, defineCommand } from './lib/cli/command.ts';
import { ExitCode, UsageError } from './lib/cli/errors.ts';
import { painter, renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { age, oneLine } from './lib/cli/text.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS, type WorkerFlagValues } from './lib/config/flags.ts';
import type { WorkerEntry } from './lib/config/worker-entry.ts';
import { loadWorkers } from './lib/config/workers-file.ts';
import { BOOK } from './lib/health/book.ts';
import { type ClusterFacts, lookAtCluster } from './lib/health/cluster.ts';
import type { Finding, Severity } from './lib/health/facts.ts';
import { disksOf, parseDocker, parseInside, parsePanes } from './lib/health/inside.ts';
import {
  EXIT_CODE_FLAG,
  exitCodeOf,
  factsOf,
  isKnown,
  missOf,
  type Observation,
  observeWith,
  unexpected,
} from './lib/health/observe.ts';
import { describeOutage, isHit, outageSubject, outagesOf } from './lib/health/outages.ts';
import { judge } from './lib/health/report.ts';
import { ALL_FLAG } from './lib/lifecycle/several.ts';
import { openConnections } from './lib/transport/connections.ts';
import { CONCURRENCY, fanOut, guarded } from './lib/worker/fan-out.ts';
import { describeLastSeen } from './lib/worker/last-seen.ts';
import { createReach, type FoundWorker, findWorker, type Reach } from './lib/worker/observe.ts';
import { defaultWorker } from './lib/worker/positionals.ts';
import { itemName, openItems } from './lib/worker/queue.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

export const why = defineCommand({
  name: 'why',
  summary: SUMMARIES.why,
  description: `Checks more than status: what the panes show and who typed into them, Docker, memory and disks, and what Kubernetes reports
about pod, node and volume. Start with the first cause. Changes nothing.
Without WORKER: in short, all workers with an error or a warning, the worst first.`,
  positionals: [
    {
      name: 'WORKER',
      required: false,
      note: 'Without WORKER it is the one in $FACTORY_WORKER; if that is not set, or with --all, every worker.',
    },
  ],
  flags: { ...ALL_FLAG, ...EXIT_CODE_FLAG, ...OUTPUT_FLAGS(FORMATS), ...WORKER_FLAGS },
  examples: [
    ['worker-1', 'causes, evidence, commands'],
    ['', 'which workers need you, and why'],
    ["worker-1 -o json | jq -r '.findings[].id'", 'the ids of the causes'],
  ],
  async run({ flags, positionals: [given] }, context) {
    if (flags.all && given !== undefined)
      throw new UsageError('--all and the name of a worker cannot be used together');
    const json = outputFormat(flags, FORMATS) === 'json';
    const asked = flags['exit-code'];
    const name = flags.all ? null : (given ?? (await defaultWorker(context, flags)));
    return name === null
      ? whyAll(flags, { json, asked }, context)
      : whyOne(await findWorker(context, flags, name), { json, asked }, context);
  },
});

interface Wanted {
  readonly json: boolean;
  /** Whether --exit-code was given. */
  readonly asked: boolean;
}

/** A worker with all that was found wrong with it. */
interface Diagnosis {
  readonly seen: Observation;
  readonly findings: readonly Finding[];
}

async function whyOne(
  { worker, timeoutMs }: FoundWorker,
  { json, asked }: Wanted,
  context: Context,
): Promise<number> {
  const reach = createReach(context, timeoutMs);
  const [looked, cluster] = await Promise.all([
    look(reach, worker, context, timeoutMs),
    askCluster(context, worker, timeoutMs),
  ]);
  const { seen, findings } = diagnose(looked, cluster, context);
  context.stdout.write(
    json ? renderJson(toJson({ seen, findings })) : renderFindings(seen, findings, context),
  );
  return exitCodeOf(seen, findings, asked);
}

/** A short judgement of each worker that needs the operator. */
async function whyAll(flags: WorkerFlagValues, { json, asked }: Wanted, context: Context): Promise<number> {
  const { stdout, stderr, env, commandLine } = context;
  const timeoutMs = parseDuration(flags.timeout, '--timeout');
  const { workers, path } = await loadWorkers(env, flags, commandLine);
  if (workers.length === 0 && !json)
    stderr.write(`no workers in ${path}; add one: ${commandLine('workers', 'add', 'NAME')}\n`);
  openConnections(context, workers);
  const reach = createReach(context, timeoutMs);
  const examine = async (worker: WorkerEntry): Promise<Diagnosis> => {
    const looked = await look(reach, worker, context, timeoutMs);
    // A cluster that does not let us in for one worker has nothing to say about it either.
    const shut = looked.seen.reason !== undefined;
    return diagnose(looked, shut ? null : await askCluster(context, worker, timeoutMs), context);
  };
  const all = await fanOut(
    workers,
    CONCURRENCY,
    guarded(examine, (worker, sentence) => {
      const seen = unexpected(worker, sentence);
      return { seen, findings: seen.problems };
    }),
  );
  const sick = sickest(all);
  if (json) stdout.write(renderJson(sick.map(toJson)));
  else if (workers.length > 0) stdout.write(renderSick(sick, all.length, context));
  if (!all.every(({ seen }) => isKnown(seen))) return all.length > 1 ? ExitCode.partial : ExitCode.failed;
  return Math.max(ExitCode.ok, ...all.map(({ seen, findings }) => exitCodeOf(seen, findings, asked)));
}

/** Those with an error, then those with a warning; otherwise in the order of workers.yaml. */
function sickest(all: readonly Diagnosis[]): Diagnosis[] {
  const having = (wanted: Severity) =>
    all.filter(({ findings }) => findings.some(({ severity }) => severity === wanted));
  return [...new Set([...having('error'), ...having('warning')])];
}

function look(reach: Reach, worker: WorkerEntry, context: Context, timeoutMs: number) {
  return observeWith(reach, worker, { script: 'why', args: [] }, context, timeoutMs);
}

/** @param cluster null where there is none to ask */
function diagnose(
  { seen, frame }: Awaited<ReturnType<typeof look>>,
  cluster: ClusterFacts | null,
  { commandLine }: Context,
): Diagnosis {
  const inside =
    frame === null
      ? {}
      : {
          panes: parsePanes(frame),
          docker: parseDocker(frame),
          disks: disksOf(frame),
          inside: parseInside(frame),
        };
  const { problems } = judge({ ...factsOf(seen, commandLine), ...inside, cluster }, BOOK);
  return { seen, findings: problems };
}

function toJson({ seen, findings }: Diagnosis) {
  return {
    name: seen.worker.name,
    status: seen.status,
    lastSeen: seen.lastSeen,
    findings: findings.map(({ status: _, ...finding }) => finding),
  };
}

async function askCluster(
  { exec, env, signal, now }: Context,
  worker: WorkerEntry,
  timeoutMs: number,
): Promise<ClusterFacts | null> {
  if (worker.runtime === 'local') return null;
  return lookAtCluster({ exec, env, signal, now, timeoutMs }, worker);
}

function renderFindings(
  seen: Observation,
  findings: readonly Finding[],
  { stdout, env, now }: Context,
): string {
  const paint = painter(stdout, env);
  const parts = [`${paint('bold', seen.worker.name)}: ${seen.status}\n`];
  if (findings.length === 0) parts.push(`nothing is wrong${doing(seen)}\n`);
  findings.forEach(({ cause, evidence, next }, index) => {
    const lines = [
      `${paint('yellow', `${index + 1}.`)} ${oneLine(cause)}`,
      ...evidence.map((line) => `     ${paint('dim', `seen: ${oneLine(line)}`)}`),
      ...next.map((line) => `     ${oneLine(line)}`),
    ];
    parts.push(`${lines.join('\n')}\n`);
  });
  if (seen.lastSeen !== null) parts.push(`${describeLastSeen(seen.lastSeen, now())}\n`);
  return parts.join('\n');
}

/** @param count how many workers there are */
function renderSick(
  sick: readonly Diagnosis[],
  count: number,
  { stdout, env, commandLine }: Context,
): string {
  const paint = painter(stdout, env);
  if (sick.length === 0)
    return count === 1 ? 'nothing is wrong\n' : `nothing is wrong with ${count} workers\n`;
  const outages = outagesOf(sick.map(({ seen }) => missOf(seen)));
  const parts = outages.map((outage) => {
    const next = outage.next.map((line) => `  ${oneLine(line)}\n`).join('');
    return `${paint('bold', outageSubject(outage))} ${oneLine(describeOutage(outage))}\n${next}`;
  });
  for (const { seen, findings } of sick) {
    const { name } = seen.worker;
    if (outages.some((outage) => isHit(outage, name))) continue;
    const causes = findings
      .filter(({ severity }) => severity !== 'info')
      .map(
        ({ cause, severity }) =>
          `  ${paint(severity === 'error' ? 'red' : 'yellow', '!')} ${oneLine(cause)}\n`,
      );
    parts.push(
      `${paint('bold', name)}: ${seen.status}\n${causes.join('')}  more: ${commandLine('why', name)}\n`,
    );
  }
  return parts.join('\n');
}

/** What a healthy worker is doing, for an operator who sees nothing happen. */
function doing({ snapshot }: Observation): string {
  if (snapshot === null) return '';
  const [first] = openItems(snapshot);
  if (first === undefined) return ': its queue is empty';
  if (first.pipeline === null) return `: ${itemName(first)} is taken up at the next check-in`;
  const session = snapshot.sessions.find(({ name }) => name === first.pipeline?.session);
  const output = session === undefined ? '' : `, last output ${age(snapshot.now - session.activityAt)} ago`;
  return `: ${itemName(first)} is at stage ${first.pipeline.stage}${output}`;
}

await runIfMain(import.meta.url, why);
