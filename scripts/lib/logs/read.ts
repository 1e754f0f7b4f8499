/** Reads a whole log; if no pod can be entered, what Kubernetes has kept of the container's log. */
import { CliError } from '../cli/errors.ts';
import { bytes } from '../cli/text.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { clusterOf, kubectl } from '../transport/kubectl.ts';
import { kubectlError } from '../transport/kubectl-errors.ts';
import type { PodFacts } from '../transport/pods.ts';
import { createReach, NoEntranceError } from '../worker/observe.ts';
import { sinceFlags } from './choose-log.ts';
import type { LogText } from './log-text.ts';
import { absent, findLog, LIMIT_BYTES, type LogSource, nextPiece, type Position } from './source.ts';

/** 64 MiB: a log is rotated at 10 MiB at the latest, and a worker may claim for ever that there is more. */
const MOST_PIECES = (64 * 1024 * 1024) / LIMIT_BYTES;

/**
 * @returns the whole text, with a line break at its end
 * @throws CliError when there is no such log, TransportError when it cannot be read
 */
export async function readAll(source: LogSource, text: LogText): Promise<string> {
  const { context, worker, wanted, previous } = source;
  let shown = '';
  try {
    const entrance = await createReach(context, source.timeoutMs).enter(worker);
    if (wanted === 'boot' && previous && worker.runtime === 'kubernetes') {
      return kubectlLogs(source, worker, entrance.pod, text);
    }
    const log = await findLog(source, entrance.transport);
    let position: Position | null = null;
    for (let pieces = 1; ; pieces++) {
      const answer = await nextPiece(source, entrance.transport, log, position);
      if (answer.piece === null) throw absent(source, log, answer);
      shown += text.push(answer.piece.bytes);
      position = answer.piece.position;
      if (answer.piece.more && pieces < MOST_PIECES) continue;
      if (answer.piece.more) context.stderr.write(tooLong(source));
      return endLine(shown + text.flush());
    }
  } catch (error) {
    if (!(error instanceof NoEntranceError) || worker.runtime !== 'kubernetes') throw error;
    if (wanted === 'boot' && error.pod !== null) return kubectlLogs(source, worker, error.pod, text);
    throw error.status === 'missing' ? error : needsPod(source, error);
  }
}

function tooLong({ context, worker, wanted }: LogSource): string {
  const last = context.commandLine('logs', worker.name, wanted, '--lines', '1000');
  return `note: the log is longer than ${bytes(MOST_PIECES * LIMIT_BYTES)}, and the rest is left out\n  its end: ${last}\n`;
}

function endLine(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

/** Kubernetes' own log of a container: when there is none to enter, or of the previous one. */
async function kubectlLogs(
  { context, lines, since, previous, timeoutMs }: LogSource,
  worker: ClusterWorker,
  pod: PodFacts | null,
  text: LogText,
): Promise<string> {
  const { commandLine } = context;
  const result = await kubectl(clusterOf(context, timeoutMs), worker, [
    'logs',
    pod?.name ?? worker.pod,
    `--container=${pod?.container ?? 'worker'}`,
    `--tail=${lines === 'all' ? -1 : lines}`,
    ...sinceFlags(since),
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

/** The log is on the volume, which cannot be read without a running pod. */
function needsPod({ context, worker, wanted }: LogSource, error: NoEntranceError): CliError {
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
