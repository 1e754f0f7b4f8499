/**
 * Replaces a file atomically: a reader sees the old content or the new one, never a part. For every file that the operator
 * named, and for our own records.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CliError } from '../cli/errors.ts';

export interface Replacement<T> {
  /** Writes the new content; if it throws, the old file stays. */
  readonly fill: (file: FileHandle, folder: string) => Promise<T>;
  /** A last check of the file about to be replaced; if it throws, that file stays. */
  readonly check?: (target: string) => Promise<void>;
  /** Whether to keep mode and owner of the old file; otherwise the new one is 0600, and ours. */
  readonly keepMode?: boolean;
}

/**
 * Writes a new file beside the old one and renames it, so that a full disk, a crash or Ctrl-C leaves the old one. A symbolic
 * link stays: the file it points to is replaced. New folders are 0700, since contexts and paths reveal clusters.
 *
 * @returns what `fill` returned
 * @throws CliError when the path cannot be written, or is not a regular file
 */
export async function replaceFileBy<T>(path: string, { fill, check, keepMode }: Replacement<T>): Promise<T> {
  try {
    const target = await regularTarget(path);
    const folder = dirname(target);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const old = keepMode ? await stat(target).catch(ifMissing) : null;
    const temporary = temporaryIn(folder);
    const file = await open(temporary, 'wx', 0o600);
    try {
      let filled: T;
      try {
        filled = await fill(file, folder);
        if (old !== null) {
          await file.chmod(old.mode & 0o7777);
          // Root edits another user's file: it stays theirs.
          if (old.uid !== process.getuid?.()) await file.chown(old.uid, old.gid);
        }
        await file.sync();
      } finally {
        await file.close();
      }
      await check?.(target);
      await rename(temporary, target);
      return filled;
    } finally {
      await rm(temporary, { force: true });
    }
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** An unpredictable name. Create it with `wx` (O_EXCL), which neither follows a link nor accepts an existing file. */
function temporaryIn(folder: string): string {
  return join(folder, `.factory-worker-new.${randomBytes(8).toString('hex')}`);
}

/**
 * Replaces a small file of our own, such as a record; mode 0600, its folders 0700.
 *
 * @throws NodeJS.ErrnoException when it cannot be written; the old one stays
 */
export function replaceFileSync(path: string, text: string): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const temporary = temporaryIn(folder);
  try {
    writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' });
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/**
 * Replaces a text with its edited version. Keeps the mode; a new file is 0600.
 *
 * @param before the text that was read, null when there was no file
 * @throws CliError when the file has changed since it was read, or cannot be written; nothing is written then
 */
export async function replaceFile(path: string, before: string | null, after: string): Promise<void> {
  await replaceFileBy(path, {
    keepMode: before !== null,
    fill: (file) => file.writeFile(after),
    async check(target) {
      if ((await readFile(target, 'utf8').catch(ifMissing)) === before) return;
      throw new CliError(`${path} has changed in the meantime; nothing was written`, {
        hints: ['try again'],
      });
    },
  });
}

/**
 * Resolves a path for writing: follows symbolic links, also dangling ones.
 *
 * @throws CliError when something other than a regular file is there: a rename would replace a device with a file
 */
export async function regularTarget(path: string): Promise<string> {
  try {
    const target = await followLinks(path);
    const there = await lstat(target).catch(ifMissing);
    if (there === null || there.isFile()) return target;
    const kind = there.isDirectory() ? 'a folder, not a file' : 'not a regular file';
    throw new CliError(`${path} is ${kind}; nothing was written`);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** A CliError for an error of the file system; any other error unchanged. */
function cannotWrite(path: string, error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return error;
  return new CliError(`cannot write ${path}: ${error.message}`);
}

async function followLinks(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    ifMissing(error);
    const link = await lstat(path).catch(ifMissing);
    return link?.isSymbolicLink()
      ? await followLinks(resolve(dirname(path), await readlink(path)))
      : resolve(path);
  }
}

/** @returns null for a file that does not exist */
function ifMissing(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  throw error;
}
