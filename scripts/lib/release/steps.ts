/** The steps of a release. Each is safe to repeat: a run that was interrupted in one begins with it again. */
import { copyBackup, makeBackup } from '../backup/make.ts';
import { CliError, ExitCode } from '../cli/errors.ts';
import { onlyNews } from '../cli/news.ts';
import { pause } from '../cli/pause.ts';
import { bytes, count, shellLine } from '../cli/text.ts';
import type { Drain, ImportedRow } from '../contract.ts';
import { drainWorker } from '../drain/drain.ts';
import { waitForRest } from '../drain/rest.ts';
import { HelmError, isPending, lastDeployed, rollbackArgs } from '../helm/helm.ts';
import { stopNow } from '../lifecycle/tools.ts';
import { type Action, type Step, silently } from '../plan.ts';
import { readLines } from '../read-contract.ts';
import { shortReference } from '../registry/reference.ts';
import { execArgs } from '../transport/client.ts';
import { kubectlArgv } from '../transport/objects.ts';
import { partsOfScript } from '../transport/scripts.ts';
import { type Transport, TransportError } from '../transport/transport.ts';
import { describeFate, engineOf, rowName } from '../worker/database-state.ts';
import { isQueueUnknown, itemName, openItems } from '../worker/queue.ts';
import { parseSnapshot } from '../worker/snapshot.ts';
import { resumeHint } from '../worker/status.ts';
import { currentPod, readPods, readWorkload } from '../worker/workload.ts';
import { changeAction, changeFor, expectImage, type Job, nameOf, note, waitForPod } from './job.ts';
import {
  isUp,
  migrationOf,
  moreThanTheImage,
  readFacts,
  rowsLeftBehind,
  type Store,
  storeOf,
  unreadableState,
  worseThan,
} from './plan.ts';
import { changesOf, type Helmed, lookAt } from './preflight.ts';
import { CREATION, prepull, prepullPod, removal } from './prepull.ts';
import {
  backupCopyPath,
  lineOf,
  NOTHING_YET,
  type ReleaseRecord,
  readRecords,
  type StepName,
} from './record.ts';

/** What the command lines of a step are made from. */
export type Planned = Pick<Job, 'target' | 'request' | 'around'> & { readonly id: string };

interface ReleaseStep extends Pick<Step, 'mark' | 'what'> {
  /** As the operator could type them; a comment after `#` says what a script is for, or what it is given. */
  readonly commands: (planned: Planned) => string[];
  readonly run: (job: Job) => Promise<void>;
}

export const STEPS: Readonly<Record<StepName, ReleaseStep>> = {
  repair: {
    mark: '~',
    what: 'an earlier run of Helm was interrupted: back to the last deployed revision, so that the release accepts upgrades again',
    commands: ({ target: { helmed } }) => {
      const last = helmed === null ? null : lastDeployed(helmed.history);
      if (helmed === null || last === null) return [];
      const { helm, release } = helmed;
      return [shellLine(helm.command(release, rollbackArgs(release, last.revision)))];
    },
    run: repair,
  },
  prepull: {
    mark: '·',
    what: "the new image runs its self-check on the worker's node; nothing is touched before it passes",
    commands: ({ target, request, around }) => {
      const { worker } = target;
      const object = prepullPod(target, request.image, 900);
      const kubectl = (args: readonly string[]) => shellLine(kubectlArgv(around.cluster, worker, args));
      return [
        `${kubectl(CREATION)}  # a pod with ${request.image} on ${object.spec.nodeName ?? 'any node'}, scripts/remote/release-prepull.sh`,
        kubectl(removal(object)),
      ];
    },
    run: check,
  },
  drain: {
    mark: '·',
    what: 'no further check-in; waits for the running stage',
    commands: (planned) => [
      remote(planned, 'drain', `release ${planned.id}`),
      remote(planned, 'look', 'brief, until nothing runs'),
    ],
    run: drain,
  },
  backup: {
    mark: '+',
    what: 'database and pipelines, on the volume and here',
    commands: (planned) => [
      remote(planned, 'backup', planned.id),
      remote(planned, 'backup-chunk', 'until it is here'),
    ],
    run: backup,
  },
  roll: {
    mark: '~',
    what: 'the workload names the new image (helm upgrade or rollback, kubectl set image or rollout restart)',
    commands: (planned) => [...rolling(planned).commands],
    run: roll,
  },
  wait: {
    mark: '·',
    what: 'until the new pod is Ready',
    commands: (planned) => {
      const { target, request, around } = planned;
      return [
        ...(request.drain || target.pod === null
          ? []
          : [remote(planned, 'stop-now', 'its stage is interrupted')]),
        `${shellLine(kubectlArgv(around.cluster, target.worker, ['get', 'pods']))}  # until another pod with ${request.image} is Ready`,
      ];
    },
    run: wait,
  },
  verify: {
    mark: '·',
    what: 'the pod runs the pushed image, and was started after the roll',
    commands: (planned) => [
      remote(planned, 'release-facts', 'the pod names the digest, its build.json is the one of the pre-pull'),
    ],
    run: verify,
  },
  restore: {
    mark: '~',
    what: 'the database from before the migration is restored; after an import, its rows are taken out of it',
    commands: (planned) => {
      const { undo } = planned.request;
      if (undo !== null && hasImported(undo))
        return [remote(planned, 'release-import-undo', undo.imports ?? '')];
      return [remote(planned, 'rollback-restore', undo?.backup?.file ?? '')];
    },
    run: restore,
  },
  health: {
    mark: '·',
    what: 'boot, Docker, heartbeat, queue',
    commands: (planned) => [remote(planned, 'release-facts', 'boot, Docker, heartbeat, queue')],
    run: health,
  },
  import: {
    mark: '+',
    what: 'the open rows of SQLite are added to the queue in PostgreSQL, one by one',
    commands: (planned) => [remote(planned, 'release-import', importNote(planned))],
    run: importRows,
  },
  resume: {
    mark: '·',
    what: "the release's own drain is lifted",
    commands: (planned) => [remote(planned, 'resume', `release ${planned.id}`)],
    run: resume,
  },
};

/** The steps of a release in progress. */
export function stepsOf(names: readonly StepName[], job: Job): Step<StepName>[] {
  return names.map((name) => {
    const { mark, what, commands, run } = STEPS[name];
    return {
      name,
      mark,
      what,
      get commands() {
        return commands({ ...job, id: job.record.id });
      },
      run: silently(() => run(job)),
    };
  });
}

/** The call of a remote script. @param note what it is given, or what it is for */
function remote({ target, around }: Planned, script: string, note: string): string {
  const { worker, workload, pod } = target;
  const name = pod?.metadata.name ?? workload.name;
  const bash = [...execArgs({ name, container: workload.container }), '--', 'bash', '-c'];
  const files = partsOfScript(script)
    .map((name) => `scripts/remote/${name}.sh`)
    .join(' ');
  return `${shellLine(kubectlArgv(around.cluster, worker, bash))} "$(cat ${files})" ${script}  # ${note}`;
}

/** A helm that has just started may still be alive, on another laptop. */
const PENDING_PATIENCE_MS = 30_000;

/**
 * Ends what an interrupted helm has begun. It may still be at work: one outlives the command that started it, when that was
 * killed. What it finishes by itself counts as well, and its pod is waited for before anything goes on.
 */
async function repair(job: Job): Promise<void> {
  const { target, options, around, request } = job;
  const { helmed, worker } = target;
  if (helmed === null) return;
  const { helm, release } = helmed;
  if (!(await ended(job, helmed))) {
    const last = lastDeployed(await helm.history(release));
    if (last === null) throw new CliError(`release ${release.name} has no revision to go back to`);
    options.say(
      `an earlier run of Helm was interrupted; going back to revision ${last.revision}, so that the release accepts upgrades again`,
    );
    await helm.rollback(release, last.revision);
  }
  const { image, replicas } = await readWorkload(around.cluster, worker);
  if (replicas > 0) await waitForPod(job, image, null);
  job.target = await lookAt(worker, around);
  const { previous } = job.record;
  const isRolled = image === request.image && request.kind !== 'restart';
  if (isRolled && (image !== previous.image || !request.chartUpgrade)) {
    // The interrupted run had come as far as that: no further pod is made, and this is the one to wait for. What to go back to
    // is still what ran before it.
    note(job, { previous: { ...previous, podUid: null } });
    return;
  }
  const podUid = job.target.pod?.metadata.uid ?? null;
  const { revision } = lastDeployed(job.target.helmed?.history ?? []) ?? previous;
  note(job, { previous: { image, revision, podUid } });
  if (job.target.helmed === null || request.kind !== 'rollout' || request.chartUpgrade) return;
  const changes = await changesOf(job.target, job.target.helmed, request.image);
  if (changes.length === 0) return;
  const { why, hints } = moreThanTheImage(changes);
  throw new CliError(`${worker.name} ${why}`, { hints });
}

/** Waits for a helm that may still be at work, here or on another laptop. @returns whether it has ended by itself */
async function ended({ options, around }: Job, { helm, release }: Helmed): Promise<boolean> {
  for (let said = false; ; said = true) {
    const status = await helm.status(release);
    if (status === null || !isPending(status)) return true;
    const left = PENDING_PATIENCE_MS - (Date.now() - Date.parse(status.updated));
    if (!(left > 0)) return false;
    if (!said)
      options.say(`Helm is at ${status.status} since ${status.updated}; waiting to see whether it finishes`);
    await pause(Math.min(left, 5_000), around.context.signal);
  }
}

async function check(job: Job): Promise<void> {
  const { target, request, options, around } = job;
  const { worker, pod } = target;
  options.say(`pre-pull of ${shortReference(request.image)} on ${pod?.spec?.nodeName ?? 'a node'}`);
  const object = prepullPod(target, request.image, Math.ceil(options.prepullMs / 1000));
  const checked = await prepull(
    around.cluster,
    worker,
    object,
    request.image,
    options.prepullMs,
    options.say,
    options.live,
  );
  note(job, { build: checked.build });
  admit(job, checked);
}

/**
 * Records whether the state is migrated, so that a rollback restores the backup as well.
 *
 * @throws CliError when it is, and the operator has not allowed it; always when it would leave open rows behind
 */
function admit(job: Job, next: Store): void {
  const { target, request, options, around } = job;
  const left = rowsLeftBehind(target.facts, next);
  const { commandLine } = around.context;
  const { name } = target.worker;
  const canImport = next.postgres === true && target.facts !== null && !isQueueUnknown(target.facts.snapshot);
  if (left !== null && canImport && job.record.imports !== null) options.say(`${left}; they are imported`);
  else if (left !== null) {
    throw new CliError(`the new image cannot go on with the queue of ${name}: ${left}`, {
      hints: [
        `let them finish first: ${commandLine('wait', name, 'idle')}`,
        `or take them out, and dispatch them again afterwards: ${commandLine('queue', name)}`,
        ...(canImport ? [`or have them imported: ${importing(job)}`] : []),
      ],
    });
  }
  const migration = migrationOf(storeOf(target.facts), next);
  // A release that goes on sees the worker as it is after the migration.
  note(job, { migration: migration !== null || job.record.migration });
  if (migration === null) return;
  if (!options.allowMigration && request.undo === null) {
    throw new CliError(...unreadableState(request.kind, target.worker.name, migration, commandLine));
  }
  options.say(`the state is migrated: ${migration}`);
}

/** What to type for an import. `rollback` has no flag for it. */
function importing({ target, request, options, around }: Job): string {
  const flags = ['--import', ...(options.allowMigration ? [] : ['--allow-state-migration'])];
  if (request.kind === 'rollout') return `the same command with ${flags.join(' ')}`;
  const { commandLine } = around.context;
  return commandLine('build-push-rollout', 'rollout', target.worker.name, '--image', request.image, ...flags);
}

/** Whether the pod that was looked at is gone, or about to go; not where the cluster does not say. */
async function isReplaced({ target, around }: Job): Promise<boolean> {
  const pods = await readPods(around.cluster, target.worker).catch(() => null);
  if (pods === null) return false;
  const pod = currentPod(pods, target.worker);
  return pod?.metadata.uid !== target.pod?.metadata.uid || pod?.metadata.deletionTimestamp !== undefined;
}

async function drain(job: Job): Promise<void> {
  const { request, options, around, target } = job;
  const { worker } = target;
  const { timeoutMs } = around;
  const { signal } = around.context;
  const theirs = target.facts?.snapshot.drain;
  if (theirs == null || theirs.release !== null) {
    const reason = `release of ${shortReference(request.image)}`;
    // An abandoned release of ours leaves its drain to this one.
    const owner = { release: job.record.id, force: theirs != null };
    const set = async () =>
      drainWorker(await around.enter(worker), worker, reason, owner, {
        timeoutMs,
        signal,
        commandLine: around.context.commandLine,
      });
    try {
      await set();
    } catch (error) {
      if (!(error instanceof TransportError) || !(await isReplaced(job))) throw error;
      // By the helm of a run that was killed, which had not begun yet when this one looked.
      await repair(job);
      await set();
    }
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
      'interrupt the running stage (it continues afterwards): --now',
    ],
  });
}

/** A backup of a large volume takes longer than other answers. */
const BACKUP_MS = 600_000;

async function backup(job: Job): Promise<void> {
  const { target, options, around, record } = job;
  const { env, signal } = around.context;
  const name = nameOf(job);
  const transport = await around.enter(target.worker);
  const made = await makeBackup(transport, name, record.id, 'state', BACKUP_MS, signal);
  if (made.integrity !== null && made.integrity !== 'ok') {
    throw new CliError(`the database of ${name} is damaged: ${made.integrity}`, {
      hints: [`its backup is on the worker anyway: ${made.file}`, 'repair it first; nothing was rolled'],
    });
  }
  const file = backupCopyPath(env, record.id);
  note(job, { backup: await copyBackup(transport, made, file, around.timeoutMs, signal) });
  options.say(`backup: ${bytes(made.bytes)}, ${made.rows ?? 0} rows; here: ${file}`);
}

/** The change to the worker's workload. */
function rolling({ target, request, around, id }: Planned): Action {
  return changeAction(target, changeFor(request, id), around);
}

async function roll(job: Job): Promise<void> {
  const { request, options } = job;
  options.say(request.kind === 'restart' ? 'restarting' : `rolling to ${shortReference(request.image)}`);
  try {
    await rollOnce(job);
  } catch (error) {
    if (!(error instanceof HelmError) || error.kind !== 'pending') throw error;
    // The helm of a run that was killed began its work only now, after the look that this run was planned from.
    await repair(job);
    await rollOnce(job);
  }
  // No step waits for a pod of it.
  if (job.target.workload.replicas === 0 && request.kind !== 'restart')
    await expectImage(job.target, request.image, job.around);
}

async function rollOnce({ target, request, around, record }: Job): Promise<void> {
  await rolling({ target, request, around, id: record.id }).run();
}

async function wait(job: Job): Promise<void> {
  const { podUid } = job.record.previous;
  const told = await stopPodNow(job, podUid);
  if (told && job.target.facts?.snapshot.pipelines.some(({ status }) => status === 'in_progress'))
    job.options.say('its stage is interrupted; it continues after the next start');
  await waitForPod(job, job.request.image, podUid);
}

/**
 * Tells a pod that is being replaced without a drain not to wait for its running stage. Never tells its successor, which
 * a SIGTERM would end.
 *
 * @returns whether it was told
 */
export async function stopPodNow({ target, request, around }: Job, uid: string | null): Promise<boolean> {
  if (request.drain || uid === null) return false;
  const { worker } = target;
  if (currentPod(await readPods(around.cluster, worker), worker)?.metadata.uid !== uid) return false;
  // A pod that cannot be told is usually gone already; the wait reports anything else.
  return (await stopNow(worker, around.context, around.timeoutMs)) === undefined;
}

async function verify(job: Job): Promise<void> {
  const { target, request, around, record } = job;
  const { worker, workload } = target;
  const pod = currentPod(await readPods(around.cluster, worker), worker);
  const image = pod?.spec?.containers?.find(({ name }) => name === workload.container)?.image;
  if (image !== request.image)
    throw new CliError(`the pod of ${worker.name} names ${image}, not ${request.image}`);
  if (pod?.metadata.uid === record.previous.podUid)
    throw new CliError(`the pod of ${worker.name} is still the one from before the release`);
  if (record.build === null) return;
  const { build } = await readFacts(await around.enter(worker), around.timeoutMs, around.context.signal);
  if (JSON.stringify(build) !== JSON.stringify(record.build)) {
    throw new CliError(
      `the build.json in the pod of ${worker.name} is not that of the image that was checked`,
    );
  }
}

async function restore(job: Job): Promise<void> {
  const { undo } = job.request;
  if (undo !== null && hasImported(undo)) await takeOutImported(job, undo);
  else await restoreBackup(job, undo);
}

/** Whether rows were imported; without a change of the database the step has nothing to do. */
const hasImported = ({ done, imported }: ReleaseRecord) =>
  done.includes('import') && (imported ?? null) !== null;

/** After the import SQLite still has the rows, which went on in PostgreSQL: its factory would work on them once more. */
async function takeOutImported({ target, options, around }: Job, { imports }: ReleaseRecord): Promise<void> {
  const transport = await around.enter(target.worker);
  const frame = await transport.run({
    script: 'release-import-undo',
    args: [imports ?? ''],
    timeoutMs: BACKUP_MS,
    signal: around.context.signal,
  });
  const { rc, text } = frame.parts.get('restored') ?? { rc: 1, text: 'no answer' };
  if (rc !== 0) throw new CliError(`the rows that were imported are still in SQLite: ${text}`);
  options.say(`SQLite again, without the ${count(Number(text), 'row')} that went on in PostgreSQL`);
}

/** Restores the state that a release saved, if it included a database. @param of null: there is nothing to restore */
export async function restoreBackup(
  { target, options, around }: Job,
  of: ReleaseRecord | null,
): Promise<void> {
  const saved = of?.backup ?? null;
  if (saved === null || saved.rows === null) return;
  const transport = await around.enter(target.worker);
  const frame = await transport.run({
    script: 'rollback-restore',
    args: [saved.file, String(saved.rows), String(saved.newest)],
    timeoutMs: BACKUP_MS,
    signal: around.context.signal,
  });
  const { rc, text } = frame.parts.get('restored') ?? { rc: 1, text: 'no answer' };
  if (rc !== 0)
    throw new CliError(`the state from before the migration was not restored: ${text}`, {
      hints: [`the backup: ${saved.copy ?? saved.file}`],
    });
  options.say('the state from before the migration is restored');
}

/** After the pod is Ready: boot's last phases, and the loop's first look. */
const HEALTH_MS = 180_000;
const HEALTH_POLL_MS = 1_500;

async function health(job: Job): Promise<void> {
  const { target, around, options, request, record } = job;
  const { worker, facts } = target;
  const say = onlyNews(options.say);
  const until = Date.now() + HEALTH_MS;
  for (;;) {
    let trouble: string;
    try {
      const after = await readFacts(await around.enter(worker), around.timeoutMs, around.context.signal);
      const worse = worseThan(facts, after);
      if (worse.length > 0) trouble = worse.join('; ');
      else if (isUp(after)) {
        // Without a pre-pull, only now is it known whether the factory in the image migrates the state.
        const unseen = request.kind !== 'restart' && !record.done.includes('prepull');
        if (unseen) admit(job, storeOf(after));
        else if (request.kind === 'rollout') noteMigration(job, storeOf(after));
        return;
      } else trouble = 'its boot has not finished';
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      trouble = error.message;
    }
    say(`Ready, not healthy yet: ${trouble}`);
    if (Date.now() > until) throw new CliError(`${worker.name} is Ready but not healthy: ${trouble}`);
    await pause(HEALTH_POLL_MS, around.context.signal);
  }
}

/** Records a migration that the pre-pull could not foresee: it has no PostgreSQL to ask the new factory with. */
function noteMigration(job: Job, next: Store): void {
  const migration = migrationOf(storeOf(job.target.facts), next);
  if (migration === null || job.record.migration) return;
  note(job, { migration: true });
  job.options.say(`the state was migrated: ${migration}; a rollback restores the backup`);
}

/** After so many seconds a call adds no further row, so that none runs into its time limit; the next one goes on. */
const IMPORT_SECONDS = 60;
/** Waits for the queue's lock, which a call that was cut off may still hold, and for one row. */
const IMPORT_MS = 300_000;

async function importRows(job: Job): Promise<void> {
  const { target, options, around, record } = job;
  const { commandLine, signal } = around.context;
  const { name } = target.worker;
  if (record.imports === record.id && record.backup?.database !== 'sqlite') {
    options.say('it had no queue in SQLite: nothing is imported');
    return;
  }
  note(job, { imported: record.imported ?? NOTHING_YET });
  for (let before = Number.POSITIVE_INFINITY; ; ) {
    const transport = await around.enter(target.worker);
    const args = [record.imports ?? '', 'add', String(IMPORT_SECONDS)];
    const { parts } = await transport.run({ script: 'release-import', args, timeoutMs: IMPORT_MS, signal });
    if (parts.has('unneeded')) {
      note(job, { imported: null });
      options.say('both factories keep their queue in SQLite: nothing is imported');
      return;
    }
    const { rc, text } = parts.get('imported') ?? { rc: 1, text: 'no answer' };
    if (rc !== 0) {
      throw new CliError(`the rows of ${name} were not imported: ${text}`, {
        hints: [
          'all of them are still in SQLite',
          `without a row that cannot be added (queue remove), or without all (wait idle), release again: ${commandLine('queue', name)}`,
        ],
      });
    }
    const rows = readLines('importedRow', 'the imported rows', text);
    const left = Number(parts.get('left')?.text);
    if (!(left >= 0 && left < before))
      throw new CliError(`the import of the rows of ${name} makes no progress: ${left} are left`);
    before = left;
    const added = rows.filter(({ fate }) => fate === 'add').length - left;
    if (left > 0) {
      options.say(`${count(added, 'row')} imported, ${left} to go`);
      continue;
    }
    const named = (wanted: ImportedRow['fate']) => rows.filter(({ fate }) => fate === wanted).map(rowName);
    note(job, { imported: { added, goesOn: named('goes-on'), waits: named('waits') } });
    options.say(`${count(added, 'row')} imported`);
    for (const row of rows) {
      const told = describeFate(row, name, commandLine);
      if (told !== null) options.say(told);
    }
    return;
  }
}

/** The rows that an import would add, as they are before the release. */
function importNote({ target: { facts } }: Planned): string {
  if (facts === null || engineOf(facts.state.database) !== 'SQLite') return 'the rows that are not there yet';
  const open = openItems(facts.snapshot).map(itemName);
  return open.length === 0 ? 'nothing is open' : `${count(open.length, 'row')}: ${open.join(', ')}`;
}

/**
 * Takes the imported rows out of PostgreSQL again, before a release is rolled back: they are still in SQLite, and a later
 * release would start them once more.
 *
 * @returns a sentence about what stays there; null when nothing does
 */
export async function withdrawImport({ target, around, record }: Job): Promise<string | null> {
  if ((record.imported ?? null) === null) return null;
  let why: string;
  try {
    const transport = await around.enter(target.worker);
    const { parts } = await transport.run({
      script: 'release-import',
      args: [record.imports ?? '', 'withdraw', '0'],
      timeoutMs: IMPORT_MS,
      signal: around.context.signal,
    });
    if (parts.has('unneeded')) return null;
    const { rc, text } = parts.get('withdrawn') ?? { rc: 1, text: 'no answer' };
    if (rc === 0) {
      const others = (parts.get('others')?.text ?? '').split('\n').filter((line) => line !== '');
      return others.length === 0
        ? null
        : `What others added to PostgreSQL meanwhile stays there: ${others.join(', ')}.`;
    }
    why = text;
  } catch (error) {
    if (around.context.signal.aborted || !(error instanceof CliError)) throw error;
    why = error.message;
  }
  return `The imported rows could not be taken out of PostgreSQL (${why}); the next release with --import replaces them.`;
}

async function resume(job: Job): Promise<void> {
  const { target, around, options } = job;
  const lifted = await lift(await around.enter(target.worker), job);
  if (lifted.word === 'held') options.say(stillDrained(job, lifted.drain));
}

/** What happened to a drain: `held` when it belongs neither to this release nor to one that it replaced. */
export interface Lifted {
  readonly word: 'lifted' | 'none' | 'held';
  /** As it was before. */
  readonly drain: Drain | null;
}

/** Lifts this release's own drain, or that of one it replaced, and no other. @throws CliError when that fails */
export async function lift(transport: Transport, { target, around, record }: Job): Promise<Lifted> {
  const { timeoutMs, context } = around;
  let drain: Drain | null = null;
  for (const id of lineOf(record, readRecords(context.env))) {
    const call = { script: 'resume', args: ['', '', id, 'no'], timeoutMs, signal: context.signal };
    const frame = await transport.run(call);
    const word = frame.parts.get('resumed')?.text;
    drain = parseSnapshot(frame).drain;
    if (word === 'lifted' || word === 'none') return { word, drain };
    if (word !== 'held') throw new CliError(`the drain of ${target.worker.name} could not be lifted`);
  }
  return { word: 'held', drain };
}

/** Why a worker stays drained after its release, and what to type: `stays drained, as ann@laptop left it; …`. */
export function stillDrained({ target, around }: Job, drain: Drain | null): string {
  const { name } = target.worker;
  const { commandLine } = around.context;
  if (drain === null) return `stays drained; look: ${commandLine('status', name)}`;
  return `stays drained, as ${drain.by}@${drain.host} left it; ${resumeHint(drain, name, commandLine)}`;
}
