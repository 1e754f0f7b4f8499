/** `wait`: waits until a worker is idle, or an issue has ended. */
import { defineCommand } from './lib/cli/command.ts';
import { ExitCode } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { parseGoal, waitUntil } from './lib/waiting/waiting.ts';
import { findWorker } from './lib/worker/observe.ts';
import { WORKER } from './lib/worker/positionals.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

/** Time limit of one poll; a worker that does not answer is asked again. */
const LOOK_TIMEOUT = '30s';

/** `--timeout` is the earlier name of `--wait-timeout` here. */
const { timeout: _, ...WHERE_FLAGS } = WORKER_FLAGS;

export const wait = defineCommand({
  name: 'wait',
  summary: SUMMARIES.wait,
  description: `CONDITION is idle (nothing queued, nothing in progress) or issue:N=completed, issue:N=failed, issue:N=ended (either of
them, or permanently stuck). With several, all must hold. Exit 0: reached; 1: cannot be reached without a person; 124: not
reached within --wait-timeout. The work continues in any case.`,
  positionals: [WORKER, { name: 'CONDITION', required: true, repeat: true }],
  flags: {
    ...OUTPUT_FLAGS(FORMATS),
    ...WHERE_FLAGS,
    'wait-timeout': {
      type: 'string',
      value: 'DURATION',
      default: '12h',
      formerly: 'timeout',
      description: 'stop waiting after this time (124); the work continues',
    },
  },
  examples: [
    ['worker-1 idle && factory-worker stop worker-1', 'when everything is done'],
    ['worker-1 issue:23=completed --wait-timeout 2h', 'one issue'],
    ['worker-1 issue:23=ended issue:24=ended -o json', 'two, as JSON'],
    ['worker-1 demo#23', 'until it is completed, as list and status name it'],
  ],
  async run({ flags, positionals: [name = '', ...words] }, context) {
    const format = outputFormat(flags, FORMATS);
    const goals = words.map(parseGoal);
    const limitMs = parseDuration(flags['wait-timeout'], '--wait-timeout');
    const found = await findWorker(context, { ...flags, timeout: LOOK_TIMEOUT }, name);
    const { worker } = found;
    const timeoutMs = Math.min(limitMs, found.timeoutMs);
    const verdicts = await waitUntil(context, worker, goals, { timeoutMs, limitMs });
    const reached = verdicts.every(({ state }) => state === 'reached');
    if (format === 'json') {
      const conditions = verdicts.map((verdict, index) => ({ condition: goals[index]?.name, ...verdict }));
      context.stdout.write(renderJson({ worker: worker.name, reached, conditions }));
    } else if (!reached) {
      context.stderr.write(`why, and what to type: ${context.commandLine('why', worker.name)}\n`);
    }
    return reached ? ExitCode.ok : ExitCode.failed;
  },
});

await runIfMain(import.meta.url, wait);
