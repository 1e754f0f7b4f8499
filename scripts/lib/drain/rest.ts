/** A drained worker at rest: nothing runs in it, and nothing begins. */

import { CliError } from '../cli/errors.ts';
import { onlyNews } from '../cli/news.ts';
import { pause as realPause } from '../cli/pause.ts';
import { age } from '../cli/text.ts';
import { type Transport, TransportError } from '../transport/transport.ts';
import { isActive, workSessions } from '../worker/sessions.ts';
import { parseSnapshot, type Snapshot } from '../worker/snapshot.ts';

export interface RestWait {
  /** Name of the worker, for messages. */
  readonly worker: string;
  /** The way into it; asked for anew after a lost connection, since its pod may have been replaced. */
  readonly enter: () => Promise<Transport>;
  /** How long one look may take. */
  readonly timeoutMs: number;
  /** How long is waited in all. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** Hears what is waited for, each news once: `waits for demo#23 at stage qa (12m), session 23-qa-1 active`. */
  readonly say: (what: string) => void;
  /** The pause between two looks; a test's clock instead of the real one. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

export type RestOutcome =
  | { readonly rests: true; readonly snapshot: Snapshot }
  /** The time was over; `it` says what the worker did at last: `waits for …`, `does not answer just now: …`. */
  | { readonly rests: false; readonly it: string };

const LOOK_AGAIN_MS = 2_000;

/**
 * Waits until a drained worker has come to rest.
 *
 * @throws CliError when somebody lifts its drain; TransportError when asking again is no use; what the signal was aborted with
 */
export async function waitForRest(wait: RestWait): Promise<RestOutcome> {
  const { worker, enter, timeoutMs, limitMs, signal, say, pause = realPause } = wait;
  const until = performance.now() + limitMs;
  let transport: Transport | null = null;
  const tell = onlyNews(say);
  for (;;) {
    let it: string;
    try {
      transport ??= await enter();
      const snapshot = parseSnapshot(
        await transport.run({ script: 'look', args: ['brief'], timeoutMs, signal }),
      );
      if (snapshot.drain === null) throw new CliError(`the drain of ${worker} was lifted by somebody else`);
      if (isAtRest(snapshot)) return { rests: true, snapshot };
      it = `waits for ${whatRuns(snapshot)}`;
    } catch (error) {
      if (!(error instanceof TransportError && error.mayPass)) throw error;
      transport = null;
      it = `does not answer just now: ${error.message}`;
    }
    tell(it);
    if (performance.now() >= until) return { rests: false, it };
    await pause(LOOK_AGAIN_MS, signal).catch(() => signal.throwIfAborted());
  }
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
