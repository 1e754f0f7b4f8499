/** One piece of a log: arguments and answer of scripts/remote/logs.sh. Pure. */
import { wholeNumber } from '../read-contract.ts';
import type { Frame } from '../transport/frame.ts';

/** A log of a worker. `boot` is the supervisor's output since it started, `docker` is dockerd's log, `postgres` its server's. */
export type Log =
  | { readonly kind: 'boot' | 'orchestrator' | 'docker' | 'postgres' }
  | { readonly kind: 'session'; readonly name: string };

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
