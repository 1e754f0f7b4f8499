/** The progress of the boot, phase by phase, as written to `boot.json`. */
import {
  type Boot,
  type BootPhase,
  type Database,
  type PhaseStatus,
  SCHEMA,
} from '../../../scripts/lib/contract.ts';
import type { Clock } from '../effects/effects.ts';
import { duration, timestamp } from '../util/time.ts';

/** The progress of the boot; phases in the order in which they began. */
export interface BootRecord {
  /** Notes a phase's state; its line goes to the log when status or message have changed. */
  note(name: string, status: PhaseStatus, message: string): void;
  noteDatabase(database: Database): void;
  finish(): void;
  boot(): Boot;
}

export interface BootIdentity {
  readonly bootId: string;
  readonly podUid: string | null;
  readonly image: string | null;
}

/**
 * @param publish called with the whole record at each change
 * @param announce called with one readable line per change of a phase
 */
export function createBootRecord(
  clock: Clock,
  identity: BootIdentity,
  publish: (boot: Boot) => void,
  announce: (line: string) => void,
): BootRecord {
  const startedAt = timestamp(clock.now());
  const began = new Map<string, number>();
  /** How long each phase took until it first succeeded; later changes are not boot time. */
  const took = new Map<string, number>();
  const phases = new Map<string, BootPhase>();
  let finishedAt: string | null = null;
  let database: Database | null = null;
  const boot = (): Boot => ({
    schema: SCHEMA,
    ...identity,
    startedAt,
    finishedAt,
    phases: [...phases.values()],
    ...(database === null ? {} : { database }),
  });

  return {
    boot,
    note(name, status, message) {
      const before = phases.get(name);
      if (before?.status === status && before.message === message) return;
      const start = began.get(name) ?? clock.now();
      began.set(name, start);
      const ms = took.get(name) ?? clock.now() - start;
      if (status !== 'running' && status !== 'failed') took.set(name, ms);
      phases.set(name, { name, status, startedAt: timestamp(start), ms, message });
      publish(boot());
      if (status !== 'running' || message !== '') announce(line(name, status, ms, message));
    },
    noteDatabase(now) {
      database = now;
      publish(boot());
    },
    finish() {
      finishedAt = timestamp(clock.now());
      publish(boot());
    },
  };
}

function line(name: string, status: PhaseStatus, ms: number, message: string): string {
  const took = status === 'running' ? '' : ` ${duration(ms)}`;
  return `phase ${name} ${status}${took}${message === '' ? '' : `: ${message}`}`;
}
