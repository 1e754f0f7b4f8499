/**
 * Does what was planned for one worker, one step after the other, and writes down each: a run that is interrupted anywhere is
 * gone on with by the next one. A failure after the roll is undone.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { copyBackup, makeBackup } from '../backup/make.ts';
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import { onlyNews } from '../cli/news.ts';
import { bytes } from '../cli/text.ts';
import { drainWorker } from '../drain/drain.ts';
import { waitForRest } from '../drain/rest.ts';
import { HelmError } from '../helm/errors.ts';
import { upgradeArgs } from '../helm/helm.ts';
import { isPending, lastDeployed } from '../helm/revisions.ts';
import { shortReference } from '../registry/reference.ts';
import { change, kubectlArgv } from '../transport/objects.ts';
import { podFacts } from '../transport/pods.ts';
import { type Transport, TransportError } from '../transport/transport.ts';
import { currentPod, readPods, readWorkload } from '../worker/workload.ts';
import { podEvidence } from './evidence.ts';
import { isUp, readFacts, worseThan } from './facts.ts';
import { afterFailure, migrationOf, moreThanTheImage, type Wish } from './plan.ts';
import { changesOf, imageChange, lookAt, type Surroundings, type Target } from './preflight.ts';
import { HOPELESS, prepull, prepullPod } from './prepull.ts';
import { backupCopyPath, type ReleaseRecord, type StepName, saveRecord } from './record.ts';

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
interface Job {
  /** As it was before the release; looked at again after a mend, which changes it. */
  target: Target;
  readonly wish: Wish;
  readonly options: Options;
  readonly around: Surroundings;
  record: ReleaseRecord;
}

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

function note(job: Job, change: Partial<ReleaseRecord>): void {
  job.record = { ...job.record, ...change };
  saveRecord(job.around.context.env, job.record);
}

const now = ({ around }: Job) => around.context.now().toISOString();
const nameOf = ({ target }: Job) => target.worker.name;

type Step = (job: Job) => Promise<void>;

const STEPS: Readonly<Record<StepName, Step>> = {
  mend,
  prepull: check,
  drain,
  backup,
  roll,
  wait,
  verify,
  restore,
  health,
  resume,
};

/** A Helm that has just begun may still be alive, on another laptop. */
const PENDING_PATIENCE_MS = 30_000;

async function mend(job: Job): Promise<void> {
  const { target, options, around } = job;
  const { helmed, worker } = target;
  if (helmed === null) return;
  const { helm, release } = helmed;
  for (let said = false; ; said = true) {
    const status = await helm.status(release);
    if (status === null || !isPending(status)) return;
    const left = PENDING_PATIENCE_MS - (Date.now() - Date.parse(status.updated));
    if (!(left > 0)) break;
    if (!said)
      options.say(`Helm is at ${status.status} since ${status.updated}; waiting whether it comes to an end`);
    await pause(around, Math.min(left, 5_000));
  }
  const last = lastDeployed(await helm.history(release));
  if (last === null) throw new CliError(`release ${release.name} has no revision to go back to`);
  options.say(
    `a Helm was cut short; going back to revision ${last.revision}, so that the release takes upgrades again`,
  );
  await helm.rollback(release, last.revision);
  const { image, replicas } = await readWorkload(around.cluster, worker);
  if (replicas > 0) await waitForPod(job, image, null);
  job.target = await lookAt(worker, around);
  const podUid = job.target.pod?.metadata.uid ?? null;
  note(job, { previous: { image, revision: last.revision, podUid } });
  const { wish } = job;
  if (job.target.helmed === null || wish.kind !== 'rollout' || wish.chartUpgrade) return;
  const changes = await changesOf(job.target, job.target.helmed, wish.image);
  if (changes.length > 0) throw new CliError(...moreThanTheImage(worker.name, changes));
}

async function check(job: Job): Promise<void> {
  const { target, wish, options, around } = job;
  const { worker, workload, pod, facts } = target;
  options.say(`pre-pull of ${shortReference(wish.image)} on ${pod?.spec?.nodeName ?? 'a node'}`);
  const object = prepullPod(
    worker,
    workload,
    pod?.spec?.nodeName ?? null,
    wish.image,
    job.record.id,
    Math.ceil(options.prepullMs / 1000),
  );
  const checked = await prepull(around.cluster, worker, object, wish.image, options.prepullMs, options.say);
  const dialect = facts?.snapshot.dialect ?? null;
  const old = {
    schema: facts?.state.schema ?? null,
    dialect: dialect === null ? null : `${dialect.name}${dialect.postgres ? ' with PostgreSQL' : ''}`,
  };
  const migration = migrationOf(old, checked);
  note(job, { build: checked.build, migration: migration !== null });
  if (migration === null) return;
  if (!options.allowMigration && wish.undo === null) {
    throw new CliError(`the new image migrates the state of ${worker.name}: ${migration}`, {
      hints: [
        'there is a backup, and a rollback restores it as long as nothing was added: --allow-state-migration',
      ],
    });
  }
  options.say(`the state is migrated: ${migration}`);
}

async function drain(job: Job): Promise<void> {
  const { target, wish, options, around, record } = job;
  const { worker } = target;
  const { context, timeoutMs } = around;
  const { signal } = context;
  const theirs = target.facts?.snapshot.drain;
  if (theirs == null || theirs.release !== null) {
    // An earlier release of ours that is given up leaves its drain to this one.
    const owner = { release: record.id, force: theirs != null };
    const reason = `release of ${shortReference(wish.image)}`;
    await drainWorker(await around.enter(worker), worker, reason, owner, {
      timeoutMs,
      signal,
      commandLine: context.commandLine,
    });
  }
  const outcome = await waitForRest({
    worker: worker.name,
    enter: () => around.enter(worker),
    timeoutMs,
    limitMs: options.drainMs,
    signal,
    say: options.say,
  });
  if (outcome.rests) return;
  throw new CliError(`${worker.name} was not drained within ${options.drainMs / 1000}s: it ${outcome.it}`, {
    exitCode: ExitCode.timeout,
    hints: [
      'wait longer: --drain-timeout 2h',
      'interrupt what runs (it is taken up again afterwards): --now',
    ],
  });
}

/** A backup of a large volume takes longer than an answer. */
const BACKUP_MS = 600_000;

async function backup(job: Job): Promise<void> {
  const { target, options, around, record } = job;
  const { env, signal } = around.context;
  const name = nameOf(job);
  const transport = await around.enter(target.worker);
  const made = await makeBackup(transport, name, record.id, 'state', BACKUP_MS, signal);
  if (made.integrity !== null && made.integrity !== 'ok') {
    throw new CliError(`the database of ${name} is not whole: ${made.integrity}`, {
      hints: [`its backup is on the worker all the same: ${made.file}`, 'mend it first; nothing was rolled'],
    });
  }
  const file = backupCopyPath(env, record.id);
  note(job, { backup: await copyBackup(transport, made, file, around.timeoutMs, signal) });
  options.say(`backup: ${bytes(made.bytes)}, ${made.rows ?? 0} rows; here: ${file}`);
}

/** The commands that a roll comes to, for `--dry-run`; the same that {@link roll} runs. */
export function rollArgv(
  target: Target,
  wish: Wish,
  id: string,
  around: Pick<Surroundings, 'cluster'>,
): readonly string[] {
  const { worker, workload, helmed } = target;
  const object = `${workload.kind.toLowerCase()}/${workload.name}`;
  if (wish.kind === 'restart') return kubectlArgv(around.cluster, worker, ['rollout', 'restart', object]);
  if (helmed === null)
    return kubectlArgv(around.cluster, worker, [
      'set',
      'image',
      object,
      `${workload.container}=${wish.image}`,
    ]);
  const { helm, release } = helmed;
  return wish.revision === null
    ? helm.command(release, upgradeArgs(release, imageChange(wish.image, id)))
    : helm.command(release, ['rollback', release.name, String(wish.revision)]);
}

async function roll({ target, wish, options, around, record }: Job): Promise<void> {
  const { worker, workload, helmed } = target;
  const object = `${workload.kind.toLowerCase()}/${workload.name}`;
  options.say(wish.kind === 'restart' ? 'restarting' : `rolling to ${shortReference(wish.image)}`);
  if (wish.kind === 'restart') await change(around.cluster, worker, ['rollout', 'restart', object]);
  else if (helmed === null)
    await change(around.cluster, worker, ['set', 'image', object, `${workload.container}=${wish.image}`]);
  else if (wish.revision === null)
    await helmed.helm.upgrade(helmed.release, imageChange(wish.image, record.id));
  else await helmed.helm.rollback(helmed.release, wish.revision);
}

async function wait(job: Job): Promise<void> {
  await waitForPod(job, job.wish.image, job.record.previous.podUid);
}

const POLL_MS = 400;
const HEALTH_POLL_MS = 1_500;
/** A kubelet tries a failed pull again, and a container that ended once may have lost a race. */
const PULL_PATIENCE_MS = 30_000;
const RESTARTS_ALLOWED = 2;

/**
 * Waits until a pod other than the given one runs that image and is Ready.
 *
 * @throws CliError as soon as it is clear that it never will be, with Kubernetes' own reason
 */
async function waitForPod(
  { target, options, around }: Job,
  image: string,
  otherThan: string | null,
): Promise<void> {
  const { worker, workload } = target;
  let until = Date.now() + options.readyMs;
  let failing: number | null = null;
  // Kubernetes' reasons go to and fro in their details; the first word is the news.
  const say = onlyNews(options.say, (text) => text.split(/(?<=: \S+) /, 1)[0] ?? text);
  for (; ; await pause(around, POLL_MS)) {
    const pods = await readPods(around.cluster, worker).catch((error: unknown) => {
      if (isLost(error) && Date.now() < until) return null;
      throw error;
    });
    if (pods === null) {
      say('the cluster does not answer just now');
      continue;
    }
    const pod = pods.find(
      ({ metadata, spec }) =>
        metadata.deletionTimestamp === undefined &&
        metadata.uid !== otherThan &&
        spec?.containers?.find(({ name }) => name === workload.container)?.image === image,
    );
    let text = 'no new pod yet';
    if (pod !== undefined) {
      const facts = podFacts(pod, worker.container, around.context.now());
      if (facts.ready) return;
      text = `pod ${facts.name}: ${facts.reason || 'runs, not Ready yet'}`;
      if (facts.state === 'crash-looping' || facts.restarts >= RESTARTS_ALLOWED)
        throw new CliError(`pod ${facts.name} does not stay up: ${facts.reason || 'it was restarted'}`);
      failing = facts.state === 'image-pull' ? (failing ?? Date.now()) : null;
      if (failing !== null && (HOPELESS.test(facts.reason) || Date.now() - failing > PULL_PATIENCE_MS))
        throw new CliError(`pod ${facts.name} cannot pull its image: ${facts.reason}`);
    } else if (pods.length === 0) {
      const { failure } = await readWorkload(around.cluster, worker);
      if (failure !== null) text = `no pod can be made: ${failure}`;
    } else {
      text = 'the old pod is stopping';
      // Its stage may end first, for as long as its grace period allows; the new one's time begins afterwards.
      const gone = pods
        .map(({ metadata }) => Date.parse(metadata.deletionTimestamp ?? ''))
        .find((time) => time > Date.now());
      if (gone !== undefined) until = Math.max(until, Date.now() + options.readyMs);
    }
    say(text);
    if (Date.now() > until) {
      throw new CliError(`not Ready within ${options.readyMs / 1000}s: ${text}`, {
        exitCode: ExitCode.timeout,
      });
    }
  }
}

async function verify(job: Job): Promise<void> {
  const { target, wish, around, record } = job;
  const { worker, workload } = target;
  const pod = currentPod(await readPods(around.cluster, worker), worker);
  const image = pod?.spec?.containers?.find(({ name }) => name === workload.container)?.image;
  if (image !== wish.image) throw new CliError(`the pod of ${worker.name} names ${image}, not ${wish.image}`);
  if (pod?.metadata.uid === record.previous.podUid)
    throw new CliError(`the pod of ${worker.name} is the one of before the release`);
  if (record.build === null) return;
  const { build } = await readFacts(await around.enter(worker), around.timeoutMs, around.context.signal);
  if (JSON.stringify(build) !== JSON.stringify(record.build)) {
    throw new CliError(
      `the build.json in the pod of ${worker.name} is not that of the image that was checked`,
    );
  }
}

async function restore(job: Job): Promise<void> {
  await restoreBackup(job, job.wish.undo);
}

async function restoreBackup({ target, options, around }: Job, of: ReleaseRecord | null): Promise<void> {
  const saved = of?.backup ?? null;
  if (saved === null || saved.rows === null) return;
  const transport = await around.enter(target.worker);
  const frame = await transport.run({
    script: 'restore',
    args: [saved.file, String(saved.rows), String(saved.newest)],
    timeoutMs: BACKUP_MS,
    signal: around.context.signal,
  });
  const { rc, text } = frame.parts.get('restored') ?? { rc: 1, text: 'no answer' };
  if (rc !== 0)
    throw new CliError(`the state of before the migration was not restored: ${text}`, {
      hints: [`the backup: ${saved.copy ?? saved.file}`],
    });
  options.say('the state of before the migration is back');
}

/** After the pod is Ready: boot's last phases, and the loop's first look. */
const HEALTH_MS = 180_000;

async function health({ target, around, options }: Job): Promise<void> {
  const { worker, facts } = target;
  const say = onlyNews(options.say);
  const until = Date.now() + HEALTH_MS;
  for (;;) {
    let trouble: string;
    try {
      const after = await readFacts(await around.enter(worker), around.timeoutMs, around.context.signal);
      const worse = worseThan(facts, after);
      if (worse.length > 0) trouble = worse.join('; ');
      else if (isUp(after)) return;
      else trouble = 'its boot has not come to its end';
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      trouble = error.message;
    }
    say(`Ready, not well yet: ${trouble}`);
    if (Date.now() > until) throw new CliError(`${worker.name} is Ready but not well: ${trouble}`);
    await pause(around, HEALTH_POLL_MS);
  }
}

async function resume(job: Job): Promise<void> {
  const { target, around, options } = job;
  const transport = await around.enter(target.worker);
  await lift(transport, job);
  const { drain: left } = target.facts?.snapshot ?? {};
  if (left != null && left.release === null)
    options.say(
      `stays drained, as ${left.by}@${left.host} left it; to take up work: ${around.context.commandLine('resume', target.worker.name)}`,
    );
}

/** Lifts this release's own drain, and that of the one it replaced; nobody else's. */
async function lift(transport: Transport, { target, around, record }: Job): Promise<void> {
  const { timeoutMs, context } = around;
  for (const id of [record.id, ...(record.replaces === null ? [] : [record.replaces])]) {
    const call = { script: 'resume', args: ['', '', id, 'no'], timeoutMs, signal: context.signal };
    const { parts } = await transport.run(call);
    if (parts.get('resumed') === undefined)
      throw new CliError(`the drain of ${target.worker.name} could not be lifted`);
  }
}

/** Undoes what a failed step had done, and says in one paragraph why. */
async function undo(job: Job, step: StepName, error: CliError): Promise<Outcome> {
  const { target, around, options, record } = job;
  const changed = step === 'roll' && (await hasChanged(job));
  if (afterFailure(step, changed) === 'lift') {
    const name = nameOf(job);
    let left = '';
    if (step === 'drain' || record.done.includes('drain')) {
      const lifted = await around
        .enter(target.worker)
        .then((transport) => lift(transport, job))
        .then(() => true)
        .catch(() => false);
      left = lifted
        ? ' Its drain was lifted.'
        : ` It may still be drained: ${around.context.commandLine('resume', name)}`;
    }
    const why = `${error.message}. Nothing was rolled: ${name} runs what it ran.${left}`;
    note(job, { state: 'failed', finishedAt: now(job), why });
    return { record: job.record, error: new CliError(why, { exitCode: error.exitCode, hints: error.hints }) };
  }
  options.say(`failed: ${error.message}`);
  const evidence = await podEvidence(around.cluster, target.worker, target.workload.container);
  const why = [`${error.message}.`, evidence].filter(Boolean).join(' ');
  if (record.kind === 'restart') {
    // There is no other image to go back to; what is wrong was wrong before.
    const told = `${why} ${nameOf(job)} was restarted with the image it had, and stays as it is, drained.`;
    note(job, { state: 'failed', finishedAt: now(job), why: told });
    const hints = [`how it is: ${around.context.commandLine('status', nameOf(job))}`];
    return { record: job.record, error: new CliError(told, { hints }) };
  }
  note(job, { state: 'rolling-back', why });
  return rollBack(job, new CliError(why, { hints: error.hints }));
}

/** Whether a roll that failed has changed the workload all the same. */
async function hasChanged({ target, around, record }: Job): Promise<boolean> {
  try {
    const { image } = await readWorkload(around.cluster, target.worker);
    const pod = currentPod(await readPods(around.cluster, target.worker), target.worker);
    return image !== record.previous.image || pod?.metadata.uid !== record.previous.podUid;
  } catch {
    return true;
  }
}

async function rollBack(job: Job, cause: CliError): Promise<Outcome> {
  const { target, options, around } = job;
  const { worker, workload, helmed } = target;
  const { previous, migration } = job.record;
  const name = worker.name;
  try {
    options.say(`rolling back to ${shortReference(previous.image)}`);
    const failed = currentPod(await readPods(around.cluster, worker), worker)?.metadata.uid ?? null;
    const isBack =
      (await readWorkload(around.cluster, worker)).image === previous.image && failed === previous.podUid;
    if (helmed !== null && previous.revision !== null)
      await helmed.helm.rollback(helmed.release, previous.revision);
    else if (helmed === null) {
      const object = `${workload.kind.toLowerCase()}/${workload.name}`;
      await change(around.cluster, worker, [
        'set',
        'image',
        object,
        `${workload.container}=${previous.image}`,
      ]);
    }
    const other = job.wish.image === previous.image ? null : failed;
    await waitForPod(job, previous.image, isBack ? null : other);
    if (migration) await restoreBackup(job, job.record);
    await lift(await around.enter(worker), job);
  } catch (error) {
    if (around.context.signal.aborted) throw interrupted(job, 'roll');
    if (!(error instanceof CliError)) throw error;
    const why = `rolling back to ${shortReference(previous.image)} failed as well: ${error.message}. The cause of it all: ${cause.message}`;
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
  const why = `rolled back to ${shortReference(previous.image)}, and ${name} takes work again. The cause: ${cause.message}`;
  note(job, { state: 'rolled-back', finishedAt: now(job), step: null, why });
  return { record: job.record, error: new CliError(why, { hints: cause.hints }) };
}

/** Whether the cluster did not answer: that says nothing of the release, which is gone on with once it does. */
function isLost(error: unknown): boolean {
  if (error instanceof HelmError) return error.kind === 'unreachable';
  return error instanceof TransportError && ['unreachable', 'timeout', 'broken'].includes(error.kind);
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

/** How a worker is left by Ctrl-C, and what to type. */
function interrupted({ around, record, target }: Job, step: StepName): InterruptedError {
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

async function pause({ context: { signal } }: Surroundings, ms: number): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
