/** `drain`: lets the running stage end and starts no other check-in. */
import { type Context, defineCommand } from './lib/cli/command.ts';
import { CliError, ExitCode, InterruptedError } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { waitLimit } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { drainWorker } from './lib/drain/drain.ts';
import { isAtRest, waitForRest, whatRuns } from './lib/drain/rest.ts';
import { ALL_FLAG, AT_ONCE, chooseSeveral, onEach, WORKERS } from './lib/lifecycle/several.ts';
import type { Transport } from './lib/transport/transport.ts';
import type { FoundWorker } from './lib/worker/observe.ts';
import type { Snapshot } from './lib/worker/snapshot.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

/** How long `--wait` waits. */
const DEFAULT_WAIT = '1h';

export const drain = defineCommand({
  name: 'drain',
  summary: SUMMARIES.drain,
  description: `The queue stays, and dispatch still adds to it. The worker stays drained, also across restarts, until resume lifts the
drain; list and status show it. Several are drained side by side; when one fails, the others go on.`,
  positionals: [WORKERS],
  flags: {
    reason: { type: 'string', value: 'TEXT', description: 'reason, shown by status' },
    wait: { type: 'boolean', description: 'wait until nothing is running' },
    'wait-timeout': {
      type: 'string',
      value: 'DURATION',
      description: `wait, but no longer than this (124); the worker stays drained; default: ${DEFAULT_WAIT}`,
    },
    force: { type: 'boolean', description: "take over another operator's drain" },
    ...ALL_FLAG,
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1 --reason "node upgrade tonight"', 'no new stage from now on'],
    ['--all --reason "cluster upgrade"', 'every worker'],
    ['worker-1 --wait && kubectl drain node-1', 'nothing runs when it returns'],
  ],
  async run({ flags, positionals }, context) {
    const json = outputFormat(flags, FORMATS) === 'json';
    const limitMs = waitLimit(flags, DEFAULT_WAIT);
    const chosen = await chooseSeveral(context, flags, positionals);
    // None may have to wait for its drain until others have come to rest.
    const together = { json, limit: limitMs !== null ? Number.POSITIVE_INFINITY : AT_ONCE };
    return onEach(chosen, together, context, (found, own) => drainOne(found, { flags, json, limitMs }, own));
  },
});

interface Drained {
  readonly flags: { readonly reason: string | undefined; readonly force: boolean };
  readonly json: boolean;
  /** Null: do not wait. */
  readonly limitMs: number | null;
}

async function drainOne(
  { worker, timeoutMs, enter: enterWorker }: FoundWorker,
  { flags, json, limitMs }: Drained,
  context: Context,
): Promise<undefined> {
  const enter = async () => (await enterWorker()).transport;
  const { signal, stderr, stdout, commandLine } = context;
  const owner = { release: null, force: flags.force };
  const call = { timeoutMs, signal, commandLine };
  const drained = await drainWorker(await enter(), worker, flags.reason ?? '', owner, call);
  const snapshot =
    limitMs === null ? drained.snapshot : await rest(worker.name, enter, { timeoutMs, limitMs }, context);
  const rests = isAtRest(snapshot);
  if (json) {
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
  return undefined;
}

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
