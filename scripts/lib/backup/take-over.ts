/** Replaces a worker's state with a backup: drains the worker, saves its state first, and undoes everything on failure. */

import type { Context } from '../cli/command.ts';
import { CliError } from '../cli/errors.ts';
import { pause } from '../cli/pause.ts';
import { showProgress } from '../cli/progress.ts';
import { bytes, printable } from '../cli/text.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { DRAINED_BY, type ImportedRow } from '../contract.ts';
import { localEntry } from '../copy/places.ts';
import { send } from '../copy/transfer.ts';
import { drainWorker, liftDrain } from '../drain/drain.ts';
import { isAtRest, whatRuns } from '../drain/rest.ts';
import { readLines } from '../read-contract.ts';
import type { Frame } from '../transport/frame.ts';
import type { Transport } from '../transport/transport.ts';
import { parseSnapshot, type Snapshot } from '../worker/snapshot.ts';
import { type Archive, type SavedState, savedState } from './archive.ts';
import { makeBackup } from './make.ts';

/** The owner of the drain during a restore. */
const OWNER = { release: DRAINED_BY.restore, force: false };
/** How long to wait for the loop to notice the drain: it does before each check-in, every few seconds or minutes. */
const REST_MS = 10_000;
const POLL_MS = 1_000;
/** Time limit of work on the worker's volume; the transfer may take any time as long as data moves. */
const WORK_MS = 600_000;
const CLONE_MS = 300_000;

/** A backup to restore into a worker. */
export interface Restoration {
  readonly worker: WorkerEntry;
  readonly transport: Transport;
  readonly archive: Archive;
  readonly timeoutMs: number;
  /** Restore even if there are sessions of stages. */
  readonly force: boolean;
  /** Add the open rows of a backup with SQLite to PostgreSQL, one by one. */
  readonly importRows: boolean;
  readonly context: Context;
}

/** The worker's state afterwards. */
export interface Restored {
  readonly state: SavedState;
  /** File on the worker with its previous state; null when it had none. */
  readonly saved: string | null;
  /** What became of the open rows of the backup; null when its queue was restored as a whole. */
  readonly imported: readonly ImportedRow[] | null;
  /** What could not be restored. */
  readonly notes: readonly string[];
}

/**
 * Replaces the worker's state with the backup. The worker is drained in the meantime; if another operator has drained it, it
 * stays drained. The drain of an interrupted restore counts as ours, and this one continues with it.
 *
 * @param before the worker's state when the operator agreed
 * @throws CliError when it fails; then the worker is unchanged
 */
export async function restoreInto(before: Snapshot, restoration: Restoration): Promise<Restored> {
  const ours = before.drain === null || before.drain.release === OWNER.release;
  if (ours) await drain(restoration);
  try {
    if (ours) await untilAtRest(restoration);
    return await takeOver(before, restoration);
  } finally {
    if (ours) await lift(restoration);
  }
}

export async function look({ transport, timeoutMs, context }: Restoration): Promise<Snapshot> {
  return parseSnapshot(
    await transport.run({ script: 'look', args: ['brief'], timeoutMs, signal: context.signal }),
  );
}

/** @throws CliError when a check-in is running: its state would change under it */
export function refuseAtWork(snapshot: Snapshot, { worker, context }: Restoration): void {
  if (!snapshot.locks.checkIn) return;
  throw new CliError(`${worker.name} is at work: ${whatRuns(snapshot)}`, {
    hints: [`let it end first: ${context.commandLine('drain', worker.name, '--wait')}`],
  });
}

/** Prevents further check-ins. */
async function drain({ worker, transport, timeoutMs, context }: Restoration): Promise<void> {
  const call = { timeoutMs, signal: context.signal, commandLine: context.commandLine };
  await drainWorker(transport, worker, 'a backup is being restored', OWNER, call);
}

/** Does not wait for a check-in that has just begun. */
async function untilAtRest(restoration: Restoration): Promise<void> {
  const { signal } = restoration.context;
  const end = performance.now() + REST_MS;
  for (;;) {
    const snapshot = await look(restoration);
    // While no check-in runs, none begins any more, whether or not the loop has reported the drain.
    if (isAtRest(snapshot) || (!snapshot.locks.checkIn && performance.now() > end)) return;
    if (performance.now() > end) refuseAtWork(snapshot, restoration);
    await pause(POLL_MS, signal);
  }
}

/** Also after Ctrl-C: otherwise the worker would stay drained for no reason. */
async function lift({ worker, transport, timeoutMs, context }: Restoration): Promise<void> {
  const { signal } = new AbortController();
  await liftDrain(transport, worker, OWNER, { timeoutMs, signal, commandLine: context.commandLine }).catch(
    (error: Error) => {
      context.stderr.write(
        `${worker.name} is still drained (${printable(error.message)}); lift it: ${context.commandLine('resume', worker.name, '--force')}\n`,
      );
    },
  );
}

async function takeOver(before: Snapshot, restoration: Restoration): Promise<Restored> {
  const { worker, transport, archive, force, importRows, context } = restoration;
  const { signal, stderr } = context;
  const stamp = stampOf(context);
  let saved: string | null = null;
  if (before.queue.length + before.pipelines.length > 0) {
    stderr.write('saving what the worker has now\n');
    saved = (await makeBackup(transport, worker.name, `${stamp}-before-restore`, 'state', WORK_MS, signal))
      .file;
  }
  await makeClones(before, restoration);
  const { text: folder } = await unpack(restoration, importRows ? 'import' : '');
  const args = [folder, force ? 'yes' : 'no', importRows ? 'yes' : 'no'];
  const { frame } = await step(restoration, 'restore', 'restored', args);
  const state = savedState(frame.parts.get('state')?.text ?? '');
  const imported = importRows ? readImported(frame) : null;
  const wanted = imported === null ? archive.state : { ...state, rows: countAdded(imported) };
  if (state === null || !sameRows(state, { ...archive.state, ...wanted })) {
    throw new CliError(
      `${worker.name} has ${state?.rows} rows, the backup ${wanted.rows}: it has changed in the meantime`,
      {
        hints: [context.commandLine('status', worker.name)],
      },
    );
  }
  const notes = (frame.parts.get('notes')?.text ?? '').split('\n').filter((line) => line !== '');
  return { state, saved, imported, notes };
}

/**
 * The rows that an import would find in the backup, as the worker itself reads it; nothing stays there.
 *
 * @throws CliError when it cannot be imported
 */
export async function listImport(restoration: Restoration): Promise<ImportedRow[]> {
  return readImported((await unpack(restoration, 'list')).frame);
}

const readImported = (frame: Frame): ImportedRow[] =>
  readLines('importedRow', 'the rows of the backup', frame.parts.get('imported')?.text ?? '');

export const countAdded = (rows: readonly ImportedRow[]): number =>
  rows.filter(({ fate }) => fate === 'add').length;

const stampOf = ({ now }: Context): string =>
  now()
    .toISOString()
    .replaceAll(/[-:]|\.\d+/g, '');

/** Sends the backup and has it unpacked beside the worker's state. */
async function unpack(restoration: Restoration, how: '' | 'import' | 'list') {
  const { worker, transport, archive, timeoutMs, context } = restoration;
  const { signal, stderr, exec } = context;
  const backups = await backupsFolder(restoration);
  const name = `${stampOf(context)}-restored.tar.gz`;
  stderr.write(`sending ${bytes(archive.bytes)}\n`);
  const entry = localEntry(archive.file);
  const progress = showProgress(stderr, archive.bytes);
  const road = { exec, transport, signal, timeoutMs, worker: worker.name, onProgress: progress.update };
  await send(road, entry, `${backups}/${name}`).finally(progress.clear);
  return step(restoration, 'restore-unpack', 'unpacked', [name, how]);
}

/** @throws CliError when the script says that it has failed */
async function step(
  { worker, transport, archive, context }: Restoration,
  script: string,
  part: string,
  args: readonly string[],
) {
  const frame = await transport.run({ script, args, timeoutMs: WORK_MS, signal: context.signal });
  const { rc, text } = frame.parts.get(part) ?? { rc: 1, text: 'it gave no answer' };
  if (rc === 0) return { frame, text };
  throw new CliError(`${worker.name} was left as it was: ${text}`, {
    hints: hintsFor(text, worker, archive, context.commandLine),
  });
}

/** The worker's folder for backups. */
async function backupsFolder({ transport, timeoutMs, context }: Restoration): Promise<string> {
  const frame = await transport.run({
    script: 'restore-folder',
    args: [],
    timeoutMs,
    signal: context.signal,
  });
  const folder = frame.parts.get('folder');
  if (folder?.rc !== 0)
    throw new CliError(`the worker's volume cannot be written: ${frame.parts.get('folder.error')?.text}`);
  return folder.text;
}

function sameRows(state: SavedState, saved: SavedState): boolean {
  return saved.database === 'none' || (state.rows === saved.rows && state.newest === saved.newest);
}

/** Clones the repositories that the backup has and the worker lacks, so that unpushed work can be restored into them. */
async function makeClones(
  { clones }: Snapshot,
  { worker, transport, archive, context }: Restoration,
): Promise<void> {
  const missing = archive.clones.filter(({ name }) => !clones.some(({ project }) => project === name));
  for (const { name, url } of missing) {
    context.stderr.write(`cloning ${name}\n`);
    const frame = await transport.run({
      script: 'clone',
      args: [name, url, '', String(CLONE_MS / 1000 - 10)],
      timeoutMs: CLONE_MS,
      signal: context.signal,
    });
    const { rc, text } = frame.parts.get('clone') ?? { rc: 1, text: 'no answer' };
    if (rc !== 0 || text !== 'ready') {
      throw new CliError(
        `${worker.name} could not clone ${name} from ${url}${rc === 0 ? ' in time' : `: ${text}`}; nothing was replaced`,
        {
          hints: [`why: ${context.commandLine('status', worker.name)}`],
        },
      );
    }
  }
}

function hintsFor(
  reason: string,
  worker: WorkerEntry,
  { file }: Archive,
  command: Context['commandLine'],
): string[] {
  if (reason.startsWith('the backup is of a SQLite database')) {
    return [
      `list the open rows that could be added one by one: ${command('restore', file, worker.name, '--import', '--dry-run')}`,
    ];
  }
  if (reason.includes('sessions of stages')) {
    return [`look at them: ${command('peek', worker.name)}`, 'restore all the same: --force'];
  }
  if (reason.includes('too full') || reason.includes('No space left')) {
    return [
      `what takes the space: ${command('usage', worker.name)}`,
      `what could go: ${command('cleanup', worker.name, '--dry-run')}`,
    ];
  }
  if (reason.includes('a stage is running'))
    return [`let it end first: ${command('drain', worker.name, '--wait')}`];
  return [];
}
