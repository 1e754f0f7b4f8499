/** `rotate`: gives a worker new tokens, and proves that the old ones are gone. */
import { type Context, defineCommand, type Input } from './lib/cli/command.ts';
import { CliError, ExitCode, UsageError } from './lib/cli/errors.ts';
import { renderJson, renderTable } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat, TABLE_FLAGS } from './lib/cli/output-flags.ts';
import { confirm, select } from './lib/cli/prompt.ts';
import { runIfMain } from './lib/cli/run.ts';
import { count } from './lib/cli/text.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import type { ClusterWorker } from './lib/config/worker-entry.ts';
import { createInquiry, type Proof } from './lib/rotate/inquiry.ts';
import type { Layer } from './lib/rotate/layers.ts';
import { reportOn } from './lib/rotate/report.ts';
import { rotateTokens } from './lib/rotate/rotation.ts';
import { chooseWriter, type Writer } from './lib/rotate/writers.ts';
import { type Hashes, hashesOf, readSecret, valuesOf } from './lib/secret/secret.ts';
import {
  askTokens,
  givenTokens,
  hideTokens,
  KEYS,
  type Key,
  NEEDED_KEYS,
  TOKEN_FLAGS,
  type Token,
  withoutStrayUrl,
} from './lib/secret/tokens.ts';
import { shortHash } from './lib/short-hash.ts';
import { clusterOf } from './lib/transport/kubectl.ts';
import { findWorker } from './lib/worker/observe.ts';
import { WORKER } from './lib/worker/positionals.ts';
import { findDeployment } from './lib/worker/workload.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['table', 'json'] as const;

const FLAGS = {
  ...TOKEN_FLAGS,
  check: { type: 'boolean', description: 'only show which token each layer has' },
  'wait-timeout': {
    type: 'string',
    value: 'DURATION',
    formerly: 'wait',
    default: '3m',
    description: 'how long to wait for the new Secret to reach the worker',
  },
  'chart-upgrade': {
    type: 'boolean',
    description: 'upgrade to the chart of this checkout even if that changes more than the tokens',
  },
  'dry-run': { type: 'boolean', description: 'show what would be changed, change nothing' },
  yes: { type: 'boolean', short: 'y', description: 'do not ask' },
  ...OUTPUT_FLAGS(FORMATS),
  ...TABLE_FLAGS,
  ...WORKER_FLAGS,
} as const;

type FlagInput = Input<typeof FLAGS>['flags'];

export const rotate = defineCommand({
  name: 'rotate',
  summary: SUMMARIES.rotate,
  description: `Tokens come from files, from the environment with --from-env, or from a prompt. They go into the worker's Secret, or into its
release if the chart created the Secret. Then each layer is compared by short hashes: the Secret, the mounted file, the next
call of gh and claude, every process that has a token. A new DATABASE_URL is waited for until the worker uses it; it is not
taken from the environment, where it may be that of another program. A refused token, or a DATABASE_URL with which the worker
cannot use its database, is replaced by the old one again, with exit code 1. For a worker that is not running, only the Secret can be checked; its next start uses the new tokens.`,
  positionals: [WORKER],
  flags: FLAGS,
  examples: [
    ['worker-1', 'prompts for the tokens'],
    ['worker-1 --gh-token-file ~/gh-token --yes', 'GH_TOKEN alone, from a file'],
    ['worker-1 --check', 'what still has an old one'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const { env } = context;
    const { worker, timeoutMs } = await findWorker(context, flags, name);
    if (worker.runtime === 'local') {
      throw new UsageError(
        `${name} runs on this machine, without a Secret: gh and claude in it use their own logins`,
        `log in inside: ${context.commandLine('shell', name)}`,
      );
    }
    const waitMs = parseDuration(flags['wait-timeout'], '--wait-timeout');
    const cluster = clusterOf(context, timeoutMs);
    const all = await givenTokens(flags, env);
    hideTokens(all, context);
    const install = await findDeployment(cluster, worker);
    if (install?.secret == null) {
      throw new CliError(
        `${worker.name} has no Deployment ${worker.pod} with a Secret in namespace ${worker.namespace}`,
        { hints: [`is it installed? ${context.commandLine('status', worker.name)}`] },
      );
    }
    const before = await readSecret(cluster, worker, install.secret);
    const old = hashesOf(before);
    hideTokens(valuesOf(before), context);
    const given = withoutStrayUrl(all, false);
    const lookAgain = async () => {
      const keys = KEYS.filter((key) => old.has(key) || NEEDED_KEYS.some((needed) => needed === key));
      const proof = await createInquiry(context, worker, timeoutMs).ask();
      return show(old, proof, keys, { worker, rotated: false, flags, context });
    };
    if (flags.check) return lookAgain();
    const tokens = given.length > 0 ? given : await askTokens(await whichKeys(old, context), context);
    // Those that were asked for.
    hideTokens(tokens, context);
    const changed = tokens.filter(({ key, value }) => old.get(key) !== shortHash(value));
    if (changed.length === 0) {
      context.stderr.write(`the Secret ${install.secret} has these tokens already\n`);
      return lookAgain();
    }
    const writer = await chooseWriter(
      {
        context,
        cluster,
        worker,
        secret: before,
        name: install.secret,
        chartUpgrade: flags['chart-upgrade'],
      },
      changed,
    );
    showPlan(changed, old, writer, { worker, flags, context });
    if (flags['dry-run']) return ExitCode.ok;
    const question = `Give ${worker.name} ${count(changed.length, 'new value')}?`;
    if (!(await confirm(context, question, flags.yes))) throw new CliError('nothing was changed');
    const rotation = { worker, cluster, tokens: changed, old, writer, waitMs, timeoutMs };
    const proof = await rotateTokens(rotation, context);
    const after = hashesOf(await readSecret(cluster, worker, install.secret));
    const keys = changed.map(({ key }) => key);
    return show(after, proof, keys, { worker, rotated: true, flags, context });
  },
});

/** Which tokens to ask for: those missing in the Secret, else those the operator chooses. */
async function whichKeys(there: Hashes, context: Context): Promise<readonly Key[]> {
  const missing = NEEDED_KEYS.filter((key) => (there.get(key) ?? '-') === '-');
  if (missing.length > 0) return missing;
  return select<readonly Key[]>(
    context,
    'Which token is new?',
    [
      { name: 'GH_TOKEN', value: ['GH_TOKEN'] },
      { name: 'CLAUDE_CODE_OAUTH_TOKEN', value: ['CLAUDE_CODE_OAUTH_TOKEN'] },
      { name: 'both', value: ['CLAUDE_CODE_OAUTH_TOKEN', 'GH_TOKEN'] },
      ...(there.has('DATABASE_URL')
        ? [{ name: 'DATABASE_URL', value: ['DATABASE_URL'] as readonly Key[] }]
        : []),
    ],
    '--gh-token-file, --token-file, --database-url-file, --secrets-file or --from-env',
  );
}

interface Shown {
  readonly worker: ClusterWorker;
  readonly flags: FlagInput;
  readonly context: Context;
}

function showPlan(
  changed: readonly Token[],
  old: Hashes,
  { step: { what, commands } }: Writer,
  { worker, flags, context: { stdout, stderr } }: Shown,
): void {
  stderr.write(`${worker.name} (context ${worker.context}, namespace ${worker.namespace}): ${what}\n`);
  const changes = changed.map(({ key, value, source }) => ({
    key,
    from: old.get(key) ?? '-',
    to: shortHash(value),
    source,
  }));
  if (flags['dry-run'] && outputFormat(flags, FORMATS) === 'json') {
    stdout.write(renderJson({ worker: worker.name, dryRun: true, changes, commands }));
    return;
  }
  const lines = changes.map(({ key, from, to, source }) => `  ${key}: ${from} → ${to} (from ${source})\n`);
  if (flags['dry-run']) stdout.write([...lines, ...commands.map((line) => `  $ ${line}\n`)].join(''));
  else stderr.write(lines.join(''));
}

function show(
  secret: Hashes,
  proof: Proof,
  keys: readonly Key[],
  { worker, flags, context, rotated }: Shown & { readonly rotated: boolean },
): number {
  const { stdout, stderr, commandLine } = context;
  const check = commandLine('rotate', worker.name, '--check');
  const { layers, notAsked, notes, failed } = reportOn(secret, proof, keys, rotated, check);
  stdout.write(
    outputFormat(flags, FORMATS) === 'json'
      ? renderJson({ worker: worker.name, rotated, layers, notAsked })
      : renderTable(layers, COLUMNS, { headers: !flags['no-headers'] }),
  );
  for (const note of notes) stderr.write(`${note}\n`);
  return failed ? ExitCode.failed : ExitCode.ok;
}

const COLUMNS = [
  { header: 'KEY', value: ({ key }: Layer) => key },
  { header: 'LAYER', value: ({ layer }: Layer) => layer },
  { header: 'HASH', value: ({ hash }: Layer) => hash },
  { header: 'STATE', value: ({ state }: Layer) => state },
  { header: 'NOTE', value: ({ note }: Layer) => note || '-' },
];

await runIfMain(import.meta.url, rotate);
