/** `provision`: installs a worker, or continues where an installation stopped. */
import { defineCommand } from './lib/cli/command.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { workersPath } from './lib/config/workers-file.ts';
import { TOKEN_FLAGS } from './lib/secret/tokens.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

export const provision = defineCommand({
  name: 'provision',
  summary: SUMMARIES.provision,
  description: `Checks what exists, shows the rest as a plan (+ new, ~ changed, - removed, = exists), asks, and carries it out. Run it again
after a failure and it continues where it stopped. It never changes an installed release; helm upgrade does that. With
database.kind=url it needs a DATABASE_URL, too. Tokens come from files, from the environment with --from-env, or from a
prompt; they are never part of a command line.`,
  positionals: [{ name: 'WORKER', required: true }],
  flags: {
    values: {
      type: 'list',
      short: 'f',
      value: 'FILE',
      whole: true,
      description: 'values file for the chart; - is stdin',
    },
    set: {
      type: 'list',
      value: 'KEY=VALUE',
      whole: true,
      description: 'a value for the chart, as for helm install --set',
    },
    ...TOKEN_FLAGS,
    'no-secret': {
      type: 'boolean',
      description: 'install without tokens; the worker uses them once the Secret exists',
    },
    'pull-secret-file': {
      type: 'string',
      value: 'FILE',
      description:
        "Docker config.json with the login for the image's registry, to create a missing pull secret",
    },
    'wait-timeout': {
      type: 'string',
      value: 'DURATION',
      formerly: 'wait',
      default: '10m',
      description: 'how long to wait until the pod is Ready',
    },
    'dry-run': { type: 'boolean', description: 'print the plan with every command line, change nothing' },
    yes: { type: 'boolean', short: 'y', description: 'do not ask' },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
    context: { ...WORKER_FLAGS.context, description: "kubectl context; default: kubectl's current one" },
    namespace: { ...WORKER_FLAGS.namespace, description: 'namespace of the worker; default: factory' },
  },
  examples: [
    ['worker-1 -f my-values.yaml', 'prompts for the tokens'],
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
        waitMs: parseDuration(flags['wait-timeout'], '--wait-timeout'),
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
