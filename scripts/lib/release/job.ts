/** One release of one worker under way: what all of its steps share. */
import { type CliError, InterruptedError } from '../cli/errors.ts';
import { HelmError } from '../helm/errors.ts';
import { TransportError } from '../transport/transport.ts';
import type { Wish } from './plan.ts';
import type { Surroundings, Target } from './preflight.ts';
import { type ReleaseRecord, type StepName, saveRecord } from './record.ts';

/** How long the parts of a release may take, in milliseconds. */
export interface Limits {
  readonly prepullMs: number;
  readonly drainMs: number;
  readonly readyMs: number;
}

export interface Options extends Limits {
  readonly allowMigration: boolean;
  /** Hears what goes on, for people. */
  readonly say: (text: string) => void;
}

export type Outcome = { readonly record: ReleaseRecord; readonly error: CliError | null };

/** One release of one worker under way. */
export interface Job {
  /** As it was before the release; looked at again after a mend, which changes it. */
  target: Target;
  readonly wish: Wish;
  readonly options: Options;
  readonly around: Surroundings;
  record: ReleaseRecord;
}

/** Writes down how far it is; a later run goes on from there. */
export function note(job: Job, change: Partial<ReleaseRecord>): void {
  job.record = { ...job.record, ...change };
  saveRecord(job.around.context.env, job.record);
}

export const now = ({ around }: Job) => around.context.now().toISOString();
export const nameOf = ({ target }: Job) => target.worker.name;

/** Whether the cluster did not answer: that says nothing of the release, which is gone on with once it does. */
export function isLost(error: unknown): boolean {
  if (error instanceof HelmError) return error.kind === 'unreachable';
  return error instanceof TransportError && error.unanswered;
}

/** How a worker is left by Ctrl-C, and what to type. */
export function interrupted({ around, record, target }: Job, step: StepName): InterruptedError {
  const { commandLine, signal } = around.context;
  const { name } = target.worker;
  const drained = step === 'drain' || record.done.includes('drain');
  const how =
    record.state === 'rolling-back'
      ? `while ${name} was being rolled back`
      : `at the step "${step}"${drained ? `; ${name} is drained` : ''}`;
  const undoIt = drained ? `, or take up work as it is: ${commandLine('resume', name)}` : '';
  return InterruptedError.by(
    signal,
    `interrupted ${how}. The same command again goes on from there${undoIt}`,
  );
}
