/** Drains a worker and lifts the drain. The owner is a person, a release or one of some commands. */
import { hostname } from 'node:os';
import type { Context } from '../cli/command.ts';
import { CliError } from '../cli/errors.ts';
import { userAtHost } from '../config/user.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { type Drain, SCHEMA } from '../contract.ts';
import type { Transport } from '../transport/transport.ts';
import { parseSnapshot, type Snapshot } from '../worker/snapshot.ts';
import { isLeftBehind, resumeHint } from '../worker/status.ts';

/** The owner of a drain: the id of a release, a command of {@link DRAINED_BY}, or a person (null). */
export interface DrainOwner {
  readonly release: string | null;
  /** Replace or lift another owner's drain as well. */
  readonly force: boolean;
}

type Call = Pick<Context, 'signal' | 'commandLine'> & { readonly timeoutMs: number };

function person(): { by: string; host: string } {
  return { by: userAtHost().split('@')[0] ?? 'unknown', host: hostname() };
}

/**
 * Writes the drain file.
 *
 * @returns whether it is new, and the worker as it is now
 * @throws CliError when another owner has drained it and `force` is not given
 */
export async function drainWorker(
  transport: Transport,
  worker: WorkerEntry,
  reason: string,
  { release, force }: DrainOwner,
  { timeoutMs, signal, commandLine }: Call,
): Promise<{ word: 'new' | 'already'; snapshot: Snapshot }> {
  const { by, host } = person();
  const drain: Omit<Drain, 'since'> = { schema: SCHEMA, by, host, reason, release };
  const frame = await transport.run({
    script: 'drain',
    args: [JSON.stringify(drain), by, host, release ?? '', force ? 'yes' : 'no'],
    timeoutMs,
    signal,
  });
  const { rc, text } = frame.parts.get('drained') ?? { rc: 1, text: 'no answer' };
  if (rc !== 0) throw new CliError(`cannot drain ${worker.name}: ${text}`);
  const snapshot = parseSnapshot(frame);
  if (text === 'held') throw heldBy(worker, snapshot.drain, 'drain it', commandLine);
  return { word: text === 'already' ? 'already' : 'new', snapshot };
}

/**
 * Lifts our own drain, or any drain with `force`.
 *
 * @returns `none` when the worker was not drained
 * @throws CliError when the drain belongs to another owner
 */
export async function liftDrain(
  transport: Transport,
  worker: WorkerEntry,
  { release, force }: DrainOwner,
  { timeoutMs, signal, commandLine }: Call,
): Promise<{ word: 'lifted' | 'none'; drain: Drain | null }> {
  const { by, host } = person();
  const frame = await transport.run({
    script: 'resume',
    args: [by, host, release ?? '', force ? 'yes' : 'no'],
    timeoutMs,
    signal,
  });
  const { drain } = parseSnapshot(frame);
  const word = frame.parts.get('resumed')?.text;
  if (word === 'lifted' || word === 'none') return { word, drain };
  throw heldBy(worker, drain, 'lift it', commandLine);
}

function heldBy(
  worker: WorkerEntry,
  drain: Drain | null,
  doing: string,
  commandLine: Context['commandLine'],
): CliError {
  const left = drain !== null && isLeftBehind(drain);
  const who = drain === null ? 'someone' : `${drain.by}@${drain.host}`;
  const since = drain?.since ? ` since ${drain.since}` : '';
  return new CliError(
    `${worker.name} is drained by ${who}${since}: ${drain?.reason || 'no reason given'}${drain?.release && !left ? ` (release ${drain.release})` : ''}`,
    {
      hints: [...(left ? [resumeHint(drain, worker.name, commandLine)] : []), `to ${doing} anyway: --force`],
    },
  );
}
