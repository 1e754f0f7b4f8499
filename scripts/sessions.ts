/** `sessions`: shows the sessions of a worker as a table. */
import { type Context, defineCommand } from './lib/cli/command.ts';
import { type Column, painter, renderJson, renderTable } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat, TABLE_FLAGS } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { age } from './lib/cli/text.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { parseSessionRows, type SessionRow } from './lib/sessions/session-rows.ts';
import { findWorker } from './lib/worker/observe.ts';
import { WORKER } from './lib/worker/positionals.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['table', 'json', 'name'] as const;

export const sessions = defineCommand({
  name: 'sessions',
  summary: SUMMARIES.sessions,
  description: `HUMAN says whether factory takes a session as human-driven; it then leaves the session's issue alone.`,
  positionals: [WORKER],
  flags: { ...OUTPUT_FLAGS(FORMATS), ...TABLE_FLAGS, ...WORKER_FLAGS },
  examples: [
    ['worker-1', 'all sessions'],
    ['worker-1 -o name', 'their names, one per line'],
    ["worker-1 -o json | jq '.[] | select(.human)'", 'those that a person has typed into'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const format = outputFormat(flags, FORMATS);
    const { worker, timeoutMs, enter } = await findWorker(context, flags, name);
    const { transport } = await enter();
    const { signal, stdout, stderr, commandLine } = context;
    const frame = await transport.run({ script: 'look', args: ['brief', 'humans'], timeoutMs, signal });
    const { rows, now } = parseSessionRows(frame);
    if (format === 'json') {
      stdout.write(renderJson(rows));
    } else if (rows.length === 0) {
      stderr.write(`${worker.name} has no sessions: ${commandLine('status', worker.name)} says why\n`);
    } else if (format === 'name') {
      stdout.write(rows.map((row) => `${row.name}\n`).join(''));
    } else {
      stdout.write(renderRows(rows, now, flags['no-headers'], context));
      hintAtHumans(rows, worker.name, context);
    }
    return undefined;
  },
});

function renderRows(
  rows: readonly SessionRow[],
  now: number,
  noHeaders: boolean,
  { stdout, env }: Context,
): string {
  const paint = painter(stdout, env);
  const since = (time: string) => age(now - Date.parse(time) / 1000);
  const columns: Column<SessionRow>[] = [
    { header: 'NAME', value: ({ name }) => name },
    { header: 'STAGE', value: ({ stage }) => stage ?? '-' },
    {
      header: 'ISSUE',
      value: ({ issue, project }) => (issue === null ? '-' : `${project ?? '?'}#${issue}`),
    },
    {
      header: 'STATE',
      value: ({ state, exitCode }) => (exitCode === null ? state : `${state} (${exitCode})`),
      paint: ({ state }, cell) => paint(state === 'active' ? 'green' : 'dim', cell),
    },
    { header: 'OUTPUT', value: ({ activityAt }) => `${since(activityAt)} ago` },
    { header: 'AGE', value: ({ createdAt }) => since(createdAt) },
    { header: 'ATTACHED', value: ({ attached }) => (attached === 0 ? '-' : String(attached)) },
    {
      header: 'HUMAN',
      value: ({ human }) => (human === null ? '-' : human ? 'yes' : 'no'),
      paint: ({ human }, cell) => (human ? paint('yellow', cell) : cell),
    },
  ];
  return renderTable(rows, columns, {
    headers: !noHeaders,
    width: stdout.isTTY ? stdout.columns : undefined,
  });
}

/** Explains `yes` in the column HUMAN, since it is the reason why nothing happens. */
function hintAtHumans(rows: readonly SessionRow[], worker: string, { stderr, commandLine }: Context): void {
  const [first] = rows.filter(({ human }) => human);
  if (first === undefined) return;
  stderr.write(
    `note: a person has typed into ${first.name}, so factory leaves #${first.issue} alone; finish it there: ${commandLine('attach', worker, '--session', first.name)}; then hand it back: ${commandLine('unstick', worker, String(first.issue))}\n`,
  );
}

await runIfMain(import.meta.url, sessions);
