/** `logs`: what a worker and its sessions have printed, from their recordings on the volume. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, defineCommand, runIfMain } from './lib/cli/command.ts';
import { CliError, ExitCode, UsageError } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import type { ClusterWorker, WorkerEntry } from './lib/config/worker-entry.ts';
import { chooseWorker, loadWorkers } from './lib/config/workers-file.ts';
import { chooseRecording, fixedLog } from './lib/logs/choose-log.ts';
import { createLogText, type LogText } from './lib/logs/log-text.ts';
import { type Answer, type Log, type Position, parsePiece, pieceArgs } from './lib/logs/piece.ts';
import { kubectl } from './lib/transport/kubectl.ts';
import { kubectlError } from './lib/transport/kubectl-errors.ts';
import type { PodFacts } from './lib/transport/pods.ts';
import { type Transport, TransportError } from './lib/transport/transport.ts';
import { createReach, NoEntranceError } from './lib/worker/observe.ts';

const FORMATS = ['text', 'json'] as const;

/** Between two looks with --follow. */
const FOLLOW_MS = 1_000;
/** Between two tries to come back after a lost connection. */
const RECONNECT_MS = 3_000;
/** What a session has printed last is written down within seconds of its end (FLUSH_MS in the recorder, and its round). */
const LAST_WORDS_LOOKS = 6;
/** A line without its end is shown after so many looks in which it has not grown. */
const HELD_LOOKS = 2;

export const logs = defineCommand({
  name: 'logs',
  summary: 'Show what a worker or one of its sessions has printed, also after it is gone',
  description: `Without a name: the check-ins of the orchestrator. docker is the log of its daemon, boot what its supervisor says.
What sessions print is recorded on the worker's volume, so that they can be read when they have ended, and after the pod was
replaced. Following survives lost connections and new pods: it goes on where it was. Tokens are masked.`,
  positionals: [
    { name: 'WORKER', required: true },
    { name: 'SESSION', required: false },
  ],
  flags: {
    follow: { type: 'boolean', short: 'f', description: 'go on until Ctrl-C, or the end of the session' },
    previous: {
      type: 'boolean',
      description: 'the part before the last rotation; of boot: the container before the last restart',
    },
    lines: {
      type: 'string',
      value: 'N',
      default: '200',
      description: 'how many lines, counted from the last, or all',
    },
    ansi: { type: 'boolean', description: 'keep colours and cursor movements' },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1', 'the last check-ins'],
    ['worker-1 qa --follow', 'the session at stage qa, as it comes'],
    ['worker-1 23-implement-1 --lines all > implement.log', 'a session that has ended'],
    ['worker-1 boot --previous', 'why the container was restarted'],
  ],
  async run({ flags, positionals: [name = '', wanted = 'orchestrator'] }, context) {
    const format = outputFormat(flags, FORMATS);
    const timeoutMs = parseDuration(flags.timeout, '--timeout');
    if (flags.lines !== 'all' && !/^[1-9]\d{0,6}$/.test(flags.lines)) {
      throw new UsageError(`--lines takes a number from 1 on, or all; not "${flags.lines}"`);
    }
    if (flags.follow && format === 'json') throw new UsageError('--follow prints text, not JSON');
    if (flags.follow && flags.previous) throw new UsageError('--previous does not grow: leave out --follow');
    const worker = chooseWorker(await loadWorkers(context.env, flags, context.commandLine), name);
    const text = createLogText(flags.ansi);
    const source: Source = {
      context,
      worker,
      wanted,
      previous: flags.previous,
      lines: flags.lines,
      timeoutMs,
    };
    if (flags.follow) return follow(source, text);
    const shown = await readAll(source, text);
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

interface Source {
  readonly context: Context;
  readonly worker: WorkerEntry;
  /** As it was typed. */
  readonly wanted: string;
  readonly previous: boolean;
  readonly lines: string;
  readonly timeoutMs: number;
}

/** Reads a log to its end. */
async function readAll(source: Source, text: LogText): Promise<string> {
  const { context, worker, wanted, previous } = source;
  let shown = '';
  try {
    const entrance = await createReach(context, source.timeoutMs).enter(worker);
    if (wanted === 'boot' && previous && worker.runtime === 'kubernetes') {
      return kubectlLogs(source, worker, entrance.pod, text);
    }
    const log = await findLog(source, entrance.transport);
    let position: Position | null = null;
    for (;;) {
      const answer = await nextPiece(source, entrance.transport, log, position);
      if (answer.piece === null) throw absent(source, log, answer);
      shown += text.push(answer.piece.bytes);
      position = answer.piece.position;
      if (!answer.piece.more) return endLine(shown + text.flush());
    }
  } catch (error) {
    if (!(error instanceof NoEntranceError) || worker.runtime !== 'kubernetes') throw error;
    if (wanted === 'boot' && error.pod !== null) return kubectlLogs(source, worker, error.pod, text);
    throw error.status === 'missing' ? error : needsPod(source, error);
  }
}

function endLine(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

async function findLog({ context, wanted, timeoutMs }: Source, transport: Transport): Promise<Log> {
  const fixed = fixedLog(wanted);
  if (fixed !== null) return fixed;
  const { signal } = context;
  return chooseRecording(await transport.run({ script: 'recordings', args: [], timeoutMs, signal }), wanted);
}

async function nextPiece(
  { context, previous, lines, timeoutMs }: Source,
  transport: Transport,
  log: Log,
  from: Position | null,
): Promise<Answer> {
  const args = pieceArgs(log, previous, lines, from);
  return parsePiece(await transport.run({ script: 'log', args, timeoutMs, signal: context.signal }));
}

/** Why there is no such log. */
function absent({ context, worker, previous }: Source, log: Log, { path }: Answer): CliError {
  const { commandLine } = context;
  if (log.kind === 'docker' && path === '') {
    return new CliError(`${worker.name} has no Docker of its own: it is a worker on this machine`);
  }
  if (previous) {
    const what = log.kind === 'session' ? log.name : log.kind;
    return new CliError(`nothing is kept of ${what} from before: it was not rotated yet`, {
      hints: [`all there is: ${commandLine('logs', worker.name, what, '--lines', 'all')}`],
    });
  }
  if (log.kind === 'session') {
    return new CliError(`nothing is recorded of ${log.name} yet`, {
      hints: [`what it shows: ${commandLine('peek', worker.name, '--session', log.name)}`],
    });
  }
  return new CliError(`${worker.name} has no log of that kind: there is no ${path}`, {
    hints: [`how it is: ${commandLine('status', worker.name)}`],
  });
}

/** Kubernetes' own record of a container, for when there is none to enter, or of the one before. */
async function kubectlLogs(
  { context, lines, previous, timeoutMs }: Source,
  worker: ClusterWorker,
  pod: PodFacts | null,
  text: LogText,
): Promise<string> {
  const { exec, env, signal, now, commandLine } = context;
  const result = await kubectl({ exec, env, signal, now, timeoutMs }, worker, [
    'logs',
    pod?.name ?? worker.pod,
    `--container=${pod?.container ?? 'worker'}`,
    `--tail=${lines === 'all' ? -1 : lines}`,
    ...(previous ? ['--previous'] : []),
  ]);
  if (/previous terminated container .* not found/.test(result.stderr)) {
    throw new CliError(`the container of ${worker.name} was not restarted: there is no log before this one`, {
      hints: [`this one: ${commandLine('logs', worker.name, 'boot')}`],
    });
  }
  if (result.code !== 0) throw kubectlError(result, worker, 'read the log of');
  return endLine(text.push(result.stdout) + text.flush());
}

/** What was asked for lies on the volume, which nobody can read without a running pod. */
function needsPod({ context, worker, wanted }: Source, error: NoEntranceError): CliError {
  const { commandLine } = context;
  return new CliError(`${error.message}; its logs are on its volume, and only a running pod can read them`, {
    hints: [
      ...(error.status === 'stopped' ? [`start it: ${commandLine('start', worker.name)}`] : []),
      ...(wanted !== 'boot' && error.pod !== null
        ? [`what its container said: ${commandLine('logs', worker.name, 'boot')}`]
        : []),
      ...error.hints,
    ],
  });
}

/** After these the worker may be there again in a moment. */
const PASSING = new Set<TransportError['kind']>([
  'unreachable',
  'node-unreachable',
  'timeout',
  'broken',
  'not-running',
]);

/**
 * Shows a log as it grows. A piece counts when its answer came whole; a lost one is asked for again from the same place, so
 * that nothing is shown twice and nothing is left out.
 */
async function follow(source: Source, text: LogText): Promise<number> {
  const { context, worker } = source;
  const { stdout, stderr, signal } = context;
  let said = '';
  const say = (line: string) => {
    if (line !== said && line !== '') stderr.write(`${line}\n`);
    said = line;
  };
  const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
  let transport: Transport | null = null;
  let log: Log | null = null;
  let position: Position | null = null;
  let quiet = 0;
  let pod = '';
  for (;;) {
    try {
      if (transport === null) {
        const entrance = await createReach(context, source.timeoutMs).enter(worker);
        transport = entrance.transport;
        if (pod !== '' && entrance.pod !== null && entrance.pod.name !== pod) {
          stderr.write(`the pod was replaced: ${entrance.pod.name}\n`);
        }
        pod = entrance.pod?.name ?? '';
      }
      log ??= await findLog(source, transport);
      const answer: Answer = await nextPiece(source, transport, log, position);
      say(answer.piece === null ? `waiting: ${absent(source, log, answer).message}` : '');
      if (answer.piece?.cut)
        stderr.write('note: the log begins anew here; something before it may be missing\n');
      const bytes = answer.piece?.bytes ?? Buffer.alloc(0);
      position = answer.piece?.position ?? position;
      quiet = bytes.length > 0 ? 0 : quiet + 1;
      stdout.write(text.push(bytes) + (quiet >= HELD_LOOKS ? text.flush() : ''));
      if (answer.ended && quiet >= LAST_WORDS_LOOKS) {
        stderr.write(`${log.kind === 'session' ? log.name : source.wanted} has ended\n`);
        return ExitCode.ok;
      }
      if (!answer.piece?.more) await pause(FOLLOW_MS);
    } catch (error) {
      if (!(error instanceof TransportError) || !PASSING.has(error.kind)) throw error;
      say(`${error.message}; waiting to go on (Ctrl-C ends)`);
      transport = null;
      await pause(RECONNECT_MS);
    }
  }
}

await runIfMain(import.meta.url, logs);
