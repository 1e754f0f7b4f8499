/** Backs up a worker's state: creates the backup on its volume, copies it to this machine and checks it. */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { CliError, InterruptedError } from '../cli/errors.ts';
import { bytes } from '../cli/text.ts';
import { replaceFileBy } from '../config/replace-file.ts';
import { type BackupRecord, ContractError } from '../contract.ts';
import { roomIn } from '../copy/places.ts';
import { readJson } from '../read-contract.ts';
import { type Transport, TransportError } from '../transport/transport.ts';
import { MOST_BYTES } from './archive.ts';

/** How many backups stay on the volume. */
const KEEP = 5;
/** Bytes of a copy in one answer; base64 makes it a third longer. */
const CHUNK_BYTES = 3 * 1024 * 1024;
/** Retries of one chunk after a broken connection. */
const TRIES = 4;

/** A backup of a worker's state, on its volume and perhaps on this machine. */
export interface Backup extends BackupRecord {
  /** The copy on this machine; null when there is none. */
  readonly copy: string | null;
}

/**
 * - `state` what the worker needs to continue: small, made for every release
 * - `everything` also the recordings of its sessions, for a worker that is retired or moved
 */
export type BackupContent = 'state' | 'everything';

/**
 * Creates the backup on the worker's volume, or finds the existing one with that id.
 *
 * @throws CliError when it fails, or the database is damaged
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
 * @param text the record of a backup from backup.sh
 * @returns null when it is not such a record
 */
export function parseBackup(text: string): Backup | null {
  let record: BackupRecord;
  try {
    record = readJson('backup', 'the backup', text);
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    return null;
  }
  // Sizes exceed the schema's largest integer, 4 GiB.
  const counts = [record.bytes, record.rows, record.newest];
  const fits = counts.every((value) => value === null || (Number.isSafeInteger(value) && value >= 0));
  return fits ? { ...record, copy: null } : null;
}

/**
 * Copies a backup from the worker into a file, chunk by chunk, and compares its checksum. Accepts no more than the announced
 * size, and no announced size above the limit of a backup or the free space of this disk.
 *
 * @param file written only when the copy is complete; mode 0600
 * @param say gets progress messages
 * @throws CliError when it fails; then the file is unchanged
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
