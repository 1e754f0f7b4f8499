/** The log that was requested, and how to read it piece by piece. */
import type { Context } from '../cli/command.ts';
import { CliError } from '../cli/errors.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import type { Transport } from '../transport/transport.ts';
import { chooseRecording, fixedLog, type Since, sinceArgument } from './choose-log.ts';
import { type Answer, type Log, type Position, parsePiece, pieceArgs } from './piece.ts';

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
