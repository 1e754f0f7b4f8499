/** `logs`: shows the output of a worker and its sessions, from their recordings on the volume. */
import { defineCommand } from './lib/cli/command.ts';
import { UsageError } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { fixedLog, parseSince } from './lib/logs/choose-log.ts';
import { follow } from './lib/logs/follow.ts';
import { createLogText } from './lib/logs/log-text.ts';
import { readAll } from './lib/logs/read.ts';
import type { LogSource } from './lib/logs/source.ts';
import { findWorker } from './lib/worker/observe.ts';
import { SESSION, SESSION_FLAG, WORKER } from './lib/worker/positionals.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

export const logs = defineCommand({
  name: 'logs',
  summary: SUMMARIES.logs,
  description: `Without a name: the check-ins of the orchestrator. docker is the log of the Docker daemon,
postgres that of the worker's own PostgreSQL, boot that of the supervisor.
Sessions are recorded on the worker's volume, so they can be read after they have ended and after the pod was replaced.
--follow survives lost connections and new pods and continues where it was. Tokens are masked.`,
  positionals: [WORKER, SESSION],
  flags: {
    ...SESSION_FLAG,
    follow: { type: 'boolean', short: 'f', description: 'follow until Ctrl-C or the end of the session' },
    previous: {
      type: 'boolean',
      description: 'the part before the last rotation; of boot: the container before the last restart',
    },
    lines: {
      type: 'string',
      value: 'N',
      description: 'number of lines from the end, or all; default: 200, with --since all',
    },
    since: {
      type: 'string',
      value: 'DURATION|TIME',
      description: 'from then on: 30m, or 2026-07-20T15:00Z; not for a session, whose lines have no times',
    },
    ansi: { type: 'boolean', description: 'keep colours and attributes' },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1', 'the last check-ins'],
    ['worker-1 qa --follow', 'follow the session at stage qa'],
    ['worker-1 --since 2h --follow', 'the check-ins of the last two hours, and those to come'],
    ['worker-1 23-implement-1 --lines all > implement.log', 'a session that has ended'],
    ['worker-1 boot --previous', 'why the container was restarted'],
  ],
  async run({ flags, positionals: [name = '', wanted = 'orchestrator'] }, context) {
    const format = outputFormat(flags, FORMATS);
    const since = flags.since === undefined ? null : parseSince(flags.since);
    const lines = flags.lines ?? (since === null ? '200' : 'all');
    if (lines !== 'all' && !/^[1-9]\d{0,6}$/.test(lines)) {
      throw new UsageError(`--lines takes a number of at least 1, or all; not "${lines}"`);
    }
    if (since !== null && fixedLog(wanted) === null) {
      throw new UsageError(
        `--since needs a time in each line, and the recording of a session (${wanted}) has none`,
        'its last lines: --lines N',
        'logs with times: orchestrator, boot, docker, postgres',
      );
    }
    if (flags.follow && format === 'json') throw new UsageError('--follow prints text, not JSON');
    if (flags.follow && flags.previous) throw new UsageError('--previous does not grow: leave out --follow');
    const { worker, timeoutMs } = await findWorker(context, flags, name, { watching: flags.follow });
    const text = createLogText(flags.ansi);
    const source: LogSource = {
      context,
      worker,
      wanted,
      previous: flags.previous,
      lines,
      since,
      timeoutMs,
    };
    if (flags.follow) return follow(source, text);
    const shown = await readAll(source, text);
    if (shown === '' && since !== null) {
      const all = context.commandLine('logs', worker.name, wanted);
      context.stderr.write(`note: nothing in ${wanted} since ${flags.since}; its last lines: ${all}\n`);
    }
    context.stdout.write(
      format === 'json'
        ? renderJson({
            worker: worker.name,
            log: wanted,
            lines: shown === '' ? [] : shown.replace(/\n$/, '').split('\n'),
          })
        : shown,
    );
    return undefined;
  },
});

await runIfMain(import.meta.url, logs);
