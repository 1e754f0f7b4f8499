/** A release that has failed: the worker is brought back to what it ran, and why is said in one paragraph. */
import { CliError } from '../cli/errors.ts';
import { imageIn } from '../helm/manifest-diff.ts';
import { shortReference } from '../registry/reference.ts';
import { currentPod, readPods, readWorkload } from '../worker/workload.ts';
import { expectImage, makeChange } from './change.ts';
import { podEvidence } from './evidence.ts';
import { readFacts, storeOf } from './facts.ts';
import { interrupted, type Job, nameOf, note, now, type Outcome } from './job.ts';
import { afterFailure, migrationOf } from './plan.ts';
import { waitForPod } from './pod-ready.ts';
import type { StepName } from './record.ts';
import { hurryAway, lift, restoreBackup, stillDrained } from './steps.ts';

/** Undoes what a failed step had done, and says in one paragraph why. */
export async function undo(job: Job, step: StepName, error: CliError): Promise<Outcome> {
  const { target, around, options, record } = job;
  const changed = step === 'roll' && (await hasChanged(job));
  if (afterFailure(step, changed) === 'lift') {
    const why = `${error.message}. Nothing was rolled: ${nameOf(job)} runs what it ran.${await leaveDrain(job, step)}`;
    note(job, { state: 'failed', finishedAt: now(job), why });
    return { record: job.record, error: new CliError(why, { exitCode: error.exitCode, hints: error.hints }) };
  }
  options.say(`failed: ${error.message}`);
  const evidence = await podEvidence(around.cluster, target.worker, target.workload.container);
  const why = [`${error.message}.`, evidence].filter(Boolean).join(' ');
  if (record.kind === 'restart') {
    // There is no other image to go back to; what is wrong was wrong before.
    const told = `${why} ${nameOf(job)} was restarted with the image it had, and stays as it is.${await leaveDrain(job, step)}`;
    note(job, { state: 'failed', finishedAt: now(job), why: told });
    const hints = [`how it is: ${around.context.commandLine('status', nameOf(job))}`];
    return { record: job.record, error: new CliError(told, { hints }) };
  }
  note(job, { state: 'rolling-back', why });
  return rollBack(job, new CliError(why, { hints: error.hints }));
}

/**
 * Lifts the drain of a release that ends here: nobody would lift it later, and the next release would be refused for it.
 *
 * @returns a sentence about it, with a space before; empty when there was none
 */
async function leaveDrain(job: Job, step: StepName): Promise<string> {
  const { target, around, record } = job;
  const drained = record.done.includes('drain');
  if (!drained && step !== 'drain' && record.replaces === null) return '';
  try {
    const { word, drain } = await lift(await around.enter(target.worker), job);
    if (word === 'held') return ` It ${stillDrained(job, drain)}`;
    return word === 'lifted' ? ' Its drain was lifted.' : '';
  } catch {
    const cure = around.context.commandLine('resume', nameOf(job));
    return ` It ${drained ? 'is' : 'may be'} drained still; once it can be entered: ${cure}`;
  }
}

/** Whether a roll that failed has changed the workload all the same. */
async function hasChanged({ target, around, record }: Job): Promise<boolean> {
  try {
    const { image } = await readWorkload(around.cluster, target.worker);
    const pod = currentPod(await readPods(around.cluster, target.worker), target.worker);
    return image !== record.previous.image || (pod?.metadata.uid ?? null) !== record.previous.podUid;
  } catch {
    return true;
  }
}

/** Whether the state is another factory's: one that never came up was not asked what it makes of it (`--no-prepull`). */
async function isMigrated({ target, around }: Job): Promise<boolean> {
  const { state } = await readFacts(
    await around.enter(target.worker),
    around.timeoutMs,
    around.context.signal,
  );
  const before = storeOf(target.facts);
  return migrationOf(before, { ...before, schema: state.schema }) !== null;
}

/** The image that going back brings: a revision's own, which is not the one that ran when somebody had set that by hand. */
async function imageToGoBackTo({ target, record }: Job): Promise<string> {
  const { helmed } = target;
  const { image, revision } = record.previous;
  if (helmed === null || revision === null) return image;
  return imageIn(await helmed.helm.manifest(helmed.release, revision)) ?? image;
}

export async function rollBack(job: Job, cause: CliError): Promise<Outcome> {
  const { target, options, around } = job;
  const { worker, helmed } = target;
  const { record } = job;
  const { previous, migration } = record;
  const name = worker.name;
  let back = previous.image;
  let how: string;
  try {
    back = await imageToGoBackTo(job);
    options.say(`rolling back to ${shortReference(back)}`);
    const failed = currentPod(await readPods(around.cluster, worker), worker)?.metadata.uid ?? null;
    const isBack = (await readWorkload(around.cluster, worker)).image === back && failed === previous.podUid;
    // Of a release without an earlier revision nothing was ever rolled.
    if (helmed === null) await makeChange(target, { to: 'image', image: back, id: record.id }, around);
    else if (previous.revision !== null)
      await makeChange(target, { to: 'revision', revision: previous.revision }, around);
    // Asked only now: a revision brings its own number of replicas.
    if ((await readWorkload(around.cluster, worker)).replicas === 0) {
      if (helmed === null || previous.revision !== null) await expectImage(target, back, around);
      how = `${name} is stopped`;
    } else {
      const other = isBack || job.wish.image === back ? null : failed;
      await hurryAway(job, other);
      await waitForPod(job, back, other);
      if (migration || (await isMigrated(job))) await restoreBackup(job, record);
      const { word, drain } = await lift(await around.enter(worker), job);
      how = word === 'held' ? `${name} ${stillDrained(job, drain)}` : `${name} takes work again`;
    }
  } catch (error) {
    if (around.context.signal.aborted) throw interrupted(job, 'roll');
    if (!(error instanceof CliError)) throw error;
    const why = `rolling back to ${shortReference(back)} failed as well: ${error.message}. The cause of it all: ${cause.message}`;
    return {
      record: job.record,
      error: new CliError(why, {
        hints: [
          ...error.hints,
          'type the same again: it goes on with rolling back',
          `how it is: ${around.context.commandLine('status', name)}`,
        ],
      }),
    };
  }
  const why = `rolled back to ${shortReference(back)}, and ${how}. The cause: ${cause.message}`;
  note(job, { state: 'rolled-back', finishedAt: now(job), step: null, why });
  return { record: job.record, error: new CliError(why, { hints: cause.hints }) };
}
