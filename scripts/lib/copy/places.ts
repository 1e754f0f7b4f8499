/** Source and destination of `cp`. Pure except for looking at the local disk. */
import { lstatSync, mkdtempSync, statSync } from 'node:fs';
import { lstat, readdir, statfs } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CliError, UsageError } from '../cli/errors.ts';
import { regularTarget } from '../config/replace-file.ts';

/** One side of a copy; `worker` is null for this machine. */
export interface Place {
  readonly worker: string | null;
  readonly path: string;
}

/** `worker-1:path` is in the worker; anything else, including `./a:b`, is on this machine. */
export function parsePlace(text: string): Place {
  const [, worker, path] = /^([a-z0-9][a-z0-9.-]*):(.*)$/s.exec(text) ?? [];
  return worker === undefined ? { worker: null, path: text } : { worker, path: path || '~' };
}

export type Copy =
  | { readonly direction: 'to'; readonly worker: string; readonly from: string; readonly to: string }
  | { readonly direction: 'from'; readonly worker: string; readonly from: string; readonly to: string };

/**
 * @throws UsageError unless exactly one side is in a worker
 */
export function planCopy(source: string, destination: string): Copy {
  const [from, to] = [parsePlace(source), parsePlace(destination)];
  if (from.worker !== null && to.worker !== null) {
    throw new UsageError(
      'both sides are in a worker',
      'copy in two steps, with a file on this machine in between',
    );
  }
  if (from.worker !== null) return { direction: 'from', worker: from.worker, from: from.path, to: to.path };
  if (to.worker !== null) return { direction: 'to', worker: to.worker, from: from.path, to: to.path };
  throw new UsageError('neither side is in a worker', 'write one as WORKER:PATH, such as worker-1:notes.txt');
}

/** A file or folder on this machine to send. */
export interface LocalEntry {
  readonly folder: string;
  readonly name: string;
  readonly kind: 'file' | 'folder';
}

/** The size of a file, or of all files in a folder; without what cannot be read. */
export async function contentBytes({ folder, name }: LocalEntry): Promise<number> {
  const top = join(folder, name);
  const entries = await readdir(top, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  let sum = 0;
  for (const file of files.length === 0 ? [top] : files) {
    const stat = await lstat(file).catch(() => null);
    if (stat?.isFile()) sum += stat.size;
  }
  return sum;
}

/** @throws CliError when it does not exist */
export function localEntry(path: string): LocalEntry {
  const absolute = resolve(path);
  const stat = lstatSync(absolute, { throwIfNoEntry: false });
  if (stat === undefined) throw new CliError(`there is no ${path} here`);
  return {
    folder: dirname(absolute),
    name: basename(absolute),
    kind: stat.isDirectory() ? 'folder' : 'file',
  };
}

/** The destination of what is received, and the folder beside it in which it is unpacked first. */
export interface LocalTarget {
  readonly final: string;
  readonly temporary: string;
}

/**
 * @param name of the source: the name to use when the destination is a folder
 * @returns the final path; symbolic links are followed, as for every file that is replaced
 * @throws CliError when it cannot be written there
 */
export async function resolveTarget(destination: string, name: string): Promise<string> {
  const wanted = resolve(destination);
  const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const final = isFolder(wanted) || destination.endsWith('/') ? join(wanted, name) : wanted;
  if (!isFolder(dirname(final))) throw new CliError(`there is no folder ${dirname(final)} here`);
  if (isFolder(final)) {
    throw new CliError(`${final} is there already, a folder`, {
      hints: ['give another name, or remove it first'],
    });
  }
  const target = await regularTarget(final);
  return lstatSync(final, { throwIfNoEntry: false })?.isSymbolicLink() ? target : final;
}

/** @throws CliError when the folder cannot be written */
export function prepareTarget(final: string): LocalTarget {
  try {
    return { final, temporary: mkdtempSync(join(dirname(final), '.factory-worker-cp.')) };
  } catch (error) {
    throw new CliError(`cannot write into ${dirname(final)}: ${(error as Error).message}`);
  }
}

/** Space that stays free for everything else on this machine. */
const RESERVE_BYTES = 64 * 1024 * 1024;

/** How much to accept from a worker into a folder: never more than is free. @returns bytes; 0 when its disk is nearly full */
export async function roomIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return Math.max(0, bavail * bsize - RESERVE_BYTES);
}
