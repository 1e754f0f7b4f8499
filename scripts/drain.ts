/** `drain`: lets the running stage end and starts no other check-in. */
import { type Context, defineCommand, runIfMain } from './lib/cli/command.ts';
import { CliError, ExitCode, InterruptedError } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { drainWorker } from './lib/drain/drain.ts';
import { isAtRest, waitForRest, whatRuns } from './lib/drain/rest.ts';
import type { Transport } from './lib/transport/transport.ts';
import { findWorker } from './lib/worker/observe.ts';
import type { Snapshot } from './lib/worker/snapshot.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

export const drain = defineCommand({
  name: 'drain',
  summary: SUMMARIES.drain,
  description: `The queue stays, and dispatch still adds to it. The worker stays drained, also across restarts, until resume lifts the
drain; list and status show it.`,
  positionals: [{ name: 'WORKER', required: true }],
  flags: {
    reason: { type: 'string', value: 'TEXT', description: 'reason, shown by status' },
    wait: { type: 'boolean', description: 'wait until nothing is running' },
    'wait-timeout': {
      type: 'string',
      value: 'DURATION',
      default: '1h',
      description: 'with --wait: stop waiting after this time (124); the worker stays drained',
    },
    force: { type: 'boolean', description: "take over another operator's drain" },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1 --reason "node upgrade tonight"', 'no new stage from now on'],
    ['worker-1 --wait && kubectl drain node-1', 'nothing runs when it returns'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const format = outputFormat(flags, FORMATS);
    const limitMs = parseDuration(flags['wait-timeout'], '--wait-timeout');
    const { worker, timeoutMs, enter: enterWorker } = await findWorker(context, flags, name);
    const enter = async () => (await enterWorker()).transport;
    const { signal, stderr, stdout, commandLine } = context;
    const owner = { release: null, force: flags.force };
    const call = { timeoutMs, signal, commandLine };
    const drained = await drainWorker(await enter(), worker, flags.reason ?? '', owner, call);
    const snapshot = flags.wait
      ? await rest(worker.name, enter, { timeoutMs, limitMs }, context)
      : drained.snapshot;
    const rests = isAtRest(snapshot);
    if (format === 'json') {
      stdout.write(
        renderJson({
          worker: worker.name,
          drained: true,
          new: drained.word === 'new',
          atRest: rests,
          drain: snapshot.drain,
        }),
      );
      return;
    }
    const already = drained.word === 'already' ? ' already' : '';
    stdout.write(
      `${worker.name} is drained${already}${rests ? ', and nothing runs' : `; still at work: ${whatRuns(snapshot)}`}\n`,
    );
    stderr.write(`  take up work again: ${commandLine('resume', worker.name)}\n`);
  },
});

/** @returns the worker at rest; it stays drained whatever happens */
async function rest(
  worker: string,
  enter: () => Promise<Transport>,
  limits: { readonly timeoutMs: number; readonly limitMs: number },
  { signal, stderr, commandLine }: Context,
): Promise<Snapshot> {
  const say = (what: string) => stderr.write(`${worker}: ${what}\n`);
  const outcome = await waitForRest({ worker, enter, ...limits, signal, say }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
    throw InterruptedError.by(signal, `stopped waiting; ${worker} stays drained`);
  });
  if (outcome.rests) return outcome.snapshot;
  throw new CliError(`${worker} is not at rest yet: it ${outcome.it}; it stays drained`, {
    exitCode: ExitCode.timeout,
    hints: [`take up work again: ${commandLine('resume', worker)}`],
  });
}

await runIfMain(import.meta.url, drain);
