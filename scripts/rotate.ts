/** `rotate`: new tokens for a worker, and the proof that the old ones are gone. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, defineCommand, type Input, runIfMain } from './lib/cli/command.ts';
import { CliError, ExitCode, InterruptedError, UsageError } from './lib/cli/errors.ts';
import { renderJson, renderTable } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat, TABLE_FLAGS } from './lib/cli/output-flags.ts';
import { confirm, select } from './lib/cli/prompt.ts';
import { count } from './lib/cli/text.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import type { ClusterWorker } from './lib/config/worker-entry.ts';
import { chooseWorker, loadWorkers } from './lib/config/workers-file.ts';
import {
  askTokens,
  givenTokens,
  KEYS,
  type Key,
  NEEDED_KEYS,
  TOKEN_FLAGS,
  type Token,
} from './lib/provision/tokens.ts';
import { type Credentials, type Layer, layersOf, parseCredentials, shortHash } from './lib/rotate/layers.ts';
import { nudge } from './lib/rotate/nudge.ts';
import { hashesOf, readSecret, releaseOf, type SecretObject } from './lib/rotate/secret.ts';
import { inlineWriter, ownWriter, type Writer } from './lib/rotate/writers.ts';
import type { Cluster } from './lib/transport/kubectl.ts';
import { type Transport, TransportError } from './lib/transport/transport.ts';
import { createReach } from './lib/worker/observe.ts';
import { findDeployment } from './lib/worker/workload.ts';

const FORMATS = ['table', 'json'] as const;

const POLL_MS = 2_000;
/** gh and claude have their own time limits in the worker (scripts/remote/credentials.sh). */
const CALLS_MS = 90_000;

const FLAGS = {
  ...TOKEN_FLAGS,
  check: { type: 'boolean', description: 'change nothing: show which token each layer has' },
  wait: {
    type: 'string',
    value: 'DURATION',
    default: '3m',
    description: 'how long the new Secret may take to reach the worker',
  },
  'chart-upgrade': {
    type: 'boolean',
    description: 'take the chart of this checkout although it changes more than the tokens',
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
  summary: 'Give a worker new tokens, and prove that the old ones are gone',
  description: `Tokens come from files, from the environment with --from-env, or from a prompt. They go into the worker's Secret, or into
its release where the chart made the Secret. Then each layer is asked, by short hashes: the Secret, the mounted file, the next
call of gh and claude, every process that has a token. A token that is refused is replaced by the old one again: exit 1.`,
  positionals: [{ name: 'WORKER', required: true }],
  flags: FLAGS,
  examples: [
    ['worker-1', 'asks for the tokens'],
    ['worker-1 --gh-token-file ~/gh-token --yes', 'GH_TOKEN alone, from a file'],
    ['worker-1 --check', 'who still has an old one'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const worker = chooseWorker(await loadWorkers(context.env, flags, context.commandLine), name);
    if (worker.runtime === 'local') {
      throw new UsageError(
        `${name} runs on this machine, without a Secret: gh and claude in it use their own logins`,
        `log in inside: ${context.commandLine('shell', name)}`,
      );
    }
    return new Rotation(worker, flags, context).run();
  },
});

/** One rotation: what is known of it from the start. */
class Rotation {
  readonly worker: ClusterWorker;
  readonly flags: FlagInput;
  readonly context: Context;
  readonly timeoutMs: number;
  readonly cluster: Cluster;

  constructor(worker: ClusterWorker, flags: FlagInput, context: Context) {
    const { exec, env, signal, now } = context;
    this.worker = worker;
    this.flags = flags;
    this.context = context;
    this.timeoutMs = parseDuration(flags.timeout, '--timeout');
    this.cluster = { exec, env, signal, now, timeoutMs: this.timeoutMs };
  }

  async run(): Promise<number> {
    const { worker, flags, context, cluster } = this;
    const waitMs = parseDuration(flags.wait, '--wait');
    const given = await givenTokens(flags, context.env);
    const install = await findDeployment(cluster, worker);
    if (install?.secret == null) {
      throw new CliError(
        `${worker.name} has no Deployment ${worker.pod} with a Secret in namespace ${worker.namespace}`,
        {
          hints: [`is it installed? ${context.commandLine('status', worker.name)}`],
        },
      );
    }
    const before = await readSecret(cluster, worker, install.secret);
    if (flags.check) return this.check(before);
    const tokens = given.length > 0 ? given : await askTokens(await this.whichKeys(before), context);
    const old = hashesOf(before);
    const changed = tokens.filter(({ key, value }) => old.get(key) !== shortHash(value));
    if (changed.length === 0) {
      context.stderr.write(`the Secret ${install.secret} has these tokens already\n`);
      return this.check(before);
    }
    const release = releaseOf(before);
    const writer =
      release === null
        ? ownWriter(cluster, worker, before, install.secret)
        : await inlineWriter(context, worker, release, before, flags['chart-upgrade'], changed);
    if (!(await this.agreed(changed, old, writer))) return flags['dry-run'] ? ExitCode.ok : ExitCode.failed;
    await writer.write(changed);
    return this.prove(changed, old, writer, install.secret, waitMs);
  }

  /** Which tokens to ask for: those the Secret lacks, else those the person has new ones of. */
  async whichKeys(secret: SecretObject | null): Promise<readonly Key[]> {
    const there = hashesOf(secret);
    const missing = NEEDED_KEYS.filter((key) => (there.get(key) ?? '-') === '-');
    if (missing.length > 0) return missing;
    return select<readonly Key[]>(
      this.context,
      'Which token is new?',
      [
        { name: 'GH_TOKEN', value: ['GH_TOKEN'] },
        { name: 'CLAUDE_CODE_OAUTH_TOKEN', value: ['CLAUDE_CODE_OAUTH_TOKEN'] },
        { name: 'both', value: ['CLAUDE_CODE_OAUTH_TOKEN', 'GH_TOKEN'] },
      ],
      '--gh-token-file, --token-file, --secrets-file or --from-env',
    );
  }

  async agreed(
    changed: readonly Token[],
    old: ReadonlyMap<string, string>,
    writer: Writer,
  ): Promise<boolean> {
    const { worker, flags, context } = this;
    const { stdout, stderr } = context;
    const json = outputFormat(flags, FORMATS) === 'json';
    stderr.write(
      `${worker.name} (context ${worker.context}, namespace ${worker.namespace}): ${writer.how}\n`,
    );
    const plan = changed.map(({ key, value, source }) => ({
      key,
      from: old.get(key) ?? '-',
      to: shortHash(value),
      source,
    }));
    if (flags['dry-run'] && json)
      stdout.write(renderJson({ worker: worker.name, dryRun: true, changes: plan }));
    else {
      const out = flags['dry-run'] ? stdout : stderr;
      out.write(
        plan.map(({ key, from, to, source }) => `  ${key}: ${from} → ${to} (from ${source})\n`).join(''),
      );
    }
    if (flags['dry-run']) return false;
    if (await confirm(context, `Give ${worker.name} ${count(changed.length, 'new value')}?`, flags.yes))
      return true;
    stderr.write('nothing was changed\n');
    return false;
  }

  /** Waits for the new tokens in the worker, lets them be used, and puts the old ones back when they are refused. */
  async prove(
    changed: readonly Token[],
    old: ReadonlyMap<string, string>,
    writer: Writer,
    secretName: string,
    waitMs: number,
  ): Promise<number> {
    const { worker, context } = this;
    const keys = changed.map(({ key }) => key);
    const again = context.commandLine('rotate', worker.name, '--check');
    try {
      const wanted = new Map(changed.map(({ key, value }) => [key as string, shortHash(value)]));
      await this.untilMounted(wanted, waitMs);
      const found = await this.ask(true);
      const refused = keys
        .map((key) =>
          key === 'GH_TOKEN' ? found.gh : key === 'CLAUDE_CODE_OAUTH_TOKEN' ? found.claude : null,
        )
        .find((call) => call?.verdict === 'refused');
      if (refused) {
        await this.putBack(changed, old, writer, waitMs, refused.reason);
      }
      return this.report(await readSecret(this.cluster, worker, secretName), found, keys, true);
    } catch (error) {
      if (error instanceof InterruptedError || error instanceof TransportError) {
        context.stderr.write(`the new tokens are in the Secret; whether they work was not seen: ${again}\n`);
      }
      throw error;
    }
  }

  async putBack(
    changed: readonly Token[],
    old: ReadonlyMap<string, string>,
    writer: Writer,
    waitMs: number,
    reason: string,
  ): Promise<never> {
    const { worker, context } = this;
    context.stderr.write(`${reason}; putting the old one back\n`);
    await writer.putBack();
    const was = new Map(changed.map(({ key }) => [key as string, old.get(key) ?? '-']));
    await this.untilMounted(was, waitMs);
    throw new CliError(
      `${reason}: ${worker.name} has its old ${changed.map(({ key }) => `${key} (${was.get(key)})`).join(', ')} again`,
      { hints: ['get a token that works, and type it again'] },
    );
  }

  async enter(): Promise<Transport> {
    return (await createReach(this.context, this.timeoutMs).enter(this.worker)).transport;
  }

  async ask(call: boolean): Promise<Credentials> {
    const transport = await this.enter();
    const frame = await transport.run({
      script: 'credentials',
      args: [call ? 'call' : 'look'],
      timeoutMs: this.timeoutMs + (call ? CALLS_MS : 0),
      signal: this.context.signal,
    });
    return parseCredentials(frame);
  }

  /** Until the mounted files are the wanted ones. A kubelet looks at a Secret once a minute; a nudge makes it look now. */
  async untilMounted(wanted: ReadonlyMap<string, string>, waitMs: number): Promise<void> {
    const { worker, context, cluster } = this;
    const end = performance.now() + waitMs;
    await nudge(cluster, worker, context);
    for (let said = false; ; said = true) {
      const { files } = await this.ask(false);
      if ([...wanted].every(([key, hash]) => (files.get(key) ?? '-') === hash)) return;
      if (performance.now() > end) {
        throw new CliError(
          `the new Secret has not reached ${worker.name} within ${Math.round(waitMs / 1000)}s`,
          {
            exitCode: ExitCode.timeout,
            hints: [`look again: ${context.commandLine('rotate', worker.name, '--check')}`],
          },
        );
      }
      if (!said) context.stderr.write('waiting for the Secret to reach the worker\n');
      await sleep(POLL_MS, undefined, { signal: context.signal }).catch(() => {
        throw InterruptedError.by(context.signal);
      });
    }
  }

  async check(secret: SecretObject | null): Promise<number> {
    const there = hashesOf(secret);
    const keys = KEYS.filter((key) => there.has(key) || key !== 'SSH_PRIVATE_KEY');
    return this.report(secret, await this.ask(true), keys, false);
  }

  report(secret: SecretObject | null, found: Credentials, keys: readonly Key[], rotated: boolean): number {
    const { worker, flags, context } = this;
    const { stdout, stderr, commandLine } = context;
    const layers = layersOf(hashesOf(secret), found, keys);
    if (outputFormat(flags, FORMATS) === 'json') {
      stdout.write(renderJson({ worker: worker.name, rotated, layers }));
    } else {
      stdout.write(renderTable(layers, COLUMNS, { headers: !flags['no-headers'] }));
    }
    const of = (state: Layer['state'], layer?: Layer['layer']) =>
      layers.filter((one) => one.state === state && (layer === undefined || one.layer === layer));
    const running = of('stale', 'process').length;
    if (running > 0) {
      stderr.write(
        `${count(running, 'process').replace('processs', 'processes')} still ${running === 1 ? 'has' : 'have'} an old token, until the stage ends: revoke it only then; look again: ${commandLine('rotate', worker.name, '--check')}\n`,
      );
    } else if (rotated && of('stale').length === 0) {
      stderr.write('no layer has an old one any more: the old ones can be revoked\n');
    }
    return of('stale').length > running || of('refused').length > 0 ? ExitCode.failed : ExitCode.ok;
  }
}

const COLUMNS = [
  { header: 'KEY', value: ({ key }: Layer) => key },
  { header: 'LAYER', value: ({ layer }: Layer) => layer },
  { header: 'HASH', value: ({ hash }: Layer) => hash },
  { header: 'STATE', value: ({ state }: Layer) => state },
  { header: 'NOTE', value: ({ note }: Layer) => note || '-' },
];

await runIfMain(import.meta.url, rotate);
