/** `stop`: ends a worker's pod through its release, once nothing runs in it; its data stays. */

import { type Context, defineCommand, type Input, runIfMain } from './lib/cli/command.ts';
import { ExitCode } from './lib/cli/errors.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { confirm } from './lib/cli/prompt.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { userAtHost } from './lib/config/user.ts';
import type { ClusterWorker, LocalWorker, WorkerEntry } from './lib/config/worker-entry.ts';
import { resting } from './lib/drain/resting.ts';
import { chartPath, findHelm } from './lib/helm/helm.ts';
import { driftOf, expectReplicas, lookAtWorker } from './lib/lifecycle/look.ts';
import { waitGone } from './lib/lifecycle/pod-wait.ts';
import { planStop, planStopLocal, scaling } from './lib/lifecycle/replicas.ts';
import { createTools, stopNow } from './lib/lifecycle/tools.ts';
import { localWorkerState } from './lib/local/state.ts';
import { stopLocalWorker } from './lib/local/stop.ts';
import { agree, answer, runSteps, silently } from './lib/plan.ts';
import { clusterOf } from './lib/transport/kubectl.ts';
import { findWorker } from './lib/worker/observe.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

const FLAGS = {
  now: { type: 'boolean', description: 'interrupt the running stage instead of waiting for it' },
  'drain-timeout': {
    type: 'string',
    value: 'DURATION',
    default: '45m',
    description: 'how long to wait for the running stage',
  },
  'chart-upgrade': {
    type: 'boolean',
    description: 'upgrade to the chart of this checkout even if that changes more than the replicas',
  },
  'dry-run': { type: 'boolean', description: 'print every command line, change nothing' },
  yes: { type: 'boolean', short: 'y', description: 'with --now: do not ask' },
  ...OUTPUT_FLAGS(FORMATS),
  ...WORKER_FLAGS,
} as const;

type FlagInput = Input<typeof FLAGS>['flags'];

export const stop = defineCommand({
  name: 'stop',
  summary: SUMMARIES.stop,
  description: `Drains the worker, waits for the running stage, sets replicas to 0 in its release and waits until its pod is gone.
Queue, clones and logs stay on its volume; start brings it back. A stage that does not end in time leaves the worker running.
A local worker is stopped as with local down.`,
  positionals: [{ name: 'WORKER', required: true }],
  flags: FLAGS,
  examples: [
    ['worker-1', 'after the running stage'],
    ['worker-1 --now', 'at once; the next start resumes the interrupted stage'],
    ['worker-1 --dry-run', 'show what would be run'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const { worker } = await findWorker(context, flags, name);
    return worker.runtime === 'local'
      ? stopLocal(worker, flags, context)
      : stopInCluster(worker, flags, context);
  },
});

async function stopInCluster(worker: ClusterWorker, flags: FlagInput, context: Context): Promise<number> {
  const { stderr, commandLine } = context;
  const timeoutMs = parseDuration(flags.timeout, '--timeout');
  const waitMs = parseDuration(flags['drain-timeout'], '--drain-timeout');
  const cluster = clusterOf(context, timeoutMs);
  const helm = await findHelm(context);
  const state = await lookAtWorker(helm, worker, context, timeoutMs);
  const drift = await driftOf(helm, state, scaling(0));
  const request = { chart: chartPath(), chartUpgrade: flags['chart-upgrade'], now: flags.now };
  const say = (what: string) => stderr.write(`${worker.name}: ${what}\n`);
  const hints = [
    `wait longer: ${commandLine('stop', worker.name, '--drain-timeout', '2h')}`,
    `interrupt it: ${commandLine('stop', worker.name, '--now')}`,
  ];
  const reason = `stopped by ${userAtHost()}`;
  const rest = resting(worker, { reason, waitMs, timeoutMs, say, hints }, context);
  const tools = createTools(helm, cluster, worker, context);
  const planned = planStop(state, drift, request, tools, {
    drain: rest.begin,
    scaled: async () => {
      await expectReplicas(cluster, worker, 0);
      rest.done();
      return undefined;
    },
    stopNow: () => stopNow(worker, context, timeoutMs),
    wait: silently(() => waitGone(cluster, worker, say)),
  });
  const asked = askedOf(worker, flags, context);
  const plan = await agree(planned, asked, context);
  if (typeof plan === 'number') return plan;
  const again = () => commandLine('stop', worker.name, ...(flags.now ? ['--now'] : []));
  await runSteps(plan.steps, again, context, rest.giveUp);
  answer(asked, plan, stopped(worker.name, 'on its volume', context), context);
  return ExitCode.ok;
}

/** The same for a local worker: its supervisor waits for the stage itself. */
async function stopLocal(worker: LocalWorker, flags: FlagInput, context: Context): Promise<number> {
  const { exec, stderr, commandLine } = context;
  const waitMs = flags.now ? 0 : parseDuration(flags['drain-timeout'], '--drain-timeout');
  const { running, processes } = await localWorkerState(worker.home, exec);
  const end = silently(() =>
    stopLocalWorker(worker.home, {
      waitForStageSeconds: Math.round(waitMs / 1000),
      onProgress: (message) => stderr.write(`${worker.name}: ${message}\n`),
    }),
  );
  const planned = planStopLocal(worker, running || processes > 0, waitMs, commandLine, end);
  const asked = askedOf(worker, flags, context);
  const plan = await agree(planned, asked, context);
  if (typeof plan === 'number') return plan;
  for (const { run } of plan.steps) await run();
  answer(asked, plan, stopped(worker.name, `in ${worker.home}`, context), context);
  return ExitCode.ok;
}

function askedOf(worker: WorkerEntry, flags: FlagInput, context: Context) {
  return {
    worker,
    dryRun: flags['dry-run'],
    json: outputFormat(flags, FORMATS) === 'json',
    show: false,
    ask: flags.now ? () => confirm(context, `Stop ${worker.name} now?`, flags.yes) : null,
    status: 'stopped',
  };
}

function stopped(name: string, where: string, { commandLine }: Context) {
  return {
    status: 'stopped',
    sentence: `${name} is stopped`,
    next: [`what it has stays ${where}; start it again: ${commandLine('start', name)}`],
  };
}

await runIfMain(import.meta.url, stop);
