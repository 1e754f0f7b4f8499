/** `retire`: uninstalls a worker; its volume stays unless it is purged. */
import { defineCommand } from './lib/cli/command.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { workersPath } from './lib/config/workers-file.ts';
import { NAMED_WORKER } from './lib/worker/positionals.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

export const retire = defineCommand({
  name: 'retire',
  summary: SUMMARIES.retire,
  description: `Drains the worker, waits for the running stage, uninstalls its release and removes its entry from workers.yaml.
Volume and Secret stay, and the command prints how to use or delete them; --purge deletes both and asks for the worker's name.
Run it again after a failure and it continues where it stopped; for the rest of a worker without an entry, give --namespace
and --context.`,
  positionals: [NAMED_WORKER],
  flags: {
    backup: { type: 'string', value: 'FILE', description: 'first back up its state into this file' },
    purge: { type: 'boolean', description: 'also delete its volume and its Secret' },
    confirm: {
      type: 'string',
      value: 'NAME',
      description: "with --purge: the worker's name, instead of the prompt",
    },
    now: { type: 'boolean', description: 'interrupt the running stage instead of waiting for it' },
    'drain-timeout': {
      type: 'string',
      value: 'DURATION',
      default: '45m',
      description: 'how long to wait for the running stage',
    },
    'dry-run': { type: 'boolean', description: 'print the plan with every command line, change nothing' },
    yes: { type: 'boolean', short: 'y', description: 'do not ask; with --purge, --confirm is needed' },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1 --backup worker-1.tar.gz', 'its state in a file, its volume still there'],
    ['worker-1 --dry-run', 'show what would be run'],
    ['worker-1 --purge', 'leave nothing; asks for the name'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const { retireWorker } = await import('./lib/retire/run.ts');
    return retireWorker(
      {
        name,
        context: flags.context,
        namespace: flags.namespace,
        kubeconfig: flags.kubeconfig,
        workersPath: workersPath(context.env, flags.workers),
        backup: flags.backup,
        purge: flags.purge,
        confirm: flags.confirm,
        now: flags.now,
        drainMs: parseDuration(flags['drain-timeout'], '--drain-timeout'),
        timeoutMs: parseDuration(flags.timeout, '--timeout'),
        dryRun: flags['dry-run'],
        yes: flags.yes,
        json: outputFormat(flags, FORMATS) === 'json',
      },
      context,
    );
  },
});

await runIfMain(import.meta.url, retire);
