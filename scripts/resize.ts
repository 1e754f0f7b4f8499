/** `resize`: gives a running worker other limits of memory and CPU, without a restart. */

import { type Context, defineCommand, type Input } from './lib/cli/command.ts';
import { ExitCode, UsageError } from './lib/cli/errors.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { confirm } from './lib/cli/prompt.ts';
import { runIfMain } from './lib/cli/run.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import type { ClusterWorker } from './lib/config/worker-entry.ts';
import { findHelm } from './lib/helm/helm.ts';
import { driftBeside, lookAtWorker } from './lib/lifecycle/look.ts';
import { createTools } from './lib/lifecycle/tools.ts';
import { agree, answer, type Run, runSteps, silently } from './lib/plan.ts';
import { expectSamePod, expectUnchanged, type Resizing, untilApplied } from './lib/resize/apply.ts';
import { lookForResize, refusalOf } from './lib/resize/look.ts';
import { planResize, resizing, resourcesIn } from './lib/resize/plan.ts';
import { parseLimits, resized } from './lib/resize/resources.ts';
import { clusterOf } from './lib/transport/kubectl.ts';
import { findWorker } from './lib/worker/observe.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

const FLAGS = {
  memory: { type: 'string', value: 'SIZE', description: 'its memory limit: 12Gi' },
  cpu: { type: 'string', value: 'NUMBER', description: 'its CPU limit: 6, or 500m' },
  'dry-run': { type: 'boolean', description: 'print every command line, change nothing' },
  yes: { type: 'boolean', short: 'y', description: 'do not ask' },
  ...OUTPUT_FLAGS(FORMATS),
  ...WORKER_FLAGS,
} as const;

type FlagInput = Input<typeof FLAGS>['flags'];

const NOTHING = silently(async () => {});

/** The manifest lines that the upgrade is meant to change. */
const RESOURCE_LINE = /: [-+] (?:memory|cpu): \S+$/;

export const resize = defineCommand({
  name: 'resize',
  summary: SUMMARIES.resize,
  description: `Changes the limits of the running pod, which takes a second and interrupts nothing; Docker's own limit follows. Then it
changes the release, so that the next pod has them too, and keeps the Deployment from replacing the pod for that.
A request that was equal to its limit follows it. Needs Kubernetes 1.33 and kubectl 1.32, or later.`,
  positionals: [{ name: 'WORKER', required: true }],
  flags: FLAGS,
  examples: [
    ['worker-1 --memory 12Gi', 'after processes were killed for lack of memory'],
    ['worker-1 --memory 12Gi --cpu 6 --dry-run', 'show what would be run'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const limits = parseLimits(flags);
    const { worker } = await findWorker(context, flags, name);
    if (worker.runtime === 'local') {
      throw new UsageError(`${worker.name} is a local worker: it has no limits of its own`);
    }
    return resizeInCluster(worker, limits, flags, context);
  },
});

async function resizeInCluster(
  worker: ClusterWorker,
  limits: ReturnType<typeof parseLimits>,
  flags: FlagInput,
  context: Context,
): Promise<number> {
  const timeoutMs = parseDuration(flags.timeout, '--timeout');
  const cluster = clusterOf(context, timeoutMs);
  const helm = await findHelm(context);
  const found = await lookAtWorker(helm, worker, context, timeoutMs);
  const container = found.workload?.container ?? worker.container ?? 'worker';
  const state = await lookForResize(cluster, worker, container, context);
  const { pod, deployment } = state;
  const ofPod = pod === null ? null : resized(pod.resources, limits);
  const ofRelease = deployment === null ? null : resized(resourcesIn(deployment.template, container), limits);
  const [drift, refused] = await Promise.all([
    ofRelease === null ? [] : driftBeside(RESOURCE_LINE, helm, found, resizing(ofRelease)),
    pod === null || ofPod === null ? null : refusalOf(cluster, worker, pod, ofPod),
  ]);
  const tools = createTools(helm, cluster, worker, context);
  // Without a running pod the plan has no step that waits for one.
  const wait = (run: (resizing: Resizing) => Run) =>
    pod === null ? NOTHING : run({ cluster, worker, pod, change: ofPod ?? {}, context });
  const planned = planResize(found, state, limits, drift, refused, tools, {
    applied: wait(untilApplied),
    unchanged: wait(expectUnchanged),
    check: wait(expectSamePod),
  });
  const asked = {
    worker,
    dryRun: flags['dry-run'],
    json: outputFormat(flags, FORMATS) === 'json',
    show: true,
    ask: () => confirm(context, `Resize ${worker.name}?`, flags.yes),
    status: 'resized',
  };
  const plan = await agree(planned, asked, context);
  if (typeof plan === 'number') return plan;
  const given = Object.entries(limits).flatMap(([name, value]) => [`--${name}`, value]);
  await runSteps(plan.steps, () => context.commandLine('resize', worker.name, ...given), context);
  answer(asked, plan, { status: 'resized', sentence: `${worker.name} is resized`, next: [] }, context);
  return ExitCode.ok;
}

await runIfMain(import.meta.url, resize);
