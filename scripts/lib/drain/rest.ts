/** Whether a drained worker is at rest: nothing runs in it, and nothing starts. */

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
  /** Enters the worker; called again after a lost connection, since its pod may have been replaced. */
  readonly enter: () => Promise<Transport>;
  /** How long one look may take. */
  readonly timeoutMs: number;
  /** The limit of the whole wait. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** Called with what it waits for, each change once: `waits for demo#23 at stage qa (12m), session 23-qa-1 active`. */
  readonly say: (what: string) => void;
  /** The pause between two looks; tests pass their own clock. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

export type RestOutcome =
  | { readonly rests: true; readonly snapshot: Snapshot }
  /** Timed out; `it` says what the worker did last: `waits for …`, `does not answer just now: …`. */
  | { readonly rests: false; readonly it: string };

const LOOK_AGAIN_MS = 2_000;

/**
 * Waits until a drained worker has come to rest.
 *
 * @throws CliError when its drain is lifted meanwhile; TransportError when retrying is no use; the signal's abort reason
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
      if (snapshot.drain === null) throw new CliError(`the drain of ${worker} was lifted by someone else`);
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

/** Whether a drained worker has come to rest: no check-in runs, and its loop has seen the drain. */
export function isAtRest({ drain, locks, heartbeat }: Snapshot): boolean {
  if (drain === null || locks.checkIn || heartbeat?.state === 'checking-in') return false;
  // Without a loop nothing starts a check-in. With one, a check-in may be about to start until the loop reports the drain.
  return heartbeat === null || !locks.boot || heartbeat.state === 'drained' || heartbeat.state === 'refused';
}

/** What a draining worker still does: `demo#23 at stage qa (12m), session 23-qa-1 active`. */
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
    .map((session) => {
      const idle = session.name === heartbeat?.asks ? 'asks a question' : 'idle';
      return `session ${session.name} ${isActive(session, now) ? 'active' : idle}`;
    });
  return [`${working.join(', ') || 'the running check-in'}${since}`, ...active].join(', ');
}
