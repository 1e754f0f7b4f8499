/**
 * Does what was planned for one worker, one step after the other, and writes down each: a run that is interrupted anywhere is
 * gone on with by the next one. A failure after the roll is undone.
 */
import { CliError } from '../cli/errors.ts';
import { interrupted, isLost, type Job, note, now, type Options, type Outcome } from './job.ts';
import type { Wish } from './plan.ts';
import type { Surroundings, Target } from './preflight.ts';
import type { ReleaseRecord, StepName } from './record.ts';
import { STEPS } from './steps.ts';
import { rollBack, undo } from './undo.ts';

/**
 * @param record new, or that of the run which is gone on with
 * @returns how it ended; a failed one has been undone
 * @throws InterruptedError after Ctrl-C, saying how the worker was left
 */
export async function runRelease(
  target: Target,
  wish: Wish,
  steps: readonly StepName[],
  record: ReleaseRecord,
  options: Options,
  around: Surroundings,
): Promise<Outcome> {
  const job: Job = { target, wish, options, around, record };
  note(job, { pid: process.pid, state: 'running' });
  for (const step of steps) {
    note(job, { step });
    const started = Date.now();
    try {
      await STEPS[step](job);
    } catch (error) {
      if (around.context.signal.aborted) throw interrupted(job, step);
      if (!(error instanceof CliError)) throw error;
      if (isLost(error)) return { record: job.record, error: lost(job, step, error) };
      return undo(job, step, error);
    }
    const seconds = { ...job.record.seconds, [step]: (Date.now() - started) / 1000 };
    note(job, { done: [...new Set([...job.record.done, step])], seconds });
  }
  note(job, { state: 'done', step: null, finishedAt: now(job) });
  return { record: job.record, error: null };
}

/** Goes on with undoing a release that failed and was interrupted while it undid itself. */
export async function finishUndo(
  target: Target,
  wish: Wish,
  record: ReleaseRecord,
  options: Options,
  around: Surroundings,
): Promise<Outcome> {
  const job: Job = { target, wish, options, around, record };
  note(job, { pid: process.pid });
  return rollBack(job, new CliError(record.why ?? 'it had failed'));
}

function lost({ around, record, target }: Job, step: StepName, error: CliError): CliError {
  const { name } = target.worker;
  const drained = step === 'drain' || record.done.includes('drain');
  const cure = `take up work as it is: ${around.context.commandLine('resume', name)}`;
  return new CliError(
    `the release stopped at the step "${step}"${drained ? `, and ${name} is drained` : ''}: ${error.message}`,
    {
      exitCode: error.exitCode,
      hints: ['the same command again goes on from there', ...(drained ? [cure] : []), ...error.hints],
    },
  );
}
