/** A backup of a worker's state: made on its volume, copied to this machine and checked. */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { CliError, InterruptedError } from '../cli/errors.ts';
import { type BackupRecord, ContractError } from '../contract.ts';
import { readJson } from '../read-contract.ts';
import { type Transport, TransportError } from '../transport/transport.ts';

/** So many stay on the volume. */
const KEEP = 5;
/** Of a copy, in one answer: as base64 it is a third more. */
const CHUNK_BYTES = 3 * 1024 * 1024;
/** How often one piece is asked for again after the connection broke. */
const TRIES = 4;

/** A backup of a worker's state, on its volume and perhaps here. */
export interface Backup extends BackupRecord {
  /** The copy on this machine; null when there is none. */
  readonly copy: string | null;
}

/**
 * - `state` what the worker goes on from: small, for every release
 * - `everything` the recordings of its sessions as well, for a worker that goes away or moves
 */
export type BackupContent = 'state' | 'everything';

/**
 * Makes the backup on the worker's volume, or finds the one that was made under that id.
 *
 * @throws CliError when it fails, or the database is not whole
 */
export async function makeBackup(
  transport: Transport,
  name: string,
  id: string,
  content: BackupContent,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Backup> {
  const frame = await transport.run({
    script: 'backup',
    args: [id, String(KEEP), content],
    timeoutMs,
    signal,
  });
  const { rc, text } = frame.parts.get('backup') ?? { rc: 1, text: 'it gave no answer' };
  if (rc !== 0) throw new CliError(`the backup of ${name} failed: ${text}`);
  return { ...readRecord(name, text), copy: null };
}

function readRecord(name: string, text: string): BackupRecord {
  try {
    return readJson('backup', 'what it says of it', text);
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    throw new CliError(`the backup of ${name} failed: ${error.message}`);
  }
}

/**
 * Copies a backup from the worker into a file, piece by piece, and compares its checksum.
 *
 * @param file written only when the copy is whole; mode 0600
 * @param say hears how far it is
 */
export async function copyBackup(
  transport: Transport,
  backup: Backup,
  file: string,
  timeoutMs: number,
  signal: AbortSignal,
  say: (done: number) => void = () => {},
): Promise<Backup> {
  const temporary = `${file}.part`;
  const hash = createHash('sha256');
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const handle = openSync(temporary, 'w', 0o600);
  try {
    for (let at = 0; at < backup.bytes; at += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, backup.bytes - at);
      const piece = await chunk(transport, backup, at, length, timeoutMs, signal);
      if (piece.length !== length)
        throw new CliError(`the backup ${backup.file} changed while it was copied`);
      hash.update(piece);
      writeSync(handle, piece);
      say(at + length);
    }
    if (hash.digest('hex') !== backup.sha256)
      throw new CliError(`the copy of ${backup.file} is not what the worker has`);
    renameSync(temporary, file);
  } finally {
    closeSync(handle);
    rmSync(temporary, { force: true });
  }
  return { ...backup, copy: file };
}

async function chunk(
  transport: Transport,
  { file }: Backup,
  offset: number,
  length: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Buffer> {
  for (let attempt = 1; ; attempt++) {
    try {
      const args = [basename(file), String(offset), String(length)];
      const frame = await transport.run({ script: 'backup-chunk', args, timeoutMs, signal });
      return Buffer.from(frame.parts.get('chunk')?.text ?? '', 'base64');
    } catch (error) {
      if (!(error instanceof TransportError) || error instanceof InterruptedError || attempt === TRIES)
        throw error;
    }
  }
}
