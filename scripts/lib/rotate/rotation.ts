/** Writes new tokens into a worker's Secret and checks that they are used; a refused token is replaced by the old one. */
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { Hashes } from '../secret/secret.ts';
import type { Token } from '../secret/tokens.ts';
import { shortHash } from '../short-hash.ts';
import { podFinder } from '../transport/find-pod.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { TransportError } from '../transport/transport.ts';
import { NoEntranceError } from '../worker/observe.ts';
import { type Arrival, createInquiry, isRefused, type Proof } from './inquiry.ts';
import { callWith } from './layers.ts';
import type { Writer } from './writers.ts';

export interface Rotation {
  readonly worker: ClusterWorker;
  readonly cluster: Cluster;
  readonly tokens: readonly Token[];
  /** The previous values of the Secret. */
  readonly old: Hashes;
  readonly writer: Writer;
  /** How long the new tokens may take to reach the worker. */
  readonly waitMs: number;
  /** Of each request. */
  readonly timeoutMs: number;
}

/**
 * Writes the tokens, waits until the worker has them and lets gh, claude and the database's program use them.
 *
 * @throws CliError when one is refused (the old ones are back in the Secret then), or when they do not reach the worker in
 *   time; the message says which tokens are in use then
 */
export async function rotateTokens(rotation: Rotation, context: Context): Promise<Proof> {
  const { worker, cluster, tokens, writer, waitMs, timeoutMs } = rotation;
  await writer.step.run();
  try {
    await syncSecret(cluster, worker, context);
    const inquiry = createInquiry(context, worker, timeoutMs);
    const wanted = new Map(tokens.map(({ key, value }) => [key, shortHash(value)]));
    const arrival = await inquiry.untilMounted(wanted, waitMs);
    if (arrival === 'late') throw late(rotation, context);
    if (isRefused(arrival)) return await putBack(rotation, arrival.refused, context);
    if (arrival !== 'there') return arrival;
    const found = await inquiry.ask();
    if (found instanceof NoEntranceError) return found;
    const refused = tokens.map(({ key }) => callWith(key, found)).find((call) => call?.verdict === 'refused');
    if (refused) await putBack(rotation, refused.reason, context);
    return found;
  } catch (error) {
    if (error instanceof InterruptedError || error instanceof TransportError) {
      const again = context.commandLine('rotate', worker.name, '--check');
      context.stderr.write(`the new tokens are in the Secret; whether they work was not seen: ${again}\n`);
    }
    throw error;
  }
}

function late({ worker, waitMs, tokens }: Rotation, { commandLine }: Context): CliError {
  const { name } = worker;
  if (tokens.some(({ key }) => key === 'DATABASE_URL')) {
    return new CliError(`${name} does not use the new Secret after ${Math.round(waitMs / 1000)}s`, {
      exitCode: ExitCode.timeout,
      hints: [
        `whether its database lets it in: ${commandLine('why', name)}`,
        `a worker of an older image takes another DATABASE_URL up at its start: ${commandLine('stop', name)} && ${commandLine('start', name)}`,
      ],
    });
  }
  return new CliError(`the new Secret has not reached ${worker.name} within ${Math.round(waitMs / 1000)}s`, {
    exitCode: ExitCode.timeout,
    hints: [`look again: ${commandLine('rotate', worker.name, '--check')}`],
  });
}

/** @throws CliError always: the token was refused, and which tokens the worker uses now */
async function putBack(rotation: Rotation, reason: string, context: Context): Promise<never> {
  const { worker, cluster, tokens, old, writer, waitMs, timeoutMs } = rotation;
  context.stderr.write(`${reason}; putting the old one back\n`);
  const was = new Map(tokens.map(({ key }) => [key, old.get(key) ?? '-']));
  const named = [...was].map(([key, hash]) => `${key} (${hash})`).join(', ');
  const outcome = (text: string, ...hints: string[]) => new CliError(`${reason}${text}`, { hints });
  const check = `look again: ${context.commandLine('rotate', worker.name, '--check')}`;
  try {
    await writer.putBack();
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw outcome(
      `, and the old one could not be put back: ${error.message}`,
      `the refused one is still in the Secret; one that works: ${context.commandLine('rotate', worker.name)}`,
      ...error.hints,
    );
  }
  let arrival: Arrival = 'late';
  try {
    await syncSecret(cluster, worker, context);
    arrival = await createInquiry(context, worker, timeoutMs).untilMounted(was, waitMs);
  } catch (error) {
    // The old tokens are in the Secret; the message below says that they were not seen in the worker.
    if (!(error instanceof InterruptedError || error instanceof TransportError)) throw error;
  }
  if (isRefused(arrival)) {
    throw outcome(
      `: ${worker.name} has its old ${named} again, and ${arrival.refused}`,
      `what is wrong with it: ${context.commandLine('why', worker.name)}`,
    );
  }
  throw arrival === 'there'
    ? outcome(`: ${worker.name} has its old ${named} again`, nextStep(rotation, context))
    : outcome(`: the Secret has its old ${named} again; it was not seen to reach ${worker.name}`, check);
}

function nextStep({ worker, tokens }: Rotation, { commandLine }: Context): string {
  return tokens.every(({ key }) => key === 'DATABASE_URL')
    ? `correct the URL, and type it again: ${commandLine('rotate', worker.name, '--database-url-file', 'FILE')}`
    : 'get a valid token, and type it again';
}

/**
 * Makes the kubelet sync a pod's Secrets at once by annotating the pod: it does so whenever the pod changes. Where that is not
 * allowed, or there is no pod, the kubelet syncs within its usual minute.
 */
async function syncSecret(
  cluster: Cluster,
  worker: ClusterWorker,
  { now }: Pick<Context, 'now'>,
): Promise<void> {
  const search = await podFinder(cluster)(worker);
  if (search.kind === 'none') return;
  const annotation = `factory-worker/secret-rotated-at=${now().toISOString()}`;
  await kubectl(cluster, worker, ['annotate', 'pod', search.pod.name, '--overwrite', annotation]);
}
