/** `usage`: shows disk and memory use of workers. */
import { type Context, defineCommand } from './lib/cli/command.ts';
import { CliError, ExitCode } from './lib/cli/errors.ts';
import { type Column, renderJson, renderTable } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat, TABLE_FLAGS } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { bytes, oneLine } from './lib/cli/text.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import type { WorkerEntry } from './lib/config/worker-entry.ts';
import { chooseWorkers, loadWorkers } from './lib/config/workers-file.ts';
import { describeOutage, isHit, outageSubject, outagesOf } from './lib/health/outages.ts';
import { parseUsage, sumBytes, type Usage } from './lib/housekeeping/usage.ts';
import { openConnections } from './lib/transport/connections.ts';
import { TransportError } from './lib/transport/transport.ts';
import { DISK_WARN, type Disk, shareUsed } from './lib/worker/disk.ts';
import { CONCURRENCY, fanOut, guarded } from './lib/worker/fan-out.ts';
import { createReach } from './lib/worker/observe.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['table', 'json'] as const;

/** A worker with its usage, or why that is unknown. */
type Row =
  | { readonly worker: WorkerEntry; readonly usage: Usage; readonly error: null }
  | { readonly worker: WorkerEntry; readonly usage: null; readonly error: CliError };

export const usage = defineCommand({
  name: 'usage',
  summary: SUMMARIES.usage,
  description: `Measures every file of a worker, which can take a while. For a single worker it also lists the largest items.`,
  positionals: [{ name: 'WORKER', required: false, repeat: true }],
  flags: {
    ...OUTPUT_FLAGS(FORMATS),
    ...TABLE_FLAGS,
    ...WORKER_FLAGS,
    timeout: { ...WORKER_FLAGS.timeout, default: '2m' },
  },
  examples: [
    ['', 'every worker of workers.yaml'],
    ['worker-1', 'one of them, with each worktree and clone'],
    ["-o json | jq '.[] | {name, free: .usage.disk.freeBytes}'", 'the free space of each, as JSON'],
  ],
  async run({ flags, positionals }, context) {
    const format = outputFormat(flags, FORMATS);
    const timeoutMs = parseDuration(flags.timeout, '--timeout');
    const { stdout, stderr, signal, commandLine } = context;
    const file = await loadWorkers(context.env, flags, commandLine);
    const workers = positionals.length > 0 ? chooseWorkers(file, positionals) : file.workers;
    openConnections(context, workers);
    const reach = createReach(context, timeoutMs);
    const measure = async (worker: WorkerEntry): Promise<Row> => {
      try {
        const { transport } = await reach.enter(worker);
        const frame = await transport.run({ script: 'usage', args: [], timeoutMs, signal });
        return { worker, usage: parseUsage(frame), error: null };
      } catch (error) {
        if (!(error instanceof TransportError) || error.exitCode === ExitCode.missingProgram) throw error;
        return { worker, usage: null, error };
      }
    };
    const rows = await fanOut(
      workers,
      CONCURRENCY,
      guarded(measure, (worker, sentence): Row => {
        const error = new CliError(`${worker.name}: ${sentence}`);
        return { worker, usage: null, error };
      }),
    );
    if (format === 'json') {
      stdout.write(renderJson(rows.map(toJson)));
    } else {
      if (rows.length === 0) {
        stderr.write(`no workers in ${file.path}; add one: ${commandLine('workers', 'add', 'NAME')}\n`);
      }
      stdout.write(renderRows(rows, flags['no-headers'], context));
      const [only] = rows;
      if (only?.usage && rows.length === 1) stdout.write(renderDetails(only.usage));
      explain(rows, context);
      hint(rows, context);
    }
    const failed = rows.filter(({ error }) => error !== null).length;
    if (failed === 0) return ExitCode.ok;
    return rows.length > 1 ? ExitCode.partial : ExitCode.failed;
  },
});

function renderRows(rows: readonly Row[], noHeaders: boolean, { stdout }: Context): string {
  const cell = (show: (usage: Usage) => string) => (row: Row) => (row.usage === null ? '?' : show(row.usage));
  const columns: Column<Row>[] = [
    { header: 'NAME', value: ({ worker }) => worker.name },
    { header: 'DISK', value: cell(({ disk }) => share(disk)) },
    { header: 'DOCKER-DISK', value: cell(({ dockerDisk }) => share(dockerDisk)) },
    { header: 'MEMORY', value: cell(memoryCell) },
    { header: 'DOCKER', value: cell(({ docker }) => (docker === null ? '-' : bytes(sumBytes(docker)))) },
    {
      header: 'WORKTREES',
      value: cell(({ worktrees }) => `${worktrees.length}, ${bytes(sumBytes(worktrees))}`),
    },
    { header: 'CLONES', value: cell(({ clones }) => `${clones.length}, ${bytes(sumBytes(clones))}`) },
    { header: 'LOGS', value: cell(({ logsBytes }) => bytes(logsBytes)) },
  ];
  return renderTable(rows, columns, {
    headers: !noHeaders,
    width: stdout.isTTY ? stdout.columns : undefined,
  });
}

/** `31% of 20.0GiB`. */
function share(disk: Disk | null): string {
  if (disk === null || disk.sizeBytes === 0) return '-';
  return `${Math.round(100 * shareUsed(disk))}% of ${bytes(disk.sizeBytes)}`;
}

function memoryCell({ memory }: Usage): string {
  if (memory === null) return '-';
  const { usedBytes, limitBytes } = memory;
  return limitBytes === null ? bytes(usedBytes) : `${bytes(usedBytes)} of ${bytes(limitBytes)}`;
}

interface Line {
  readonly what: string;
  readonly bytes: number;
  readonly note: string;
}

/** Everything measured, largest first. */
function renderDetails(usage: Usage): string {
  const named = (kind: string, things: readonly { name: string; bytes: number }[]): Line[] =>
    things.map(({ name, bytes: size }) => ({ what: `${kind} ${name}`, bytes: size, note: '' }));
  const lines: Line[] = [
    ...named('worktree', usage.worktrees),
    ...named('clone', usage.clones),
    { what: 'logs', bytes: usage.logsBytes, note: '' },
    { what: 'backups', bytes: usage.backupsBytes, note: '' },
    { what: 'agents’ conversations', bytes: usage.agentsBytes, note: '' },
    { what: 'queue’s database', bytes: usage.databaseBytes, note: '' },
    { what: 'factory’s own records', bytes: usage.pipelinesBytes, note: '' },
    ...(usage.docker ?? []).map(({ type, bytes: size, reclaimableBytes }) => ({
      what: `Docker ${type.toLowerCase()}`,
      bytes: size,
      note: reclaimableBytes > 0 ? `${bytes(reclaimableBytes)} not in use` : '',
    })),
  ];
  const columns: Column<Line>[] = [
    { header: 'WHAT', value: ({ what }) => what },
    { header: 'SIZE', value: ({ bytes: size }) => bytes(size) },
    { header: 'NOTE', value: ({ note }) => note },
  ];
  const shown = lines.filter((line) => line.bytes > 0).sort((a, b) => b.bytes - a.bytes);
  return `\n${renderTable(shown, columns, { headers: true })}`;
}

function hint(rows: readonly Row[], { stderr, commandLine }: Context): void {
  for (const { worker, usage: used } of rows) {
    const full = [used?.disk, used?.dockerDisk].some((disk) => disk && shareUsed(disk) >= DISK_WARN);
    if (full)
      stderr.write(
        `note: ${worker.name} is filling up; what can go: ${commandLine('cleanup', worker.name, '--dry-run')}\n`,
      );
  }
}

/** Why workers did not answer, and what to do: a failure of a cluster once. */
function explain(rows: readonly Row[], { stderr }: Context): void {
  const failed = rows.flatMap(({ worker, error }) => (error === null ? [] : [{ worker, error }]));
  const outages = outagesOf(
    failed.flatMap(({ worker, error }) =>
      error instanceof TransportError
        ? [{ worker, status: error.kind, reason: error.reason, next: error.hints }]
        : [],
    ),
  );
  const others = failed.filter(({ worker }) => !outages.some((outage) => isHit(outage, worker.name)));
  const lines = [
    ...outages.map((outage) => [`${outageSubject(outage)} ${describeOutage(outage)}`, ...outage.next]),
    ...others.map(({ error }) => [oneLine(error.message), ...error.hints]),
  ];
  for (const [first, ...next] of lines) {
    stderr.write(`${first}\n${next.map((line) => `  ${line}\n`).join('')}`);
  }
}

function toJson({ worker, usage: used, error }: Row) {
  return { name: worker.name, usage: used, error: error?.message ?? null };
}

await runIfMain(import.meta.url, usage);
