/** `restore`: a backup in the place of a worker's state: of the same worker, or of another one, which is a migration. */
import { resolve } from 'node:path';
import { readArchive } from './lib/backup/archive.ts';
import { look, type Restoration, type Restored, refuseAtWork, restoreInto } from './lib/backup/take-over.ts';
import { defineCommand, type Input, runIfMain } from './lib/cli/command.ts';
import { ExitCode } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { confirm } from './lib/cli/prompt.ts';
import { bytes, count, printable } from './lib/cli/text.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { expandHome, homeOf } from './lib/config/paths.ts';
import { findWorker } from './lib/worker/observe.ts';
import type { Snapshot } from './lib/worker/snapshot.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

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
  summary: SUMMARIES.restore,
  description: `The file is read whole. How many rows it holds was counted when it was made; the worker opens the database, counts again, and
takes only what agrees. It refuses while a stage runs. What the worker has now is saved first, on its volume. Missing clones are
made again, and work that was not pushed is put back into its worktrees. What fails leaves the worker as it was.`,
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
    const { worker, timeoutMs, enter } = await findWorker(context, flags, name);
    const archive = await readArchive(file, context);
    const { transport } = await enter();
    const restoration = { worker, transport, archive, timeoutMs, force: flags.force, context };
    const before = await look(restoration);
    refuseAtWork(before, restoration);
    if (!(await agreed(before, restoration, flags))) return flags['dry-run'] ? ExitCode.ok : ExitCode.failed;
    tell(await restoreInto(before, restoration), restoration, flags);
    return ExitCode.ok;
  },
});

/** Shows what would be replaced by what, and asks. */
async function agreed(
  before: Snapshot,
  { worker, archive, context }: Restoration,
  flags: FlagInput,
): Promise<boolean> {
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
  if (dryRun) return false;
  if (await confirm(context, `Replace the state of ${worker.name}?`, flags.yes)) return true;
  stderr.write('nothing was changed\n');
  return false;
}

const contents = ({ rows, pipelines }: { rows: number; pipelines: number }) =>
  `${count(rows, 'row')} in the queue, ${count(pipelines, 'pipeline')}`;

/** The end: what the worker has now, and how to undo it. */
function tell(
  { state, saved, notes }: Restored,
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
      }),
    );
  } else {
    const all = contents({ rows: archive.state.rows, pipelines: archive.pipelines });
    stdout.write(`${worker.name} has ${all} again, counted on both ends; integrity ${state.integrity}\n`);
  }
  for (const note of notes) stderr.write(`note: ${printable(note)}\n`);
  if (saved !== null) {
    const copy = `${worker.name}-before-restore.tar.gz`;
    stderr.write(
      `to undo it: ${commandLine('cp', `${worker.name}:${saved}`, copy)} && ${commandLine('restore', copy, worker.name)}\n`,
    );
  }
}

await runIfMain(import.meta.url, restore);
