/**
 * Runs the planned steps for one worker, one after the other, and records each: the next run continues an interrupted one.
 * A failure after the roll is undone.
 */

import { CliError } from '../cli/errors.ts';
import { oneLine } from '../cli/text.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type EventObject, timeOf } from '../health/cluster.ts';
import { type Rolled, rolledBy } from '../helm/manifest-diff.ts';
import { carryOut } from '../plan.ts';
import { shortReference } from '../registry/reference.ts';
import { maskTokens } from '../tokens.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { getJson } from '../transport/objects.ts';
import { TransportError } from '../transport/transport.ts';
import { currentPod, readPods, readWorkload } from '../worker/workload.ts';
import {
  changeAction,
  expectImage,
  interrupted,
  isLost,
  type Job,
  nameOf,
  note,
  now,
  type Options,
  type Outcome,
  waitForPod,
} from './job.ts';
import { afterFailure, migrationOf, type ReleaseRequest, readFacts, storeOf } from './plan.ts';
import type { ReleaseContext, Target } from './preflight.ts';
import { isBeforeImport, type ReleaseRecord, type StepName } from './record.ts';
import { lift, restoreBackup, stepsOf, stillDrained, stopPodNow, withdrawImport } from './steps.ts';

/**
 * @param record new, or that of the run to continue
 * @returns how it ended; a failed release has been undone
 * @throws InterruptedError after Ctrl-C, saying how the worker was left
 */
export async function runRelease(
  target: Target,
  request: ReleaseRequest,
  steps: readonly StepName[],
  record: ReleaseRecord,
  options: Options,
  around: ReleaseContext,
): Promise<Outcome> {
  const job: Job = { target, request, options, around, record };
  note(job, { pid: process.pid, state: 'running' });
  let started = 0;
  const failed = await carryOut(stepsOf(steps, job), {
    begins({ name }) {
      note(job, { step: name });
      started = Date.now();
    },
    ends({ name }) {
      const seconds = { ...job.record.seconds, [name]: (Date.now() - started) / 1000 };
      note(job, { done: [...new Set([...job.record.done, name])], seconds });
    },
    async fails({ name }, error): Promise<Outcome> {
      if (around.context.signal.aborted) throw interrupted(job, name);
      if (!(error instanceof CliError)) throw error;
      if (await goesOnLater(job, name, error)) return { record: job.record, error: lost(job, name, error) };
      return undo(job, name, error);
    },
  });
  if (failed !== null) return failed;
  note(job, { state: 'done', step: null, finishedAt: now(job) });
  return { record: job.record, error: null };
}

/** Continues to undo a failed release whose undo was interrupted. */
export async function finishUndo(
  target: Target,
  request: ReleaseRequest,
  record: ReleaseRecord,
  options: Options,
  around: ReleaseContext,
): Promise<Outcome> {
  const job: Job = { target, request, options, around, record };
  note(job, { pid: process.pid });
  return rollBack(job, new CliError(record.why ?? 'it had failed'));
}

/** Whether a failure says nothing of the new image: the release is not undone, and the same command goes on with it. */
async function goesOnLater(job: Job, step: StepName, error: CliError): Promise<boolean> {
  const { record } = job;
  if (isLost(error)) return true;
  // An earlier release, or run, has left the worker without rows: its drain is not to be lifted.
  if (isBeforeImport(record) && afterFailure(step, step === 'roll' && (await hasChanged(job))) === 'lift')
    return true;
  // The worker is healthy and drained, and rows may have been added.
  if (step === 'import') return error instanceof TransportError;
  return step === 'resume' && record.done.includes('import');
}

function lost({ around, record, target }: Job, step: StepName, error: CliError): CliError {
  const { name } = target.worker;
  const drained = step === 'drain' || record.done.includes('drain');
  const cures =
    drained && !isBeforeImport(record)
      ? [`take up work as it is: ${around.context.commandLine('resume', name)}`]
      : [];
  return new CliError(
    `the release stopped at the step "${step}"${drained ? `, and ${name} is drained` : ''}: ${error.message}`,
    {
      exitCode: error.exitCode,
      hints: ['the same command again continues from there', ...cures, ...error.hints],
    },
  );
}

/** Undoes what a failed step did, and says why in one paragraph. */
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
    // There is no other image to go back to; whatever is wrong was wrong before.
    const told = `${why} ${nameOf(job)} was restarted with the image it had, and stays as it is.${await leaveDrain(job, step)}`;
    note(job, { state: 'failed', finishedAt: now(job), why: told });
    const hints = [`how it is: ${around.context.commandLine('status', nameOf(job))}`];
    return { record: job.record, error: new CliError(told, { hints }) };
  }
  note(job, { state: 'rolling-back', why });
  return rollBack(job, new CliError(why, { hints: error.hints }));
}

/**
 * Lifts the drain of a release that ends here: nothing would lift it later, and the next release would be refused.
 *
 * @returns a sentence about it, with a leading space; empty when there was no drain
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
    return ` It ${drained ? 'is' : 'may be'} still drained; once it can be entered: ${cure}`;
  }
}

/** Whether a failed roll has changed the workload anyway. */
async function hasChanged({ target, around, record }: Job): Promise<boolean> {
  try {
    const { image } = await readWorkload(around.cluster, target.worker);
    const pod = currentPod(await readPods(around.cluster, target.worker), target.worker);
    return image !== record.previous.image || (pod?.metadata.uid ?? null) !== record.previous.podUid;
  } catch {
    return true;
  }
}

/** Whether the new factory has migrated the state. Without a pre-pull, a factory that never started was not asked before. */
async function isMigrated({ target, around }: Job): Promise<boolean> {
  const { state } = await readFacts(
    await around.enter(target.worker),
    around.timeoutMs,
    around.context.signal,
  );
  const before = storeOf(target.facts);
  return migrationOf(before, { ...before, schema: state.schema }) !== null;
}

/** What a rollback brings: that of the Helm revision, which differs from what ran if that was set by hand. */
async function toGoBackTo({ target, record }: Job): Promise<Rolled> {
  const { helmed, workload } = target;
  const { image, revision } = record.previous;
  const before = { image, replicas: workload.replicas };
  if (helmed === null || revision === null) return before;
  return rolledBy(await helmed.helm.manifest(helmed.release, revision), workload.container) ?? before;
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
    const left = await withdrawImport(job);
    if (left !== null && !cause.message.endsWith(left)) {
      cause = new CliError(`${cause.message} ${left}`, { hints: cause.hints });
      note(job, { why: cause.message });
    }
    const before = await toGoBackTo(job);
    back = before.image;
    options.say(`rolling back to ${shortReference(back)}`);
    const failed = currentPod(await readPods(around.cluster, worker), worker)?.metadata.uid ?? null;
    const isBack = (await readWorkload(around.cluster, worker)).image === back && failed === previous.podUid;
    // A revision brings its own number of replicas along, and a worker that was scaled to 0 by hand is to stay so.
    const starts = target.workload.replicas === 0 && before.replicas > 0;
    // A Helm release without an earlier revision was never rolled.
    if (helmed === null || (starts && previous.revision !== null))
      await changeAction(target, { to: 'image', image: back, id: record.id }, around).run();
    else if (previous.revision !== null)
      await changeAction(target, { to: 'revision', revision: previous.revision }, around).run();
    if ((await readWorkload(around.cluster, worker)).replicas === 0) {
      if (helmed === null || previous.revision !== null) await expectImage(target, back, around);
      how = `${name} is stopped`;
    } else {
      const other = isBack || job.request.image === back ? null : failed;
      await stopPodNow(job, other);
      await waitForPod(job, back, other);
      // PostgreSQL had the new queue: the one in SQLite is as it was, with what was added to it since the backup.
      const isUntouched = (record.imported ?? null) !== null;
      if (!isUntouched && (migration || (await isMigrated(job)))) await restoreBackup(job, record);
      const { word, drain } = await lift(await around.enter(worker), job);
      how = word === 'held' ? `${name} ${stillDrained(job, drain)}` : `${name} takes work again`;
    }
  } catch (error) {
    if (around.context.signal.aborted) throw interrupted(job, 'roll');
    if (!(error instanceof CliError)) throw error;
    const why = `rolling back to ${shortReference(back)} failed as well: ${error.message}. The original cause: ${cause.message}`;
    return {
      record: job.record,
      error: new CliError(why, {
        hints: [
          ...error.hints,
          'the same command again continues the rollback',
          `how it is: ${around.context.commandLine('status', name)}`,
        ],
      }),
    };
  }
  const why = `rolled back to ${shortReference(back)}, and ${how}. The cause: ${cause.message}`;
  note(job, { state: 'rolled-back', finishedAt: now(job), step: null, why });
  return { record: job.record, error: new CliError(why, { hints: cause.hints }) };
}

const EVENTS_SHOWN = 3;
const LINES_SHOWN = 8;

/**
 * The last events and log lines of the worker's pod.
 *
 * @returns a sentence or two; empty when the cluster does not answer
 */
export async function podEvidence(
  cluster: Cluster,
  worker: ClusterWorker,
  container: string,
): Promise<string> {
  try {
    const pod = currentPod(await readPods(cluster, worker), worker)?.metadata.name;
    if (pod === undefined) return '';
    const [events, log] = await Promise.all([
      getJson<{ items: EventObject[] }>(cluster, worker, [
        'events',
        `--field-selector=involvedObject.name=${pod}`,
      ]),
      lastLines(cluster, worker, pod, container),
    ]);
    const said = describeEvents(events.items);
    return [said && `Events of ${pod}: ${said}.`, log && `Its last lines: ${log}.`].filter(Boolean).join(' ');
  } catch {
    // The error that led here must be reported, with or without evidence.
    return '';
  }
}

/** The warnings if there are any, otherwise all events; each once, the newest last. */
export function describeEvents(events: readonly EventObject[]): string {
  const sorted = [...events].sort((a, b) => timeOf(a).localeCompare(timeOf(b)));
  const warnings = sorted.filter(({ type }) => type === 'Warning');
  const chosen = warnings.length > 0 ? warnings : sorted;
  const texts = chosen.map(({ reason, message }) => oneLine(`${reason}: ${message ?? ''}`).trim());
  return [...new Set(texts)].slice(-EVENTS_SHOWN).join('; ');
}

async function lastLines(
  cluster: Cluster,
  worker: ClusterWorker,
  pod: string,
  container: string,
): Promise<string> {
  for (const previous of [['--previous'], []]) {
    const result = await kubectl(cluster, worker, [
      'logs',
      pod,
      `--container=${container}`,
      `--tail=${LINES_SHOWN}`,
      ...previous,
    ]);
    const text = maskTokens(result.stdout.toString('utf8')).trim();
    if (result.code === 0 && text !== '') return text.split('\n').map(oneLine).join(' | ');
  }
  return '';
}
