/** `stop`: ends a worker's pod through its release, once nothing runs in it; its data stays. */

import { type Context, defineCommand, type Input } from './lib/cli/command.ts';
import { CliError, ExitCode } from './lib/cli/errors.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { confirm } from './lib/cli/prompt.ts';
import { runIfMain } from './lib/cli/run.ts';
import { enumerate } from './lib/cli/text.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { userAtHost } from './lib/config/user.ts';
import type { ClusterWorker, LocalWorker, WorkerEntry } from './lib/config/worker-entry.ts';
import { type Rest, resting } from './lib/drain/resting.ts';
import { chartPath, findHelm } from './lib/helm/helm.ts';
import { driftOf, expectReplicas, lookAtWorker } from './lib/lifecycle/look.ts';
import { waitGone } from './lib/lifecycle/pod-wait.ts';
import { planStop, planStopLocal, scaling } from './lib/lifecycle/replicas.ts';
import { ALL_FLAG, AT_ONCE, chooseSeveral, onEach, WORKERS } from './lib/lifecycle/several.ts';
import { endLocalWorker } from './lib/lifecycle/stop-local.ts';
import { createTools, stopNow } from './lib/lifecycle/tools.ts';
import { localWorkerState } from './lib/local/state.ts';
import { agree, answer, runSteps, silently } from './lib/plan.ts';
import { clusterOf } from './lib/transport/kubectl.ts';
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
  ...ALL_FLAG,
  ...OUTPUT_FLAGS(FORMATS),
  ...WORKER_FLAGS,
} as const;

type FlagInput = Input<typeof FLAGS>['flags'];

export const stop = defineCommand({
  name: 'stop',
  summary: SUMMARIES.stop,
  description: `Drains the worker, waits for the running stage, sets replicas to 0 in its release and waits until its pod is gone.
Queue, clones and logs stay on its volume; start brings it back. A stage that does not end in time leaves the worker running.
A local worker is stopped the same way. Several are stopped side by side, eight at a time.`,
  positionals: [WORKERS],
  flags: FLAGS,
  examples: [
    ['worker-1', 'after the running stage'],
    ['worker-1 worker-2', 'two workers; when one fails, the other goes on'],
    ['worker-1 --now', 'at once; the next start resumes the interrupted stage'],
    ['worker-1 --dry-run', 'show what would be run'],
  ],
  async run({ flags, positionals }, context) {
    const json = outputFormat(flags, FORMATS) === 'json';
    const chosen = await chooseSeveral(context, flags, positionals);
    let given: FlagInput = flags;
    if (chosen.several && flags.now && !flags['dry-run']) {
      const names = enumerate(chosen.workers.map(({ worker }) => worker.name));
      if (!(await confirm(context, `Stop ${names} now?`, flags.yes)))
        throw new CliError('nothing was changed');
      given = { ...flags, yes: true };
    }
    const together = { json, limit: AT_ONCE, headings: flags['dry-run'] };
    return onEach(chosen, together, context, async ({ worker }, own) =>
      worker.runtime === 'local' ? stopLocal(worker, given, own) : stopInCluster(worker, given, own),
    );
  },
});

async function stopInCluster(worker: ClusterWorker, flags: FlagInput, context: Context): Promise<number> {
  const { commandLine } = context;
  const timeoutMs = parseDuration(flags.timeout, '--timeout');
  const waitMs = parseDuration(flags['drain-timeout'], '--drain-timeout');
  const cluster = clusterOf(context, timeoutMs);
  const helm = await findHelm(context);
  const state = await lookAtWorker(helm, worker, context, timeoutMs);
  const drift = await driftOf(helm, state, scaling(0));
  const request = { chart: chartPath(), chartUpgrade: flags['chart-upgrade'], now: flags.now };
  const asRest = restOf(worker, waitMs, timeoutMs, context);
  const rest = resting(worker, asRest, context);
  const tools = createTools(helm, cluster, worker, context);
  const planned = planStop(state, drift, request, tools, {
    drain: rest.begin,
    scaled: async () => {
      await expectReplicas(cluster, worker, 0);
      rest.done();
      return undefined;
    },
    stopNow: () => stopNow(worker, context, timeoutMs),
    wait: silently(() => waitGone(cluster, worker, asRest.say)),
  });
  const asked = askedOf(worker, flags, context);
  const plan = await agree(planned, asked, context);
  if (typeof plan === 'number') return plan;
  const again = () => commandLine('stop', worker.name, ...(flags.now ? ['--now'] : []));
  await runSteps(plan.steps, again, context, rest.giveUp);
  answer(asked, plan, stopped(worker.name, 'on its volume', context), context);
  return ExitCode.ok;
}

/** The same for a local worker. */
async function stopLocal(worker: LocalWorker, flags: FlagInput, context: Context): Promise<number> {
  const { exec, commandLine } = context;
  const timeoutMs = parseDuration(flags.timeout, '--timeout');
  const waitMs = flags.now ? 0 : parseDuration(flags['drain-timeout'], '--drain-timeout');
  const { running, processes } = await localWorkerState(worker.home, exec);
  const end = silently(() => endLocalWorker(worker, restOf(worker, waitMs, timeoutMs, context), context));
  const planned = planStopLocal(worker, running || processes > 0, waitMs, commandLine, end);
  const asked = askedOf(worker, flags, context);
  const plan = await agree(planned, asked, context);
  if (typeof plan === 'number') return plan;
  for (const { run } of plan.steps) await run();
  answer(asked, plan, stopped(worker.name, `in ${worker.home}`, context), context);
  return ExitCode.ok;
}

/** How to bring the worker to rest, and what else can be typed. */
function restOf(worker: WorkerEntry, waitMs: number, timeoutMs: number, context: Context): Rest {
  const { stderr, commandLine } = context;
  return {
    reason: `stopped by ${userAtHost()}`,
    waitMs,
    timeoutMs,
    say: (what) => stderr.write(`${worker.name}: ${what}\n`),
    hints: [
      `wait longer: ${commandLine('stop', worker.name, '--drain-timeout', '2h')}`,
      `interrupt it: ${commandLine('stop', worker.name, '--now')}`,
    ],
  };
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
