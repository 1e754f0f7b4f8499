/** `start`: starts a stopped worker through its release. */

import { type Context, defineCommand, type Input } from './lib/cli/command.ts';
import { CliError, ExitCode } from './lib/cli/errors.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import type { ClusterWorker, LocalWorker, WorkerEntry } from './lib/config/worker-entry.ts';
import { DRAINED_BY } from './lib/contract.ts';
import { lift } from './lib/drain/resting.ts';
import { chartPath, findHelm } from './lib/helm/helm.ts';
import {
  driftOf,
  expectReplicas,
  healthOf,
  isReady,
  lookAtWorker,
  lookInside,
} from './lib/lifecycle/look.ts';
import { waitReady } from './lib/lifecycle/pod-wait.ts';
import { planStart, planStartLocal, scaling } from './lib/lifecycle/replicas.ts';
import { ALL_FLAG, AT_ONCE, chooseSeveral, onEach, WORKERS } from './lib/lifecycle/several.ts';
import { createTools } from './lib/lifecycle/tools.ts';
import { localLayout } from './lib/local/layout.ts';
import { readLocalWorker } from './lib/local/prepare.ts';
import { assertPrograms } from './lib/local/programs.ts';
import { startLocalWorker } from './lib/local/start.ts';
import { localWorkerState } from './lib/local/state.ts';
import { agree, answer, runSteps, silently } from './lib/plan.ts';
import { clusterOf } from './lib/transport/kubectl.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

const FLAGS = {
  'wait-timeout': {
    type: 'string',
    value: 'DURATION',
    formerly: 'wait',
    default: '10m',
    description: 'how long to wait until the pod is Ready',
  },
  'chart-upgrade': {
    type: 'boolean',
    description: 'upgrade to the chart of this checkout even if that changes more than the replicas',
  },
  'dry-run': { type: 'boolean', description: 'print every command line, change nothing' },
  ...ALL_FLAG,
  ...OUTPUT_FLAGS(FORMATS),
  ...WORKER_FLAGS,
} as const;

type FlagInput = Input<typeof FLAGS>['flags'];

export const start = defineCommand({
  name: 'start',
  summary: SUMMARIES.start,
  description: `Sets replicas to 1 in the worker's release, waits until its pod is Ready, lifts the drain of the stop and reports the status.
Harmless for a running worker. A local worker is started as with local up. Several are started side by side, eight at a time.`,
  positionals: [WORKERS],
  flags: FLAGS,
  examples: [
    ['worker-1', 'and wait until it is Ready'],
    ['worker-1 worker-2', 'two workers; when one fails, the other goes on'],
    ['worker-1 --wait-timeout 30m', 'for an image that takes long to pull'],
  ],
  async run({ flags, positionals }, context) {
    const json = outputFormat(flags, FORMATS) === 'json';
    const chosen = await chooseSeveral(context, flags, positionals);
    const together = { json, limit: AT_ONCE, headings: flags['dry-run'] };
    return onEach(chosen, together, context, async ({ worker }, own) =>
      worker.runtime === 'local' ? startLocal(worker, flags, own) : startInCluster(worker, flags, own),
    );
  },
});

async function startInCluster(worker: ClusterWorker, flags: FlagInput, context: Context): Promise<number> {
  const { stderr, commandLine } = context;
  const timeoutMs = parseDuration(flags.timeout, '--timeout');
  const waitMs = parseDuration(flags['wait-timeout'], '--wait-timeout');
  const cluster = clusterOf(context, timeoutMs);
  const helm = await findHelm(context);
  const state = await lookAtWorker(helm, worker, context, timeoutMs);
  const drift = await driftOf(helm, state, scaling(1));
  const request = { chart: chartPath(), chartUpgrade: flags['chart-upgrade'], now: false };
  const say = (what: string) => stderr.write(`${worker.name}: ${what}\n`);
  let health = { status: 'running', problems: [] as readonly string[] };
  const tools = createTools(helm, cluster, worker, context);
  const planned = planStart(state, await isReady(cluster, worker), drift, request, tools, {
    scaled: silently(() => expectReplicas(cluster, worker, 1)),
    wait: async () => {
      await waitReady(
        cluster,
        worker,
        waitMs,
        [`why it takes so long: ${commandLine('why', worker.name)}`],
        say,
      );
      return 'Ready';
    },
    resume: () => lift(worker, context, timeoutMs),
    health: async () => {
      health = await healthOf(worker, context, timeoutMs);
      return undefined;
    },
  });
  const asked = askedOf(worker, flags);
  const plan = await agree(planned, asked, context);
  if (typeof plan === 'number') return plan;
  await runSteps(plan.steps, () => commandLine('start', worker.name), context);
  answer(
    asked,
    plan,
    { status: health.status, sentence: `${worker.name} is ${health.status}`, next: health.problems },
    context,
  );
  return ExitCode.ok;
}

async function startLocal(worker: LocalWorker, flags: FlagInput, context: Context): Promise<number> {
  const { exec, commandLine } = context;
  const timeoutMs = parseDuration(flags.timeout, '--timeout');
  const { running } = await localWorkerState(worker.home, exec);
  const inside = await lookInside(worker, context, timeoutMs);
  const drained = inside.entered && inside.drain?.release === DRAINED_BY.stop;
  const up = async () => {
    if (!running) await startHere(worker, flags, context);
    return drained ? lift(worker, context, timeoutMs) : undefined;
  };
  const asked = askedOf(worker, flags);
  const plan = await agree(planStartLocal(worker, running, drained, commandLine, up), asked, context);
  if (typeof plan === 'number') return plan;
  for (const { run } of plan.steps) await run();
  const said = { status: 'running', sentence: `${worker.name} is running`, next: [] };
  answer(asked, plan, said, context);
  return ExitCode.ok;
}

async function startHere(
  worker: LocalWorker,
  flags: FlagInput,
  { exec, stderr, commandLine }: Context,
): Promise<void> {
  assertPrograms(worker.name, readLocalWorker(worker.home).env['PATH'] ?? '', commandLine);
  const { outcome, message } = await startLocalWorker(worker.home, {
    exec,
    timeoutMs: parseDuration(flags['wait-timeout'], '--wait-timeout'),
    onPhase: ({ name, status }) => stderr.write(`${worker.name}: ${name} ${status}\n`),
  });
  if (outcome === 'failed' || outcome === 'timeout') {
    throw new CliError(
      `${worker.name} ${outcome === 'failed' ? 'did not start' : 'is not up yet'}: ${message}`,
      {
        exitCode: outcome === 'failed' ? ExitCode.failed : ExitCode.timeout,
        hints: [`its log: ${localLayout(worker.home).log}`],
      },
    );
  }
}

function askedOf(worker: WorkerEntry, flags: FlagInput) {
  return {
    worker,
    dryRun: flags['dry-run'],
    json: outputFormat(flags, FORMATS) === 'json',
    show: false,
    ask: null,
    status: 'running',
  };
}

await runIfMain(import.meta.url, start);
