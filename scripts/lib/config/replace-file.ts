/** Replaces a file at once: whoever reads it sees the old text or the new one, never half of either. */
import { lstat, mkdir, open, readFile, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CliError } from '../cli/errors.ts';

/**
 * Writes beside the file and renames, so that a full disk or a crash leaves the old one. A symbolic link stays one: the file
 * it points to is replaced. The mode is kept; a new file is 0600, a new folder 0700, since contexts and paths tell of clusters.
 *
 * @param before the text that was read, null when there was no file
 * @throws CliError when the file is not what was read any more, or cannot be written; nothing has changed then
 */
export async function replaceFile(path: string, before: string | null, after: string): Promise<void> {
  try {
    const target = await targetOf(path);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    const old = before === null ? null : await stat(target);
    const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(after);
        if (old !== null) {
          await file.chmod(old.mode & 0o7777);
          // Root edits a file of somebody else: it stays theirs.
          if (old.uid !== process.getuid?.()) await file.chown(old.uid, old.gid);
        }
        await file.sync();
      } finally {
        await file.close();
      }
      if ((await currentText(target)) !== before) {
        throw new CliError(`${path} has changed meanwhile; nothing was written`, { hints: ['try again'] });
      }
      await rename(temporary, target);
    } finally {
      await rm(temporary, { force: true });
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`cannot write ${path}: ${(error as Error).message}`);
  }
}

async function currentText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** The file behind a symbolic link, also when the link points to nothing yet. */
async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const link = await lstat(path).catch(() => null);
    return link?.isSymbolicLink() ? resolve(dirname(path), await readlink(path)) : resolve(path);
  }
}
