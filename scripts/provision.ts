/** `provision`: installs a worker, or goes on where an installation stopped. */
import { defineCommand, runIfMain } from './lib/cli/command.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { workersPath } from './lib/config/workers-file.ts';
import { TOKEN_FLAGS } from './lib/secret/tokens.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

export const provision = defineCommand({
  name: 'provision',
  summary: SUMMARIES.provision,
  description: `Looks what is there, shows what is missing as a plan (+ new, ~ changed, - gone, = there already), asks, and does it. Typed
again after a failure it goes on where it stopped. Nothing that is installed is changed: that is helm upgrade's business.
Tokens come from files, with --from-env from the environment, or are asked for; they never stand in a command line.`,
  positionals: [{ name: 'WORKER', required: true }],
  flags: {
    values: {
      type: 'list',
      short: 'f',
      value: 'FILE',
      whole: true,
      description: 'file with values of the chart; - is stdin',
    },
    set: {
      type: 'list',
      value: 'KEY=VALUE',
      whole: true,
      description: 'a value of the chart, as helm install --set takes it',
    },
    ...TOKEN_FLAGS,
    'no-secret': {
      type: 'boolean',
      description: 'without tokens: the worker takes them up once they are there',
    },
    'pull-secret-file': {
      type: 'string',
      value: 'FILE',
      description:
        "Docker config.json with the login of the image's registry, for a pull secret that is not there yet",
    },
    wait: {
      type: 'string',
      value: 'DURATION',
      default: '10m',
      description: 'how long its pod may take to be Ready',
    },
    'dry-run': { type: 'boolean', description: 'print the plan with every command line, change nothing' },
    yes: { type: 'boolean', short: 'y', description: 'do not ask' },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
    context: { ...WORKER_FLAGS.context, description: "kubectl context; else kubectl's current one" },
    namespace: { ...WORKER_FLAGS.namespace, description: 'namespace of the worker; else factory' },
  },
  examples: [
    ['worker-1 -f my-values.yaml', 'asks for the tokens'],
    [
      'worker-1 -f my-values.yaml --token-file ~/claude-token --gh-token-file ~/gh-token --gh-user factory-bot --yes',
      'for a script',
    ],
    ['worker-1 -f my-values.yaml --dry-run', 'what would be run'],
    [
      'worker-2 -f examples/values/digitalocean.yaml --set image.tag=0.1.0 --pull-secret-file ~/.docker/config.json',
      'with the registry’s login',
    ],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const { provisionWorker } = await import('./lib/provision/run.ts');
    return provisionWorker(
      {
        name,
        context: flags.context,
        namespace: flags.namespace,
        kubeconfig: flags.kubeconfig,
        workersPath: workersPath(context.env, flags.workers),
        values: flags.values,
        set: flags.set,
        tokens: flags,
        noSecret: flags['no-secret'],
        pullSecretFile: flags['pull-secret-file'],
        waitMs: parseDuration(flags.wait, '--wait'),
        timeoutMs: parseDuration(flags.timeout, '--timeout'),
        dryRun: flags['dry-run'],
        yes: flags.yes,
        json: outputFormat(flags, FORMATS) === 'json',
      },
      context,
    );
  },
});

await runIfMain(import.meta.url, provision);
