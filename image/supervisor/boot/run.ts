/**
 * The boot as a table of phases: what each needs, how long it may take, whether the start waits for it. The runner starts
 * every phase as soon as the ones before it have ended, and records each change for `boot.json`.
 */
import type { PhaseStatus } from '../../../scripts/lib/contract.ts';
import type { Clock } from '../effects/effects.ts';
import { untilAborted } from '../util/abort.ts';
import { messageOf } from '../util/errors.ts';
import { duration } from '../util/time.ts';
import type { BootRecord } from './record.ts';

export interface PhaseResult {
  /** `running`: it continues in the background, and the code that runs it notes how it ends. */
  readonly status: PhaseStatus;
  /** One sentence; what to do next when the status is `missing` or `failed`. */
  readonly message: string;
}

export interface Phase {
  readonly name: string;
  /** Phases that must have ended, successfully or not. One that is retried has not ended while it fails. */
  readonly after: readonly string[];
  /** Null: as long as it takes. */
  readonly timeoutMs: number | null;
  /** False for a background phase: neither the start nor readiness waits for it. */
  readonly gates: boolean;
  /** The pause before a failed phase is retried; null: it is not, and the boot continues without it. */
  readonly retryMs: number | null;
  /**
   * @param signal aborts at the time-out and when the worker is told to stop
   * @param progress what it is waiting for, shown while it runs
   */
  run(signal: AbortSignal, progress: (message: string) => void): Promise<PhaseResult>;
}

/**
 * Runs the table. Resolves when every phase that gates the start has ended, or as soon as the signal aborts.
 *
 * @throws Error when a phase needs one that is not above it in the table
 */
export async function runBoot(
  phases: readonly Phase[],
  { clock, record, signal }: { clock: Clock; record: BootRecord; signal: AbortSignal },
): Promise<void> {
  const ended = new Map<string, Promise<void>>();
  for (const phase of phases) {
    const before = phase.after.map((name) => {
      const end = ended.get(name);
      if (end === undefined) throw new Error(`phase ${phase.name} needs "${name}", which is not before it`);
      return end;
    });
    ended.set(
      phase.name,
      Promise.all(before).then(() => runPhase(phase, { clock, record, signal })),
    );
  }
  await Promise.all(phases.filter((phase) => phase.gates).map((phase) => ended.get(phase.name)));
  if (!signal.aborted) record.finish();
}

async function runPhase(
  phase: Phase,
  { clock, record, signal }: { clock: Clock; record: BootRecord; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    const failed = record
      .boot()
      .phases.some(({ name, status }) => name === phase.name && status === 'failed');
    // During a retry the failure stays visible, with its reason.
    if (!failed) record.note(phase.name, 'running', '');
    const result = await attempt(phase, clock, signal, (message) =>
      record.note(phase.name, 'running', message),
    );
    if (signal.aborted) return;
    const again = result.status === 'failed' && phase.retryMs !== null;
    record.note(
      phase.name,
      result.status,
      again ? `${result.message} (tried again every ${duration(phase.retryMs)})` : result.message,
    );
    if (!again) return;
    await clock.sleep(phase.retryMs, signal);
  }
}

/** One attempt, which ends at the time-out or the stop even when the phase ignores its signal. */
async function attempt(
  phase: Phase,
  clock: Clock,
  stop: AbortSignal,
  progress: (message: string) => void,
): Promise<PhaseResult> {
  const over = new AbortController();
  const signal = AbortSignal.any([stop, over.signal]);
  const heard = (message: string) => {
    if (!signal.aborted) progress(message);
  };
  const work = phase.run(signal, heard).catch(
    (error: unknown): PhaseResult => ({
      status: 'failed',
      message: messageOf(error),
    }),
  );
  const limit = phase.timeoutMs ?? 0;
  const elapsed = phase.timeoutMs === null ? untilAborted(signal) : clock.sleep(limit, signal);
  const timeout = elapsed.then(
    (): PhaseResult => ({
      status: 'failed',
      message: `not done after ${duration(limit)}`,
    }),
  );
  try {
    return await Promise.race([work, timeout]);
  } finally {
    over.abort();
  }
}
