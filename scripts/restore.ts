/** `restore`: a backup in the place of a worker's state: of the same worker, or of another one, which is a migration. */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Archive, parseState, readArchive, type SavedState } from './lib/backup/archive.ts';
import { type Context, defineCommand, type Input, runIfMain } from './lib/cli/command.ts';
import { CliError, ExitCode, InterruptedError } from './lib/cli/errors.ts';
import { printable, renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { confirm } from './lib/cli/prompt.ts';
import { bytes, count } from './lib/cli/text.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { expandHome, homeOf } from './lib/config/paths.ts';
import type { WorkerEntry } from './lib/config/worker-entry.ts';
import { chooseWorker, loadWorkers } from './lib/config/workers-file.ts';
import { localEntry } from './lib/copy/places.ts';
import { send } from './lib/copy/transfer.ts';
import { makeBackup } from './lib/release/backup.ts';
import { drainWorker, isAtRest, liftDrain, whatRuns } from './lib/release/drain.ts';
import type { Transport } from './lib/transport/transport.ts';
import { createReach } from './lib/worker/observe.ts';
import { parseSnapshot, type Snapshot } from './lib/worker/snapshot.ts';

const FORMATS = ['text', 'json'] as const;

/** In whose name the worker is drained meanwhile. */
const OWNER = { release: 'restore', force: false } as const;
/** The loop looks at the drain before each check-in, which come every few seconds or minutes. */
const REST_MS = 10_000;
const POLL_MS = 1_000;
/** What is done on the worker's volume; the transfer has no limit but that it must move. */
const WORK_MS = 600_000;
const CLONE_MS = 300_000;

const FLAGS = {
  force: {
    type: 'boolean',
    description: 'also while sessions of stages are there: they lose their pipelines',
  },
  'dry-run': { type: 'boolean', description: 'check the file and the worker, change nothing' },
  yes: { type: 'boolean', short: 'y', description: 'do not ask' },
  ...OUTPUT_FLAGS(FORMATS),
  ...WORKER_FLAGS,
} as const;

type FlagInput = Input<typeof FLAGS>['flags'];

export const restore = defineCommand({
  name: 'restore',
  summary: "Put a backup in the place of a worker's state; into another worker, this is migration",
  description: `The file is read whole and its database opened here and in the worker; the rows are counted on both ends. It refuses while
a stage runs. What the worker has now is saved first, on its volume. Missing clones are made again, and work that was not pushed
is put back into its worktrees. What fails leaves the worker as it was.`,
  positionals: [
    { name: 'FILE', required: true },
    { name: 'WORKER', required: true },
  ],
  flags: FLAGS,
  examples: [
    ['worker-1.tar.gz worker-1', 'back to that state'],
    ['worker-1.tar.gz worker-2', 'what worker-1 had, in worker-2'],
    ['worker-1.tar.gz worker-1 --dry-run', 'what would be replaced by what'],
  ],
  async run({ flags, positionals: [given = '', name = ''] }, context) {
    const file = resolve(expandHome(given, homeOf(context.env)));
    const timeoutMs = parseDuration(flags.timeout, '--timeout');
    const worker = chooseWorker(await loadWorkers(context.env, flags, context.commandLine), name);
    const archive = await readArchive(file, context);
    const { transport } = await createReach(context, timeoutMs).enter(worker);
    const restoration: Restoration = { worker, transport, archive, timeoutMs, flags, context };
    const before = await look(restoration);
    refuseAtWork(before, restoration);
    if (!(await agreed(before, restoration))) return flags['dry-run'] ? ExitCode.ok : ExitCode.failed;
    // Whoever drained it before us has a reason to; it stays drained then.
    const ours = before.drain === null;
    if (ours) await drain(restoration);
    try {
      return await takeOver(before, restoration);
    } finally {
      if (ours) await lift(restoration);
    }
  },
});

interface Restoration {
  readonly worker: WorkerEntry;
  readonly transport: Transport;
  readonly archive: Archive;
  readonly timeoutMs: number;
  readonly flags: FlagInput;
  readonly context: Context;
}

async function look({ transport, timeoutMs, context }: Restoration): Promise<Snapshot> {
  return parseSnapshot(
    await transport.run({ script: 'probe', args: ['brief'], timeoutMs, signal: context.signal }),
  );
}

function refuseAtWork(snapshot: Snapshot, { worker, context }: Restoration): void {
  if (!snapshot.locks.checkIn) return;
  throw new CliError(`${worker.name} is at work: ${whatRuns(snapshot)}`, {
    hints: [`let it end first: ${context.commandLine('drain', worker.name, '--wait')}`],
  });
}

/** Shows what would be replaced by what, and asks. */
async function agreed(before: Snapshot, { worker, archive, flags, context }: Restoration): Promise<boolean> {
  const { stdout, stderr } = context;
  const { file, state, pipelines } = archive;
  const dryRun = flags['dry-run'];
  const where =
    worker.runtime === 'local'
      ? `on this machine, ${worker.home}`
      : `context ${worker.context}, namespace ${worker.namespace}`;
  const now = { rows: before.queue.length, pipelines: before.pipelines.length };
  const then = { rows: state.rows, pipelines };
  if (dryRun && outputFormat(flags, FORMATS) === 'json') {
    stdout.write(renderJson({ worker: worker.name, dryRun, file, now, then, clones: archive.clones }));
    return false;
  }
  const out = dryRun ? stdout : stderr;
  out.write(
    `${worker.name} (${where})\n  now   ${contents(now)}\n  then  ${contents(then)}, from ${file} (${bytes(archive.bytes)}, whole)\n`,
  );
  if (!archive.checkedHere)
    stderr.write('note: without sqlite3 here, the database is checked in the worker alone\n');
  if (dryRun) return false;
  if (await confirm(context, `Replace the state of ${worker.name}?`, flags.yes)) return true;
  stderr.write('nothing was changed\n');
  return false;
}

const contents = ({ rows, pipelines }: { rows: number; pipelines: number }) =>
  `${count(rows, 'row')} in the queue, ${count(pipelines, 'pipeline')}`;

/** Lets no check-in begin; one that has begun just now is not waited for. */
async function drain(restoration: Restoration): Promise<void> {
  const { worker, transport, timeoutMs, context } = restoration;
  const call = { timeoutMs, signal: context.signal };
  await drainWorker(transport, worker, 'a backup is being restored', OWNER, call);
  const end = performance.now() + REST_MS;
  for (;;) {
    const snapshot = await look(restoration);
    // Without a check-in none begins any more, whether the loop has said so or not.
    if (isAtRest(snapshot) || (!snapshot.locks.checkIn && performance.now() > end)) return;
    if (performance.now() > end) {
      await lift(restoration);
      refuseAtWork(snapshot, restoration);
    }
    await sleep(POLL_MS, undefined, { signal: context.signal }).catch(async () => {
      await lift(restoration);
      throw InterruptedError.by(context.signal);
    });
  }
}

/** Also after Ctrl-C: a worker that stays drained without a reason would rest for ever. */
async function lift({ worker, transport, timeoutMs, context }: Restoration): Promise<void> {
  const { signal } = new AbortController();
  await liftDrain(transport, worker, OWNER, { timeoutMs, signal }).catch((error: Error) => {
    context.stderr.write(
      `${worker.name} is still drained (${printable(error.message)}); lift it: ${context.commandLine('resume', worker.name, '--force')}\n`,
    );
  });
}

async function takeOver(before: Snapshot, restoration: Restoration): Promise<number> {
  const { worker, transport, archive, timeoutMs, flags, context } = restoration;
  const { signal, stderr, stdout, exec, now, commandLine } = context;
  const stamp = now()
    .toISOString()
    .replaceAll(/[-:]|\.\d+/g, '');
  const backups = await backupsFolder(restoration);
  let saved: string | null = null;
  if (before.queue.length + before.pipelines.length > 0) {
    stderr.write('saving what the worker has now\n');
    saved = (await makeBackup(transport, worker.name, `${stamp}-before-restore`, 'state', WORK_MS, signal))
      .file;
  }
  await makeClones(before, restoration);
  const name = `${stamp}-restored.tar.gz`;
  stderr.write(`sending ${bytes(archive.bytes)}\n`);
  const entry = localEntry(archive.file);
  await send({ exec, transport, signal, timeoutMs, worker: worker.name }, entry, `${backups}/${name}`);
  const frame = await transport.run({
    script: 'take-over',
    args: [name, flags.force ? 'yes' : 'no'],
    timeoutMs: WORK_MS,
    signal,
  });
  const { rc, text } = frame.parts.get('restored') ?? { rc: 1, text: 'it gave no answer' };
  if (rc !== 0) {
    throw new CliError(`${worker.name} was left as it was: ${text}`, {
      hints: hintsFor(text, worker, commandLine),
    });
  }
  const state = parseState(frame.parts.get('state')?.text ?? '');
  if (!sameRows(state, archive.state)) {
    throw new CliError(
      `${worker.name} has ${state?.rows} rows, the backup ${archive.state.rows}: it was changed meanwhile`,
      {
        hints: [commandLine('status', worker.name)],
      },
    );
  }
  const notes = (frame.parts.get('notes')?.text ?? '').split('\n').filter((line) => line !== '');
  if (outputFormat(flags, FORMATS) === 'json') {
    stdout.write(
      renderJson({
        worker: worker.name,
        dryRun: false,
        file: archive.file,
        state,
        pipelines: archive.pipelines,
        saved,
        notes,
      }),
    );
  } else {
    const all = contents({ rows: archive.state.rows, pipelines: archive.pipelines });
    stdout.write(`${worker.name} has ${all} again, counted on both ends; integrity ${state?.integrity}\n`);
  }
  for (const note of notes) stderr.write(`note: ${printable(note)}\n`);
  if (saved !== null) {
    const copy = `${worker.name}-before-restore.tar.gz`;
    stderr.write(
      `to undo it: ${commandLine('cp', `${worker.name}:${saved}`, copy)} && ${commandLine('restore', copy, worker.name)}\n`,
    );
  }
  return ExitCode.ok;
}

/** Where the worker keeps its backups. */
async function backupsFolder({ transport, timeoutMs, context }: Restoration): Promise<string> {
  const frame = await transport.run({
    script: 'backups-folder',
    args: [],
    timeoutMs,
    signal: context.signal,
  });
  const folder = frame.parts.get('folder');
  if (folder?.rc !== 0)
    throw new CliError(`the worker's volume cannot be written: ${frame.parts.get('folder.error')?.text}`);
  return folder.text;
}

function sameRows(state: SavedState | null, saved: SavedState): boolean {
  return (
    state !== null &&
    (saved.database === 'none' || (state.rows === saved.rows && state.newest === saved.newest))
  );
}

/** Clones that the backup has and the worker lacks, so that there is something to put unpushed work into. */
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

function hintsFor(reason: string, worker: WorkerEntry, command: Context['commandLine']): string[] {
  if (reason.includes('sessions of stages')) {
    return [`look at them: ${command('peek', worker.name)}`, 'restore all the same: --force'];
  }
  if (reason.includes('too full') || reason.includes('No space left')) {
    return [
      `what takes the space: ${command('exec', worker.name, '--', 'bash', '-c', 'du -xh --max-depth=3 ~/.factory | sort -h | tail')}`,
    ];
  }
  if (reason.includes('a stage is running'))
    return [`let it end first: ${command('drain', worker.name, '--wait')}`];
  return [];
}

await runIfMain(import.meta.url, restore);
