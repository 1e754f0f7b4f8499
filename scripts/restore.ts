/** `restore`: replaces a worker's state with a backup of it, or of another worker, which is a migration. */
import { resolve } from 'node:path';
import { readArchive } from './lib/backup/archive.ts';
import {
  countAdded,
  listImport,
  look,
  type Restoration,
  type Restored,
  refuseAtWork,
  restoreInto,
} from './lib/backup/take-over.ts';
import { defineCommand, type Input } from './lib/cli/command.ts';
import { ExitCode } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { confirm } from './lib/cli/prompt.ts';
import { runIfMain } from './lib/cli/run.ts';
import { bytes, count, printable } from './lib/cli/text.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { expandHome, homeOf } from './lib/config/paths.ts';
import type { ImportedRow } from './lib/contract.ts';
import { describeFate, rowName } from './lib/worker/database-state.ts';
import { BY_KUBECTL, findWorker } from './lib/worker/observe.ts';
import { NAMED_WORKER } from './lib/worker/positionals.ts';
import type { Snapshot } from './lib/worker/snapshot.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

const FLAGS = {
  force: {
    type: 'boolean',
    description: 'restore even if there are sessions of stages: they lose their pipelines',
  },
  import: {
    type: 'boolean',
    description: 'from SQLite to PostgreSQL: add the open rows of the backup one by one',
  },
  'dry-run': { type: 'boolean', description: 'check the file and the worker, change nothing' },
  yes: { type: 'boolean', short: 'y', description: 'do not ask' },
  ...OUTPUT_FLAGS(FORMATS),
  ...WORKER_FLAGS,
} as const;

type FlagInput = Input<typeof FLAGS>['flags'];

export const restore = defineCommand({
  name: 'restore',
  summary: SUMMARIES.restore,
  description: `The whole file is checked first. The worker then opens the database, compares its number of rows with the one recorded in the
backup, and refuses it if they differ. It also refuses while a stage runs. The present state is first saved on the worker's
volume. Missing clones are cloned again, and unpushed work is restored into its worktrees. On failure the worker is unchanged.

A queue in SQLite is not restored into a worker whose factory keeps its queue in PostgreSQL. With --import its open rows are
added there one by one, in their order, instead of those that are there; finished rows stay in the backup.`,
  positionals: [{ name: 'FILE', required: true }, NAMED_WORKER],
  flags: FLAGS,
  examples: [
    ['worker-1.tar.gz worker-1', 'back to that state'],
    ['worker-1.tar.gz worker-2', 'the state of worker-1, into worker-2'],
    ['worker-1.tar.gz worker-1 --dry-run', 'what would be replaced by what'],
    ['worker-1.tar.gz worker-2 --import --dry-run', 'the rows that a worker with PostgreSQL would get'],
  ],
  async run({ flags, positionals: [given = '', name = ''] }, context) {
    const file = resolve(expandHome(given, homeOf(context.env)));
    const { worker, timeoutMs, enter } = await findWorker(context, flags, name, BY_KUBECTL);
    const archive = await readArchive(file, context);
    const { transport } = await enter();
    const restoration = {
      worker,
      transport,
      archive,
      timeoutMs,
      force: flags.force,
      importRows: flags.import,
      context,
    };
    const before = await look(restoration);
    refuseAtWork(before, restoration);
    if (!(await agreed(before, restoration, flags))) return flags['dry-run'] ? ExitCode.ok : ExitCode.failed;
    tell(await restoreInto(before, restoration), restoration, flags);
    return ExitCode.ok;
  },
});

/** Shows what would be replaced by what, and asks. */
async function agreed(before: Snapshot, restoration: Restoration, flags: FlagInput): Promise<boolean> {
  const { worker, archive, context, importRows } = restoration;
  const { stdout, stderr } = context;
  const { file, state, pipelines } = archive;
  const dryRun = flags['dry-run'];
  const where =
    worker.runtime === 'local'
      ? `on this machine, ${worker.home}`
      : `context ${worker.context}, namespace ${worker.namespace}`;
  const now = { rows: before.queue.length, pipelines: before.pipelines.length };
  const imported = importRows && dryRun ? await listImport(restoration) : null;
  const then = { rows: imported === null ? state.rows : countAdded(imported), pipelines };
  if (dryRun && outputFormat(flags, FORMATS) === 'json') {
    const { clones } = archive;
    stdout.write(
      renderJson({ worker: worker.name, dryRun, file, now, then, clones, ...(imported && { imported }) }),
    );
    return false;
  }
  const out = dryRun ? stdout : stderr;
  const only = importRows && !dryRun ? 'the open ones of ' : '';
  out.write(
    `${worker.name} (${where})\n  now   ${contents(now)}\n  then  ${only}${contents(then)}, from ${file} (${bytes(archive.bytes)}, whole)\n`,
  );
  for (const row of imported ?? []) out.write(`  ${FATES[row.fate]} ${rowName(row)}\n`);
  if (dryRun) return false;
  if (await confirm(context, `Replace the state of ${worker.name}?`, flags.yes)) return true;
  stderr.write('nothing was changed\n');
  return false;
}

/** What is done with an open row of the backup, in a dry run. */
const FATES: Readonly<Record<ImportedRow['fate'], string>> = {
  add: '+ add',
  'goes-on': '= goes on by its pipeline, without a row:',
  waits: '- left out, since it waits for an issue that has failed:',
};

const contents = ({ rows, pipelines }: { rows: number; pipelines: number }) =>
  `${count(rows, 'row')} in the queue, ${count(pipelines, 'pipeline')}`;

/** Reports the worker's new state, and how to undo the restore. */
function tell(
  { state, saved, imported, notes }: Restored,
  { worker, archive, context }: Restoration,
  flags: FlagInput,
): void {
  const { stdout, stderr, commandLine } = context;
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
        ...(imported && { imported }),
      }),
    );
  } else if (imported !== null) {
    const all = contents({ rows: countAdded(imported), pipelines: archive.pipelines });
    stdout.write(`${worker.name} has ${all}; the rows were imported, finished ones stay in the backup\n`);
  } else {
    const all = contents({ rows: archive.state.rows, pipelines: archive.pipelines });
    const checked =
      archive.state.database === 'none'
        ? 'the backup has no database'
        : `counted on both ends; integrity ${state.integrity}`;
    stdout.write(`${worker.name} has ${all} again, ${checked}\n`);
  }
  for (const note of notes) stderr.write(`note: ${printable(note)}\n`);
  for (const row of imported ?? []) {
    const told = describeFate(row, worker.name, commandLine);
    if (told !== null) stderr.write(`note: ${told}\n`);
  }
  if (saved !== null) {
    const copy = `${worker.name}-before-restore.tar.gz`;
    stderr.write(
      `to undo it: ${commandLine('cp', `${worker.name}:${saved}`, copy)} && ${commandLine('restore', copy, worker.name)}\n`,
    );
  }
}

await runIfMain(import.meta.url, restore);
