/** `watch`: reports events in workers that a person wants to know about. */
import { type Context, defineCommand } from './lib/cli/command.ts';
import { CliError, ExitCode } from './lib/cli/errors.ts';
import { renderJsonLine } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { pause } from './lib/cli/pause.ts';
import { runIfMain } from './lib/cli/run.ts';
import { enumerate, oneLine } from './lib/cli/text.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { expandHome, homeOf } from './lib/config/paths.ts';
import type { WorkerEntry } from './lib/config/worker-entry.ts';
import { chooseWorkers, loadWorkers } from './lib/config/workers-file.ts';
import type { Severity } from './lib/health/facts.ts';
import { type PaneView, parsePanes } from './lib/health/inside.ts';
import { missOf, type Observation, observeWith, unexpected } from './lib/health/observe.ts';
import { type Miss, type Outage, outagesOf } from './lib/health/outages.ts';
import { openConnections, WATCHING } from './lib/transport/connections.ts';
import { eventsOf, fold, type Known, type WatchEvent } from './lib/watching/events.ts';
import {
  desktopNotify,
  type Notify,
  readWebhook,
  WEBHOOK_VARIABLE,
  webhookNotify,
} from './lib/watching/notify.ts';
import { CONCURRENCY, fanOut, guarded } from './lib/worker/fan-out.ts';
import { createReach } from './lib/worker/observe.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

/** The severities behind worker-trouble, worker-warning and worker-note. */
const SEVERITIES = ['error', 'warning', 'info'] as const satisfies readonly Severity[];

export const watchWorkers = defineCommand({
  name: 'watch',
  summary: SUMMARIES.watch,
  description: `Prints a line for each event until Ctrl-C: issue-completed, issue-failed, issue-blocked, session-waits, limit-hit,
worker-trouble, worker-warning, worker-note, worker-recovered. Problems that exist at the start are reported at once; a warning
only if the next poll finds it again. A worker counts as unreachable after two failed polls. A webhook's URL is a secret, so it
is read from a file or from $${WEBHOOK_VARIABLE}; events are posted to it as JSON.`,
  positionals: [{ name: 'WORKER', required: false, repeat: true }],
  flags: {
    notify: { type: 'boolean', description: 'also show each event on the desktop (notify-send, osascript)' },
    webhook: {
      type: 'string',
      value: 'FILE',
      description: `post each event to the URL in the first line of this file; else $${WEBHOOK_VARIABLE}`,
    },
    severity: {
      type: 'string',
      value: 'LEVEL',
      choices: SEVERITIES,
      default: 'warning',
      description: 'lowest severity to report about a worker itself',
    },
    interval: { type: 'string', value: 'DURATION', default: '10s', description: 'time between two polls' },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['--notify', 'every worker of workers.yaml'],
    ['worker-1 --webhook ~/.factory/webhook', 'one worker, posted to a chat'],
    ['-o json | jq -c \'select(.event == "session-waits")\'', 'a JSON line for each event'],
  ],
  async run({ flags, positionals }, context) {
    const format = outputFormat(flags, FORMATS);
    const timeoutMs = parseDuration(flags.timeout, '--timeout');
    const intervalMs = parseDuration(flags.interval, '--interval');
    const least = SEVERITIES.find((severity) => severity === flags.severity) ?? 'warning';
    const { env, signal, stdout, stderr } = context;
    const file = flags.webhook === undefined ? undefined : expandHome(flags.webhook, homeOf(env));
    const webhook = readWebhook(file, env);
    const workersFile = await loadWorkers(env, flags, context.commandLine);
    const workers = positionals.length > 0 ? chooseWorkers(workersFile, positionals) : workersFile.workers;
    if (workers.length === 0) {
      throw new CliError(`no workers in ${workersFile.path}`, {
        exitCode: ExitCode.usage,
        hints: [`add one: ${context.commandLine('workers', 'add', 'NAME')}`],
      });
    }
    const notifiers: Notify[] = [
      ...(flags.notify ? [await desktopNotify(context)] : []),
      ...(webhook === null ? [] : [webhookNotify(webhook, signal)]),
    ];
    stderr.write(
      `watching ${enumerate(workers.map(({ name }) => name))}${webhook === null ? '' : `, telling ${webhook.host}`} (Ctrl-C ends)\n`,
    );
    const known = new Map<string, Known>();
    openConnections(context, workers, WATCHING);
    for (;;) {
      const { events, outages } = await round(context, workers, known, timeoutMs, least);
      for (const event of events) {
        if (format === 'json') stdout.write(renderJsonLine(event));
      }
      // People are told once what has hit many workers; a program gets the event of each.
      for (const event of fold(events, outages)) {
        if (format !== 'json') stdout.write(line(event));
        await tell(event, notifiers, context);
      }
      await pause(intervalMs, signal);
    }
  },
});

/** Polls each worker. @returns what is new since the last poll, and which clusters do not answer */
async function round(
  context: Context,
  workers: readonly WorkerEntry[],
  known: Map<string, Known>,
  timeoutMs: number,
  least: Severity,
): Promise<{ readonly events: readonly WatchEvent[]; readonly outages: readonly Outage[] }> {
  const reach = createReach(context, timeoutMs);
  const call = { script: 'look', args: ['brief', 'panes'] };
  const newsOf = (seen: Observation, panes: readonly PaneView[]): WatchEvent[] => {
    const { worker } = seen;
    const typed = (command: 'peek' | 'answer', session: string) =>
      context.commandLine(command, worker.name, ...(command === 'peek' ? ['--session'] : []), session);
    const { known: now, news } = eventsOf(known.get(worker.name) ?? null, seen, panes, typed, least);
    known.set(worker.name, now);
    return news.map((item) => ({ at: context.now().toISOString(), worker: worker.name, ...item }));
  };
  const misses: Miss[] = [];
  const look = async (worker: WorkerEntry) => {
    const { seen, frame } = await observeWith(reach, worker, call, context, timeoutMs);
    if (seen.snapshot === null) misses.push(missOf(seen));
    return newsOf(seen, frame === null ? [] : parsePanes(frame));
  };
  const found = await fanOut(
    workers,
    CONCURRENCY,
    guarded(look, (worker, sentence) => newsOf(unexpected(worker, sentence), [])),
  );
  return { events: found.flat(), outages: outagesOf(misses) };
}

function line({ at, worker, event, text, next }: WatchEvent): string {
  const hints = next.map((hint) => `  ${hint}\n`).join('');
  return `${at} ${worker} ${event}: ${oneLine(text)}\n${hints}`;
}

/** A notification that cannot be sent is reported here; the watch continues. */
async function tell(event: WatchEvent, notifiers: readonly Notify[], { stderr }: Context): Promise<void> {
  for (const notify of notifiers) {
    await notify(event).catch((error: unknown) => {
      if (!(error instanceof CliError) || error.exitCode !== ExitCode.failed) throw error;
      stderr.write(`note: ${oneLine(error.message)}\n`);
    });
  }
}

await runIfMain(import.meta.url, watchWorkers);
