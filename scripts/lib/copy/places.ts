/** What `cp` is told to copy, and where to. Pure but for the questions asked of the local disk. */
import { lstatSync, mkdtempSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { CliError, UsageError } from '../cli/errors.ts';
import { regularTarget } from '../config/replace-file.ts';

/** One side of a copy; `worker` is null for this machine. */
export interface Place {
  readonly worker: string | null;
  readonly path: string;
}

/** `worker-1:path` is in the worker; anything else, `./a:b` among it, is here. */
export function parsePlace(text: string): Place {
  const [, worker, path] = /^([a-z0-9][a-z0-9.-]*):(.*)$/s.exec(text) ?? [];
  return worker === undefined ? { worker: null, path: text } : { worker, path: path || '~' };
}

export type Copy =
  | { readonly direction: 'to'; readonly worker: string; readonly from: string; readonly to: string }
  | { readonly direction: 'from'; readonly worker: string; readonly from: string; readonly to: string };

/**
 * @throws UsageError unless exactly one side is a worker's
 */
export function planCopy(source: string, destination: string): Copy {
  const [from, to] = [parsePlace(source), parsePlace(destination)];
  if (from.worker !== null && to.worker !== null) {
    throw new UsageError('both sides are of a worker', 'copy in two steps, over a file here');
  }
  if (from.worker !== null) return { direction: 'from', worker: from.worker, from: from.path, to: to.path };
  if (to.worker !== null) return { direction: 'to', worker: to.worker, from: from.path, to: to.path };
  throw new UsageError('neither side is of a worker', 'write one as WORKER:PATH, such as worker-1:notes.txt');
}

/** Something on this machine that is to be sent. */
export interface LocalEntry {
  readonly folder: string;
  readonly name: string;
  readonly kind: 'file' | 'folder';
}

/** @throws CliError when there is nothing of that name */
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

/** Where something received is to lie, and the folder beside it in which it is unpacked first. */
export interface LocalTarget {
  readonly final: string;
  readonly temporary: string;
}

/**
 * @param name of what is received: its name where the destination is a folder
 * @returns where it will lie; behind a symbolic link, as for every file that is replaced
 * @throws CliError where it cannot lie there
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

/** @throws CliError where nothing can be written */
export function prepareTarget(final: string): LocalTarget {
  try {
    return { final, temporary: mkdtempSync(join(dirname(final), '.factory-worker-cp.')) };
  } catch (error) {
    throw new CliError(`cannot write into ${dirname(final)}: ${(error as Error).message}`);
  }
}
