/** `list`: shows all workers, one row each, whatever state they are in. */
import { type Context, defineCommand } from './lib/cli/command.ts';
import { ExitCode, UsageError } from './lib/cli/errors.ts';
import {
  type Column,
  liveText,
  painter,
  renderJson,
  renderJsonLine,
  renderTable,
  type Style,
  watch,
} from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat, TABLE_FLAGS, WATCH_FLAGS } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { age, count, oneLine } from './lib/cli/text.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import type { WorkerEntry } from './lib/config/worker-entry.ts';
import { chooseWorkers, loadWorkers } from './lib/config/workers-file.ts';
import { isKnown, missOf, type Observation, observe, unexpected } from './lib/health/observe.ts';
import { describeOutage, isHit, outageSubject, outagesOf } from './lib/health/outages.ts';
import { problemJson, severityOf } from './lib/health/report.ts';
import { needsYou, shortCause } from './lib/health/short-cause.ts';
import { openConnections } from './lib/transport/connections.ts';
import { fanOut, guarded } from './lib/worker/fan-out.ts';
import { describeLastSeen } from './lib/worker/last-seen.ts';
import { createReach } from './lib/worker/observe.ts';
import { isQueueUnknown, itemName, openItems } from './lib/worker/queue.ts';
import { shortNames, workSessions } from './lib/worker/sessions.ts';
import type { Status } from './lib/worker/status.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['table', 'wide', 'json', 'name'] as const;

export const list = defineCommand({
  name: 'list',
  summary: SUMMARIES.list,
  description: `STATUS is the most pressing of: unreachable, forbidden, unauthorized, missing, stopped, pending, image-pull, node-lost,
crash-looping, starting, draining, drained, stuck, degraded, running.
An unreachable worker delays only its own row; the command then exits with 3.`,
  positionals: [{ name: 'WORKER', required: false, repeat: true }],
  flags: {
    ...OUTPUT_FLAGS(FORMATS),
    ...TABLE_FLAGS,
    ...WATCH_FLAGS,
    concurrency: {
      type: 'string',
      value: 'N',
      default: '8',
      description: 'how many workers to ask at the same time',
    },
    ...WORKER_FLAGS,
  },
  examples: [
    ['', 'every worker of workers.yaml'],
    ['worker-1 worker-2 -o wide', 'two of them, with node, image and last check-in'],
    ['--watch', 'refresh every two seconds'],
    [
      '-o json | jq -r \'.[] | select(.status != "running") | .name\'',
      'the names of those that need attention',
    ],
  ],
  async run({ flags, positionals }, context) {
    const format = outputFormat(flags, FORMATS);
    const timeoutMs = parseDuration(flags.timeout, '--timeout');
    const file = await loadWorkers(context.env, flags, context.commandLine);
    const workers = positionals.length > 0 ? chooseWorkers(file, positionals) : file.workers;
    if (workers.length === 0 && format !== 'json') {
      context.stderr.write(
        `no workers in ${file.path}; add one: ${context.commandLine('workers', 'add', 'NAME')}\n`,
      );
    }
    const concurrency = parseConcurrency(flags.concurrency);
    if (format === 'name') {
      // The names are in the file: no worker has to be asked.
      context.stdout.write(workers.map(({ name }) => `${name}\n`).join(''));
      return ExitCode.ok;
    }
    let unknown: readonly Observation[] = [];
    let ill: readonly Observation[] = [];
    openConnections(context, workers, { watching: flags.watch });
    const round = async (context: Context) => {
      const reach = createReach(context, timeoutMs);
      const known: (Observation | null)[] = workers.map(() => null);
      const live = liveText(context.stdout);
      const observations = await fanOut(
        workers,
        concurrency,
        guarded((worker) => observe(reach, worker, 'brief', context, timeoutMs), unexpected),
        (observation, index) => {
          known[index] = observation;
          // Rows appear as workers answer: a dead cluster must not hide the others.
          if (!flags.watch && isTable(format) && workers.length > 1) {
            const how = { wide: format === 'wide', noHeaders: flags['no-headers'], causes: false };
            live.update(renderRows(workers, known, how, context));
          }
        },
      );
      live.clear();
      unknown = observations.filter((observation) => !isKnown(observation));
      ill = observations.filter(
        ({ snapshot, status }) => snapshot !== null && severityOf(status) === 'error',
      );
      return observations;
    };
    const render = (observations: readonly Observation[], causes: boolean) =>
      renderRows(
        observations.map(({ worker }) => worker),
        observations,
        { wide: format === 'wide', noHeaders: flags['no-headers'], causes },
        context,
      );
    if (flags.watch) {
      const interval = parseDuration(flags.interval, '--interval');
      const look = async (watching: Context) => {
        const seen = sickFirst(await round(watching));
        const sick = seen.filter(needsYou).length;
        return {
          title: `${count(seen.length, 'worker')} · ${sick} ${sick === 1 ? 'needs' : 'need'} you`,
          text: format === 'json' ? renderJsonLine(seen.map(toJson)) : render(seen, true),
        };
      };
      return watch(context, interval, look, format === 'json');
    }
    const observations = await round(context);
    context.stdout.write(
      format === 'json' ? renderJson(observations.map(toJson)) : render(observations, false),
    );
    if (isTable(format)) noteErrors(ill, context);
    if (unknown.length === 0) return ExitCode.ok;
    if (isTable(format)) explain(unknown, context);
    return workers.length > 1 ? ExitCode.partial : ExitCode.failed;
  },
});

function parseConcurrency(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text))
    throw new UsageError(`--concurrency takes a number of at least 1; not "${text}"`);
  return Number(text);
}

function isTable(format: (typeof FORMATS)[number]): boolean {
  return format === 'table' || format === 'wide';
}

interface Look {
  readonly wide: boolean;
  readonly noHeaders: boolean;
  /** Whether to say in a few words why a worker does not do what it should. */
  readonly causes: boolean;
}

/** @param observations one for each worker; null while it has not answered */
function renderRows(
  workers: readonly WorkerEntry[],
  observations: readonly (Observation | null)[],
  { wide, noHeaders, causes }: Look,
  { stdout, env, now }: Context,
): string {
  const paint = painter(stdout, env);
  const rows = workers.map((worker, index) => ({ worker, seen: observations[index] ?? null }));
  type Row = (typeof rows)[number];
  const pod: Column<Row> = {
    header: 'POD',
    value: ({ worker }) => (worker.runtime === 'local' ? '(local)' : worker.pod),
  };
  const columns: Column<Row>[] = [
    { header: 'NAME', value: ({ worker }) => worker.name },
    // On a narrow screen that is watched, the causes are worth more.
    ...(causes && (stdout.columns ?? 80) < ROOM_FOR_PODS ? [] : [pod]),
    {
      header: 'STATUS',
      value: ({ seen }) => seen?.status ?? 'asking…',
      paint: ({ seen }, cell) => (seen === null ? paint('dim', cell) : paint(STYLE[seen.status], cell)),
    },
    ...(causes ? [{ header: 'CAUSE', value: ({ seen }: Row) => causeCell(seen) }] : []),
    { header: 'SESSIONS', value: ({ seen }) => sessionsCell(seen) },
    { header: 'QUEUE', value: ({ seen }) => queueCell(seen, now()) },
    ...(wide ? wideColumns : []),
  ];
  return renderTable(rows, columns, {
    headers: !noHeaders,
    width: stdout.isTTY ? stdout.columns : undefined,
    fit: causes,
  });
}

/** Columns of a terminal. */
const ROOM_FOR_PODS = 60;

const wideColumns: Column<{ readonly worker: WorkerEntry; readonly seen: Observation | null }>[] = [
  { header: 'CONTEXT', value: ({ worker }) => (worker.runtime === 'local' ? '-' : worker.context) },
  { header: 'NAMESPACE', value: ({ worker }) => (worker.runtime === 'local' ? '-' : worker.namespace) },
  { header: 'NODE', value: ({ seen }) => seen?.pod?.node ?? '-' },
  { header: 'RESTARTS', value: ({ seen }) => (seen?.pod ? String(seen.pod.restarts) : '-') },
  { header: 'CHECK-IN', value: ({ seen }) => checkInCell(seen) },
  { header: 'IMAGE', value: ({ seen }) => seen?.pod?.image ?? '-' },
];

const STYLE: Readonly<Record<Status, Style>> = {
  unreachable: 'red',
  forbidden: 'red',
  unauthorized: 'red',
  missing: 'red',
  stopped: 'dim',
  pending: 'yellow',
  'image-pull': 'red',
  'node-lost': 'red',
  'crash-looping': 'red',
  starting: 'yellow',
  draining: 'yellow',
  drained: 'yellow',
  stuck: 'red',
  degraded: 'yellow',
  running: 'green',
};

/** Those that need the operator first; the others stay in the order of workers.yaml. */
function sickFirst(observations: readonly Observation[]): Observation[] {
  return observations.toSorted((a, b) => Number(needsYou(b)) - Number(needsYou(a)));
}

function causeCell(seen: Observation | null): string {
  const cause = seen === null ? null : shortCause(seen);
  return cause === null || cause === seen?.status.replaceAll('-', ' ') ? '-' : cause;
}

function sessionsCell(seen: Observation | null): string {
  if (!seen?.snapshot) return '-';
  return shortNames(workSessions(seen.snapshot.sessions)).join(', ') || '-';
}

/** How many issues fit into the column; the rest is shown as a number. */
const QUEUE_SHOWN = 3;

function queueCell(seen: Observation | null, now: Date): string {
  if (seen?.lastSeen) return describeLastSeen(seen.lastSeen, now);
  if (!seen?.snapshot) return '-';
  if (isQueueUnknown(seen.snapshot)) return '?';
  const names = openItems(seen.snapshot).map(itemName);
  const more = names.length > QUEUE_SHOWN ? ` +${names.length - QUEUE_SHOWN}` : '';
  return names.length === 0 ? '-' : `${names.slice(0, QUEUE_SHOWN).join(', ')}${more}`;
}

function checkInCell(seen: Observation | null): string {
  const heartbeat = seen?.snapshot?.heartbeat;
  if (!seen?.snapshot || !heartbeat) return '-';
  const since = age(seen.snapshot.now - Date.parse(heartbeat.finishedAt ?? heartbeat.startedAt) / 1000);
  return heartbeat.state === 'checking-in' ? `running ${since}` : `${since} ago`;
}

/** Why workers did not answer, and what to do; the table has only the STATUS word. */
function explain(unknown: readonly Observation[], { stderr }: Context): void {
  const outages = outagesOf(unknown.map(missOf));
  for (const outage of outages) {
    const next = outage.next.map((line) => `  ${line}\n`).join('');
    stderr.write(`${outageSubject(outage)} ${describeOutage(outage)}\n${next}`);
  }
  const others = unknown.filter(({ worker }) => !outages.some((outage) => isHit(outage, worker.name)));
  for (const { cause, next } of others.flatMap(({ problems }) => problems)) {
    stderr.write(`${oneLine(cause)}\n${next.map((line) => `  ${line}\n`).join('')}`);
  }
}

/** Problems of workers that answered, one line each, with the command that shows more. */
function noteErrors(ill: readonly Observation[], { stderr, commandLine }: Context): void {
  for (const { worker, status, problems } of ill) {
    const deciding = problems.find((finding) => finding.status === status);
    stderr.write(
      `${worker.name} is ${status}: ${oneLine(deciding?.cause ?? '')}\n  more: ${commandLine('status', worker.name)}\n`,
    );
  }
}

/** The stable JSON form. */
function toJson({ worker, status, problems, pod, snapshot, lastSeen }: Observation) {
  return {
    ...worker,
    status,
    problems: problems.map(problemJson),
    node: pod?.node ?? null,
    image: pod?.image ?? null,
    sessions: snapshot ? workSessions(snapshot.sessions).map(({ name }) => name) : null,
    queue:
      snapshot && !isQueueUnknown(snapshot)
        ? openItems(snapshot).map(({ owner, issue, status: row }) => ({ project: owner, issue, status: row }))
        : null,
    lastSeen,
  };
}

await runIfMain(import.meta.url, list);
