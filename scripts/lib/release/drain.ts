/** Draining a worker and lifting the drain: the commands do it in a person's name, a release in its own. */
import { hostname } from 'node:os';
import type { Context } from '../cli/command.ts';
import { CliError } from '../cli/errors.ts';
import { age } from '../cli/text.ts';
import { userAtHost } from '../config/user.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { type Drain, SCHEMA } from '../contract.ts';
import type { Transport } from '../transport/transport.ts';
import { isActive, workSessions } from '../worker/sessions.ts';
import { parseSnapshot, type Snapshot } from '../worker/snapshot.ts';

/** In whose name: a release's, or a person's (null). */
export interface DrainOwner {
  readonly release: string | null;
  readonly force: boolean;
}

type Call = Pick<Context, 'signal'> & { readonly timeoutMs: number };

function person(): { by: string; host: string } {
  return { by: userAtHost().split('@')[0] ?? 'unknown', host: hostname() };
}

/**
 * Writes the drain file.
 *
 * @returns whether it is new, and the worker as it is now
 * @throws CliError when somebody else's drain is there and `force` is not given
 */
export async function drainWorker(
  transport: Transport,
  worker: WorkerEntry,
  reason: string,
  { release, force }: DrainOwner,
  { timeoutMs, signal }: Call,
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
  if (text === 'held') throw heldBy(worker, snapshot.drain, 'drain it');
  return { word: text === 'already' ? 'already' : 'new', snapshot };
}

/**
 * Lifts a drain that is ours, or with `force` anybody's.
 *
 * @returns `none` when the worker was not drained
 * @throws CliError when the drain is somebody else's
 */
export async function liftDrain(
  transport: Transport,
  worker: WorkerEntry,
  { release, force }: DrainOwner,
  { timeoutMs, signal }: Call,
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
  throw heldBy(worker, drain, 'lift it');
}

function heldBy(worker: WorkerEntry, drain: Drain | null, doing: string): CliError {
  const who = drain === null ? 'somebody' : `${drain.by}@${drain.host}`;
  const since = drain?.since ? ` since ${drain.since}` : '';
  return new CliError(
    `${worker.name} is drained by ${who}${since}: ${drain?.reason || 'no reason given'}${drain?.release ? ` (release ${drain.release})` : ''}`,
    { hints: [`to ${doing} all the same: --force`] },
  );
}

/** Whether a drained worker has come to rest: nothing checks in, and its loop has seen the drain. */
export function isAtRest({ drain, locks, heartbeat }: Snapshot): boolean {
  if (drain === null || locks.checkIn || heartbeat?.state === 'checking-in') return false;
  // Without a loop, nobody says so; with one, a check-in may be about to begin until it does.
  return heartbeat === null || !locks.boot || heartbeat.state === 'drained' || heartbeat.state === 'refused';
}

/** What a draining worker is waited for: `demo#23 at stage qa (12m), session 23-qa-1 active`. */
export function whatRuns(snapshot: Snapshot): string {
  const { heartbeat, pipelines, sessions, now } = snapshot;
  const working = pipelines
    .filter(({ status }) => status === 'in_progress')
    .map(({ issue, stage }) => `${heartbeat?.project ?? '?'}#${issue} at stage ${stage}`);
  const since =
    heartbeat?.state === 'checking-in'
      ? ` (check-in for ${age(now - Date.parse(heartbeat.startedAt) / 1000)})`
      : '';
  const active = workSessions(sessions)
    .filter((session) => session.stage !== null)
    .map((session) => `session ${session.name} ${isActive(session, now) ? 'active' : 'idle'}`);
  return [`${working.join(', ') || 'the running check-in'}${since}`, ...active].join(', ');
}
