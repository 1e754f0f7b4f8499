/** `status`: shows one worker in full, problems first. */
import { type Context, defineCommand } from './lib/cli/command.ts';
import { ExitCode } from './lib/cli/errors.ts';
import {
  type Column,
  painter,
  renderJson,
  renderJsonLine,
  renderTable,
  type Style,
  watch,
} from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat, WATCH_FLAGS } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { age, bytes, oneLine } from './lib/cli/text.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { type BootPhase, type Heartbeat, ORCHESTRATOR_SESSION } from './lib/contract.ts';
import { isLive, statusWord } from './lib/factory.ts';
import { EXIT_CODE_FLAG, exitCodeOf, type Observation, observe } from './lib/health/observe.ts';
import { problemJson } from './lib/health/report.ts';
import { databaseFault, databaseOf } from './lib/worker/database-state.ts';
import { describeLastSeen } from './lib/worker/last-seen.ts';
import { createReach, findWorker } from './lib/worker/observe.ts';
import { WORKER } from './lib/worker/positionals.ts';
import { isQueueUnknown, itemName, openItems } from './lib/worker/queue.ts';
import { describeSession, isActive, type Session, workSessions } from './lib/worker/sessions.ts';
import type { QueueItem, Snapshot } from './lib/worker/snapshot.ts';
import { isSwitchedOff } from './lib/worker/status.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

/** How many finished issues are shown. */
const FINISHED_SHOWN = 5;

export const status = defineCommand({
  name: 'status',
  summary: SUMMARIES.status,
  positionals: [WORKER],
  flags: { ...EXIT_CODE_FLAG, ...OUTPUT_FLAGS(FORMATS), ...WATCH_FLAGS, ...WORKER_FLAGS },
  examples: [
    ['worker-1', 'everything'],
    ['worker-1 --watch', 'again every two seconds'],
    ["worker-1 -o json | jq '.problems'", 'the problems as JSON'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const format = outputFormat(flags, FORMATS);
    const { worker, timeoutMs } = await findWorker(context, flags, name, {
      watching: flags.watch,
    });
    let code: number = ExitCode.ok;
    const look = async (context: Context) => {
      const seen = await observe(createReach(context, timeoutMs), worker, 'full', context, timeoutMs);
      code = exitCodeOf(seen, seen.problems, flags['exit-code']);
      return seen;
    };
    if (flags.watch) {
      const interval = parseDuration(flags.interval, '--interval');
      const round = async (watching: Context) => {
        const seen = await look(watching);
        const text = format === 'json' ? renderJsonLine(toJson(seen)) : renderStatus(seen, context);
        return { title: `status of ${worker.name}`, text };
      };
      return watch(context, interval, round, format === 'json');
    }
    const seen = await look(context);
    context.stdout.write(format === 'json' ? renderJson(toJson(seen)) : renderStatus(seen, context));
    return code;
  },
});

/** The whole page; empty sections are omitted. */
function renderStatus(seen: Observation, { stdout, env, commandLine, now }: Context): string {
  const paint = painter(stdout, env);
  const { worker, snapshot, pod } = seen;
  const where =
    worker.runtime === 'local'
      ? `on this machine, ${worker.home}`
      : [
          `context ${worker.context}`,
          `namespace ${worker.namespace}`,
          ...(pod ? [`pod ${pod.name}`] : []),
        ].join(', ');
  const sections = [`${paint('bold', worker.name)}: ${seen.status} (${where})\n`];
  if (seen.problems.length > 0) {
    const lines = seen.problems.map(
      ({ cause, next }) =>
        `  ${paint('yellow', '!')} ${oneLine(cause)}\n${next.map((line) => `      ${line}\n`).join('')}`,
    );
    sections.push(lines.join(''));
  }
  if (seen.lastSeen !== null) sections.push(`${describeLastSeen(seen.lastSeen, now())}\n`);
  if (snapshot === null) return sections.join('\n');
  sections.push(queueSection(snapshot));
  const stray = strayPipelines(snapshot);
  if (stray !== '') sections.push(stray);
  sections.push(sessionSection(snapshot, paint));
  sections.push(heartbeatLine(snapshot));
  sections.push(bootSection(snapshot));
  sections.push(footer(snapshot));
  const attach = workSessions(snapshot.sessions).find(({ stage }) => stage !== null);
  if (attach !== undefined)
    sections.push(`look in: ${commandLine('peek', worker.name, '--session', attach.name)}\n`);
  return sections.filter((section) => section !== '').join('\n');
}

function queueSection(snapshot: Snapshot): string {
  if (isQueueUnknown(snapshot)) return 'QUEUE  unknown\n';
  const open = openItems(snapshot);
  const finished = snapshot.queue.filter((item) => !open.includes(item)).slice(-FINISHED_SHOWN);
  const rows = [...open, ...finished];
  if (rows.length === 0) return 'QUEUE  empty\n';
  const columns: Column<QueueItem>[] = [
    { header: 'QUEUE', value: itemName },
    { header: 'STATE', value: stateOf },
    {
      header: 'STAGE',
      value: ({ pipeline }) => (pipeline ? `${pipeline.stage} (attempt ${pipeline.attempt})` : '-'),
    },
    { header: 'INTENT', value: ({ intent, pipeline }) => intent || pipeline?.title || '-' },
  ];
  const hidden = snapshot.queue.length - rows.length;
  return (
    renderTable(rows, columns, { headers: true, width: 120 }) +
    (hidden > 0 ? `  and ${hidden} finished before\n` : '')
  );
}

/** The row's status, and the pipeline's where it says more: a row stays active while its pipeline is blocked. */
function stateOf({ status: row, pipeline }: QueueItem): string {
  if (row !== 'active' || pipeline === null || ['in_progress', 'pending'].includes(pipeline.status))
    return row;
  return `${row}, ${statusWord(pipeline.status)}`;
}

/** Live pipelines whose row is gone from the queue. */
function strayPipelines({ pipelines, queue }: Snapshot): string {
  const rows = new Set(queue.map(({ issue }) => issue));
  const stray = pipelines.filter((pipeline) => isLive(pipeline) && !rows.has(pipeline.issue));
  return stray
    .map(
      ({ issue, stage, status: state }) =>
        `#${issue} has no row in the queue but is ${state} at stage ${stage}\n`,
    )
    .join('');
}

function sessionSection({ sessions, now }: Snapshot, paint: (style: Style, text: string) => string): string {
  const shown = workSessions(sessions);
  if (shown.length === 0) return 'SESSIONS  none\n';
  const columns: Column<Session>[] = [
    { header: 'SESSION', value: ({ name }) => name },
    {
      header: 'STATE',
      value: (session) => describeSession(session, now),
      paint: (session, cell) =>
        isActive(session, now) && session.name !== ORCHESTRATOR_SESSION ? paint('green', cell) : cell,
    },
    { header: 'AGE', value: ({ createdAt }) => age(now - createdAt) },
    { header: 'ATTACHED', value: ({ attached }) => (attached === 0 ? '-' : String(attached)) },
  ];
  return renderTable(shown, columns, { headers: true });
}

function heartbeatLine(snapshot: Snapshot): string {
  const { heartbeat, now } = snapshot;
  if (heartbeat === null) return 'CHECK-IN  none yet\n';
  return `CHECK-IN  ${describeHeartbeat(heartbeat, now, openItems(snapshot).length === 0 && !isQueueUnknown(snapshot))}\n`;
}

/** @param empty whether no issue is open */
function describeHeartbeat(heartbeat: Heartbeat, now: number, empty: boolean): string {
  const ago = (time: string | null) => age(now - Date.parse(time ?? '') / 1000);
  const project = heartbeat.project === null ? '' : ` in ${heartbeat.project}`;
  switch (heartbeat.state) {
    case 'checking-in':
      return `running for ${ago(heartbeat.startedAt)}${project}`;
    case 'drained':
      return `none while drained`;
    case 'refused':
      return isSwitchedOff(heartbeat)
        ? 'none: the orchestrator is switched off'
        : `refused: ${heartbeat.reason ?? ''}`;
    case 'waiting': {
      // Without work there is no check-in, however long the last one is ago.
      if (empty && heartbeat.actions.length === 0 && !heartbeat.reason) return 'idle: nothing to do';
      const actions = heartbeat.actions.map(
        ({ issue, action, stage }) => `#${issue} ${action}${stage ? ` (${stage})` : ''}`,
      );
      const outcome =
        actions.length > 0 ? `: ${actions.join(', ')}` : (heartbeat.reason ?? '') && `: ${heartbeat.reason}`;
      return `${ago(heartbeat.finishedAt ?? heartbeat.startedAt)} ago${project}${outcome}; every ${heartbeat.intervalSeconds}s`;
    }
    default:
      // A state of a newer image.
      return `${heartbeat.state} ${ago(heartbeat.finishedAt ?? heartbeat.startedAt)} ago${project}`;
  }
}

function bootSection({ boot, now, locks }: Snapshot): string {
  if (boot === null) return 'BOOT  unknown\n';
  const columns: Column<BootPhase>[] = [
    { header: 'BOOT', value: ({ name }) => name },
    { header: 'RESULT', value: ({ status: result }) => result },
    { header: 'TOOK', value: ({ ms }) => `${(ms / 1000).toFixed(1)}s` },
    { header: 'MESSAGE', value: ({ message }) => message },
  ];
  const since = age(now - Date.parse(boot.startedAt) / 1000);
  return `${renderTable(boot.phases, columns, { headers: true })}  ${locks.boot ? `up for ${since}` : `not running; it was started ${since} ago`}${boot.image === null ? '' : `, image ${boot.image}`}\n`;
}

function footer(snapshot: Snapshot): string {
  const { clones, disk, dialect, repairs } = snapshot;
  const lines = [
    clones.length === 0
      ? 'PROJECTS  none yet'
      : `PROJECTS  ${clones.map(({ project }) => project).join(', ')}`,
    disk === null
      ? ''
      : `DISK      ${bytes(disk.freeBytes)} free of ${bytes(disk.sizeBytes)} on ${disk.mount}`,
    dialect === null
      ? ''
      : `FACTORY   dialect ${dialect.name}${dialect.postgres ? `, PostgreSQL${whichServer(snapshot)}` : ''}`,
    repairs.length === 0
      ? ''
      : `REPAIRS   ${repairs.length}, last: #${repairs.at(-1)?.issue} ${repairs.at(-1)?.action}`,
  ];
  return `${lines.filter((line) => line !== '').join('\n')}\n`;
}

function whichServer(snapshot: Snapshot): string {
  const database = databaseFault(snapshot) ?? databaseOf(snapshot);
  if (database === null) return '';
  return ` (${database.kind === 'postgres' ? 'its own server' : 'DATABASE_URL'}, ${database.state})`;
}

/** The stable JSON form. */
function toJson({ worker, status: word, problems, pod, snapshot, lastSeen }: Observation) {
  return {
    ...worker,
    status: word,
    problems: problems.map(problemJson),
    kubernetes: pod,
    snapshot,
    lastSeen,
  };
}

await runIfMain(import.meta.url, status);
