/** A backup of a worker's state: made on its volume, copied to this machine and checked. */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { CliError, InterruptedError } from '../cli/errors.ts';
import { bytes } from '../cli/text.ts';
import { replaceFileBy } from '../config/replace-file.ts';
import { type BackupRecord, ContractError } from '../contract.ts';
import { roomIn } from '../copy/room.ts';
import { readJson } from '../read-contract.ts';
import { type Transport, TransportError } from '../transport/transport.ts';
import { MOST_BYTES } from './archive.ts';

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
  const made = parseBackup(text);
  if (made === null) throw new CliError(`the answer of ${name} does not describe a backup`);
  return made;
}

/**
 * @param text what backup.sh says of a backup
 * @returns null when that is not what it says
 */
export function parseBackup(text: string): Backup | null {
  let record: BackupRecord;
  try {
    record = readJson('backup', 'the backup', text);
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    return null;
  }
  // Sizes go beyond the schema's largest whole number, 4 GiB.
  const counts = [record.bytes, record.rows, record.newest];
  const fits = counts.every((value) => value === null || (Number.isSafeInteger(value) && value >= 0));
  return fits ? { ...record, copy: null } : null;
}

/**
 * Copies a backup from the worker into a file, piece by piece, and compares its checksum. No more is taken than the worker
 * announced, and no more announced than a backup can have and this disk has room for.
 *
 * @param file written only when the copy is whole; mode 0600
 * @param say hears how far it is
 * @throws CliError when it fails; the file is as it was then
 */
export async function copyBackup(
  transport: Transport,
  backup: Backup,
  file: string,
  timeoutMs: number,
  signal: AbortSignal,
  say: (done: number) => void = () => {},
): Promise<Backup> {
  await replaceFileBy(file, {
    async fill(handle, folder) {
      refuseTooLarge(backup, folder, await roomIn(folder));
      const hash = createHash('sha256');
      for (let at = 0; at < backup.bytes; at += CHUNK_BYTES) {
        const length = Math.min(CHUNK_BYTES, backup.bytes - at);
        const piece = await chunk(transport, backup, at, length, timeoutMs, signal);
        if (piece.length !== length)
          throw new CliError(`the backup ${backup.file} changed while it was copied`);
        hash.update(piece);
        await handle.writeFile(piece);
        say(at + length);
      }
      if (hash.digest('hex') !== backup.sha256)
        throw new CliError(`the copy of ${backup.file} is not what the worker has`);
    },
  });
  return { ...backup, copy: file };
}

function refuseTooLarge(backup: Backup, folder: string, room: number): void {
  const size = bytes(backup.bytes);
  if (backup.bytes > MOST_BYTES) {
    throw new CliError(
      `the worker says that its backup has ${size}; more than ${bytes(MOST_BYTES)} cannot be restored, and nothing was copied`,
      { hints: [`on the worker it is ${backup.file}`] },
    );
  }
  if (backup.bytes > room) {
    throw new CliError(
      `the backup has ${size}, and there is room for ${bytes(room)} in ${folder}; nothing was copied`,
      {
        hints: ['name a file on another disk', `it stays on the worker: ${backup.file}`],
      },
    );
  }
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
