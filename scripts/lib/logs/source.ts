/** The log that was requested, and how to read it piece by piece: the request to scripts/remote/logs.sh, and its answer. */
import type { Context } from '../cli/command.ts';
import { CliError } from '../cli/errors.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { wholeNumber } from '../read-contract.ts';
import type { Frame } from '../transport/frame.ts';
import type { Transport } from '../transport/transport.ts';
import { chooseRecording, fixedLog, type Log, type Since, sinceArgument } from './choose-log.ts';

export interface LogSource {
  readonly context: Context;
  readonly worker: WorkerEntry;
  /** As typed. */
  readonly wanted: string;
  readonly previous: boolean;
  readonly lines: string;
  /** Null: from any time on. */
  readonly since: Since | null;
  readonly timeoutMs: number;
}

/** @throws CliError when no log, or more than one, may be meant */
export async function findLog({ context, wanted, timeoutMs }: LogSource, transport: Transport): Promise<Log> {
  const fixed = fixedLog(wanted);
  if (fixed !== null) return fixed;
  const { signal } = context;
  return chooseRecording(
    await transport.run({ script: 'look', args: ['clock', 'sessions', 'recordings'], timeoutMs, signal }),
    wanted,
  );
}

/** @param from null for the first piece */
export async function nextPiece(
  { context, previous, lines, since, timeoutMs }: LogSource,
  transport: Transport,
  log: Log,
  from: Position | null,
): Promise<Answer> {
  const args = pieceArgs(log, { previous, lines, since: sinceArgument(since) }, from);
  return parsePiece(await transport.run({ script: 'logs', args, timeoutMs, signal: context.signal }));
}

/** Why there is no such log. */
export function absent({ context, worker, previous }: LogSource, log: Log, { path }: Answer): CliError {
  const { commandLine } = context;
  if (log.kind === 'docker' && path === '') {
    return new CliError(`${worker.name} has no Docker of its own: it is a worker on this machine`);
  }
  if (log.kind === 'postgres' && path === '') {
    return new CliError(`${worker.name} has no PostgreSQL of its own: its database is at DATABASE_URL`, {
      hints: [`how it is: ${commandLine('status', worker.name)}`],
    });
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

/** How far a log was read. */
export interface Position {
  /** Identifies the file, even after it was renamed. */
  readonly id: string;
  readonly offset: number;
}

export interface Piece {
  readonly position: Position;
  readonly bytes: Buffer;
  /** More is there already. */
  readonly more: boolean;
  /** The file that was read before is gone: the log starts again, and something in between may be missing. */
  readonly cut: boolean;
}

export interface Answer {
  /** Null: there is no such file (yet). */
  readonly piece: Piece | null;
  readonly path: string;
  /** Of a session: it has ended. */
  readonly ended: boolean;
}

/** Half a megabyte per call: small enough for a bad connection, large enough for a log of many megabytes. */
export const LIMIT_BYTES = 512 * 1024;

/** Where a log is read. */
interface Extent {
  readonly previous: boolean;
  /** A number, or `all`. */
  readonly lines: string;
  /** Seconds before now, a time, or empty: from any time on. */
  readonly since: string;
}

/** The request to scripts/remote/logs.sh. Without a position it starts `lines` before the end, and not before `since`. */
type LogRequest = Log & Partial<Position> & Extent & { readonly limit: number };

/** @param from null for the first piece */
export function pieceArgs(log: Log, extent: Extent, from: Position | null): string[] {
  const request: LogRequest = { ...log, ...from, ...extent, limit: LIMIT_BYTES };
  return [JSON.stringify(request)];
}

/** @throws ContractError when the answer is not valid */
export function parsePiece({ parts }: Frame): Answer {
  const file = parts.get('file');
  const ended = parts.get('going')?.text === 'no';
  const path = file?.text ?? '';
  const place = parts.get('piece');
  if (file?.rc !== 0 || place === undefined) return { piece: null, path, ended };
  const [id = '', start, size, fate] = place.text.split(' ');
  const number = (text?: string) =>
    wholeNumber(text, 'the worker does not say which part of the log it gives');
  // Never more than requested.
  const bytes = Buffer.from(parts.get('data')?.text ?? '', 'base64').subarray(0, LIMIT_BYTES);
  const offset = number(start) + bytes.length;
  // A rotated file is followed by its successor. A worker that gives nothing has no more, whatever it claims.
  const more = bytes.length > 0 && (offset < number(size) || fate === 'rotated');
  return { piece: { position: { id, offset }, bytes, more, cut: fate === 'cut' }, path, ended };
}
