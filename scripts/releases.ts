/** `releases`: shows which image was released where and when, from the records of this machine. */
import { defineCommand } from './lib/cli/command.ts';
import { type Column, renderJson, renderTable } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat, TABLE_FLAGS } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { age } from './lib/cli/text.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { shortReference } from './lib/registry/reference.ts';
import { isOpen, isUnderWay, type ReleaseRecord, readRecords, releasesDir } from './lib/release/record.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['table', 'json'] as const;

export const releases = defineCommand({
  name: 'releases',
  summary: SUMMARIES.releases,
  description: `Reads the records of this machine, not the cluster. The newest release is last.`,
  positionals: [{ name: 'WORKER', required: false, repeat: true }],
  flags: { ...OUTPUT_FLAGS(FORMATS), ...TABLE_FLAGS, ...WORKER_FLAGS },
  examples: [
    ['', 'everything'],
    ['worker-1', 'of one worker'],
    ['-o json | jq ".[-1].why"', 'why the last one failed'],
  ],
  async run({ flags, positionals }, { env, stdout, stderr, now }) {
    const format = outputFormat(flags, FORMATS);
    const records = readRecords(env).filter(
      ({ worker }) =>
        (positionals.length === 0 || positionals.includes(worker.name)) &&
        (flags.context === undefined || worker.context === flags.context) &&
        (flags.namespace === undefined || worker.namespace === flags.namespace),
    );
    if (format === 'json') {
      stdout.write(renderJson(records));
      return;
    }
    if (records.length === 0) stderr.write(`no release has been made from here (${releasesDir(env)})\n`);
    stdout.write(
      renderTable(records, columns(now(), env), { headers: !flags['no-headers'] && records.length > 0 }),
    );
  },
});

function columns(now: Date, env: NodeJS.ProcessEnv): Column<ReleaseRecord>[] {
  return [
    { header: 'WORKER', value: ({ worker }) => worker.name },
    { header: 'AGE', value: ({ startedAt }) => age((now.getTime() - Date.parse(startedAt)) / 1000) },
    { header: 'KIND', value: ({ kind }) => kind },
    { header: 'RESULT', value: (record) => result(record, env) },
    {
      header: 'TOOK',
      value: ({ startedAt, finishedAt }) =>
        finishedAt === null ? '-' : age((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000),
    },
    { header: 'BY', value: ({ by }) => by },
    { header: 'IMAGE', value: ({ image }) => shortReference(image) },
  ];
}

/** A release without an end and without a process was interrupted. */
function result(record: ReleaseRecord, env: NodeJS.ProcessEnv): string {
  if (!isOpen(record) || isUnderWay(record, env)) return record.state;
  return `interrupted at ${record.state === 'rolling-back' ? 'rolling back' : record.step}`;
}

await runIfMain(import.meta.url, releases);
