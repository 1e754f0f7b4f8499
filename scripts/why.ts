/** `why`: diagnoses a worker: causes, evidence, next command. */
import { type Context, defineCommand, runIfMain } from './lib/cli/command.ts';
import { ExitCode } from './lib/cli/errors.ts';
import { painter, renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { age, oneLine } from './lib/cli/text.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import type { WorkerEntry } from './lib/config/worker-entry.ts';
import { BOOK } from './lib/health/book.ts';
import { type ClusterFacts, lookAtCluster } from './lib/health/cluster.ts';
import type { Finding } from './lib/health/facts.ts';
import { disksOf, parseDocker, parseInside, parsePanes } from './lib/health/inside.ts';
import { factsOf, isKnown, type Observation, observeWith } from './lib/health/observe.ts';
import { judge } from './lib/health/report.ts';
import { describeLastSeen } from './lib/worker/last-seen.ts';
import { createReach, findWorker } from './lib/worker/observe.ts';
import { itemName, openItems } from './lib/worker/queue.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

export const why = defineCommand({
  name: 'why',
  summary: SUMMARIES.why,
  description: `Checks more than status: what the panes show and who typed into them, Docker, memory and disks, and what Kubernetes reports
about pod, node and volume. Start with the first cause. Changes nothing.`,
  positionals: [{ name: 'WORKER', required: true }],
  flags: { ...OUTPUT_FLAGS(FORMATS), ...WORKER_FLAGS },
  examples: [
    ['worker-1', 'causes, evidence, commands'],
    ["worker-1 -o json | jq -r '.findings[].id'", 'the ids of the causes'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const format = outputFormat(flags, FORMATS);
    const { worker, timeoutMs } = await findWorker(context, flags, name);
    const [{ seen, frame }, cluster] = await Promise.all([
      observeWith(createReach(context, timeoutMs), worker, { script: 'why', args: [] }, context, timeoutMs),
      askCluster(context, worker, timeoutMs),
    ]);
    const { problems: findings } = judge(
      {
        ...factsOf(seen, context.commandLine),
        ...(frame === null
          ? {}
          : {
              panes: parsePanes(frame),
              docker: parseDocker(frame),
              disks: disksOf(frame),
              inside: parseInside(frame),
            }),
        cluster,
      },
      BOOK,
    );
    context.stdout.write(
      format === 'json'
        ? renderJson({
            name: worker.name,
            status: seen.status,
            lastSeen: seen.lastSeen,
            findings: findings.map(({ status: _, ...finding }) => finding),
          })
        : renderFindings(seen, findings, context),
    );
    return isKnown(seen) ? ExitCode.ok : ExitCode.failed;
  },
});

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
