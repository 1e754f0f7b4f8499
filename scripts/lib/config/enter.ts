/** Adds entries to workers.yaml and removes them, for commands that create and remove workers. */
import { isDeepStrictEqual } from 'node:util';
import { CliError } from '../cli/errors.ts';
import { addWorker, lineDiff, removeWorker } from './edit.ts';
import { parseWorkers } from './parse-workers.ts';
import { homeOf, shortPath } from './paths.ts';
import { replaceFile } from './replace-file.ts';
import type { WorkerEntry } from './worker-entry.ts';
import { readWorkersToEdit } from './workers-file.ts';

/** The present workers.yaml, which may not exist yet. */
export interface WorkersText {
  readonly path: string;
  /** Null when there is no file. */
  readonly text: string | null;
  readonly workers: readonly WorkerEntry[];
}

export interface FileChange {
  readonly path: string;
  readonly before: string | null;
  readonly after: string;
  /** As `diff -u` shows it. */
  readonly diff: string;
}

export async function readWorkers(path: string, env: NodeJS.ProcessEnv): Promise<WorkersText> {
  const text = await readWorkersToEdit(path, env);
  return { path, text, workers: parse(path, text ?? '', env) };
}

/** @throws CliError when the file is written in a way that cannot be edited */
export function entering(file: WorkersText, worker: WorkerEntry, env: NodeJS.ProcessEnv): FileChange {
  return change(file, addWorker(file.text ?? '', worker), [...file.workers, worker], env);
}

/** @throws CliError when the file is written in a way that cannot be edited */
export function removing(file: WorkersText, name: string, env: NodeJS.ProcessEnv): FileChange {
  const left = file.workers.filter((worker) => worker.name !== name);
  return change(file, removeWorker(file.text ?? '', name), left, env);
}

export async function writeChange({ path, before, after }: FileChange): Promise<void> {
  await replaceFile(path, before, after);
}

/** The edited text, after checking that it means what it should. */
function change(
  { path, text }: WorkersText,
  after: string,
  expected: readonly WorkerEntry[],
  env: NodeJS.ProcessEnv,
): FileChange {
  let understood: readonly WorkerEntry[] | null = null;
  try {
    understood = parse(path, after, env);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
  }
  if (!isDeepStrictEqual(understood, expected)) {
    const shown = shortPath(path, homeOf(env));
    throw new CliError(`${shown} is written in a way that cannot be edited here; nothing was changed`, {
      hints: ['edit it by hand: other lines of it may refer to this entry'],
    });
  }
  return { path, before: text, after, diff: lineDiff(text ?? '', after) };
}

/** The workers of a text; none for a file that is new or has only comments. */
function parse(path: string, text: string, env: NodeJS.ProcessEnv): readonly WorkerEntry[] {
  if (text.split('\n').every((line) => /^\s*(#|$)/.test(line))) return [];
  return parseWorkers(path, text, homeOf(env)).workers;
}
