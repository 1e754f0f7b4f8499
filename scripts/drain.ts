/** `drain`: lets the running stage end and keeps a worker from taking up more. */
import { setTimeout as sleep } from 'node:timers/promises';
import { defineCommand, runIfMain } from './lib/cli/command.ts';
import { CliError, ExitCode, InterruptedError } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { chooseWorker, loadWorkers } from './lib/config/workers-file.ts';
import { drainWorker, isAtRest, whatRuns } from './lib/release/drain.ts';
import { createReach } from './lib/worker/observe.ts';
import { parseSnapshot } from './lib/worker/snapshot.ts';

const FORMATS = ['text', 'json'] as const;
const LOOK_AGAIN_MS = 1_500;

export const drain = defineCommand({
  name: 'drain',
  summary: 'Let the running stage of a worker end, and no other begin',
  description: `The queue stays as it is, and dispatch still adds to it. The worker stays drained, also over restarts, until
resume lifts it; list and status show it.`,
  positionals: [{ name: 'WORKER', required: true }],
  flags: {
    reason: { type: 'string', value: 'TEXT', description: 'why, for whoever looks' },
    wait: { type: 'boolean', description: 'wait until nothing runs any more' },
    'wait-timeout': {
      type: 'string',
      value: 'DURATION',
      default: '1h',
      description: 'with --wait: how long (124 afterwards; the worker stays drained)',
    },
    force: { type: 'boolean', description: "take over somebody else's drain" },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1 --reason "node upgrade tonight"', 'no new stage from now on'],
    ['worker-1 --wait && kubectl drain node-1', 'and nothing runs when it returns'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const format = outputFormat(flags, FORMATS);
    const timeoutMs = parseDuration(flags.timeout, '--timeout');
    const until = Date.now() + parseDuration(flags['wait-timeout'], '--wait-timeout');
    const worker = chooseWorker(await loadWorkers(context.env, flags, context.commandLine), name);
    const { transport } = await createReach(context, timeoutMs).enter(worker);
    const { signal, stderr, stdout, commandLine } = context;
    const call = { timeoutMs, signal };
    const owner = { release: null, force: flags.force };
    const { word, snapshot: first } = await drainWorker(transport, worker, flags.reason ?? '', owner, call);
    let snapshot = first;
    for (let said = ''; flags.wait && !isAtRest(snapshot); ) {
      const runs = whatRuns(snapshot);
      if (runs !== said) stderr.write(`${worker.name}: waits for ${runs}\n`);
      said = runs;
      if (Date.now() > until) {
        throw new CliError(`${worker.name} is still at work: ${runs}; it stays drained`, {
          exitCode: ExitCode.timeout,
          hints: [`take up work again: ${commandLine('resume', worker.name)}`],
        });
      }
      await sleep(LOOK_AGAIN_MS, undefined, { signal }).catch(() => {
        throw InterruptedError.by(signal, `not waiting any more; ${worker.name} stays drained`);
      });
      snapshot = parseSnapshot(await transport.run({ script: 'probe', args: ['brief'], ...call }));
    }
    const rest = isAtRest(snapshot);
    if (format === 'json') {
      stdout.write(
        renderJson({
          worker: worker.name,
          drained: true,
          new: word === 'new',
          atRest: rest,
          drain: snapshot.drain,
        }),
      );
      return;
    }
    const already = word === 'already' ? ' already' : '';
    stdout.write(
      `${worker.name} is drained${already}${rest ? ', and nothing runs' : `; still at work: ${whatRuns(snapshot)}`}\n`,
    );
    stderr.write(`  take up work again: ${commandLine('resume', worker.name)}\n`);
  },
});

await runIfMain(import.meta.url, drain);
