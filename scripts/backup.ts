/** `backup`: copies a worker's state into one file on this machine. */
import { randomUUID } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { resolve } from 'node:path';
import { copyBackup, makeBackup } from './lib/backup/make.ts';
import { defineCommand } from './lib/cli/command.ts';
import { CliError } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { showProgress } from './lib/cli/progress.ts';
import { runIfMain } from './lib/cli/run.ts';
import { bytes } from './lib/cli/text.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { expandHome, homeOf } from './lib/config/paths.ts';
import { regularTarget } from './lib/config/replace-file.ts';
import { BY_KUBECTL, findWorker } from './lib/worker/observe.ts';
import { WORKER } from './lib/worker/positionals.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;
const MAKING_MS = 600_000;

export const backup = defineCommand({
  name: 'backup',
  summary: SUMMARIES.backup,
  description: `SQLite's own backup copies the database, consistent even while the worker is busy, and the copy is checked. Also included:
from the clones, commits that no remote has and uncommitted changes; from the sessions, their recordings. Not included: the
agents' memory. The last five backups also stay on the worker's volume.`,
  positionals: [WORKER, { name: 'FILE', required: true }],
  flags: {
    force: { type: 'boolean', description: 'replace an existing file' },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1 worker-1.tar.gz', 'into the current folder'],
    ['worker-1 ~/backups/worker-1.tar.gz --force', 'replacing the last one'],
  ],
  async run({ flags, positionals: [name = '', given = ''] }, context) {
    const format = outputFormat(flags, FORMATS);
    const file = resolve(expandHome(given, homeOf(context.env)));
    const { worker, timeoutMs, enter } = await findWorker(context, flags, name, BY_KUBECTL);
    // Before the worker begins. A dangling link counts as existing too.
    if (lstatSync(file, { throwIfNoEntry: false }) !== undefined && !flags.force) {
      throw new CliError(`${given} already exists`, { hints: ['replace it: --force'] });
    }
    await regularTarget(file);
    const { transport } = await enter();
    const stamp = context
      .now()
      .toISOString()
      .replaceAll(/[-:]|\.\d+/g, '');
    // An id that exists returns the existing backup, so two backups in one second need different ids.
    const id = `${stamp}-by-hand-${randomUUID().slice(0, 4)}`;
    const made = await makeBackup(transport, worker.name, id, 'everything', MAKING_MS, context.signal);
    const progress = showProgress(context.stderr, made.bytes);
    const copy = await copyBackup(transport, made, file, timeoutMs, context.signal, progress.update).finally(
      progress.clear,
    );
    if (format === 'json') {
      // `schema` of an output is its own.
      const { schema: databaseSchema, ...rest } = copy;
      context.stdout.write(renderJson({ worker: worker.name, ...rest, databaseSchema }));
    } else {
      const rows =
        copy.database === 'none'
          ? 'it has no database yet'
          : `${copy.rows} rows, integrity ${copy.integrity}`;
      context.stdout.write(`${given}: ${bytes(copy.bytes)}, ${rows}\n`);
    }
    if (copy.integrity !== null && copy.integrity !== 'ok') {
      throw new CliError(`the database of ${worker.name} is not whole: ${copy.integrity}`, {
        hints: ['the file has it as it is; sqlite3 -safe factory.db ".recover" extracts what is readable'],
      });
    }
  },
});

await runIfMain(import.meta.url, backup);
