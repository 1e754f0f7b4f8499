/** Gives a local worker the operator's DATABASE_URL, where its `factory` would use one. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { replaceFileSync } from '../config/replace-file.ts';
import type { LocalLayout } from './layout.ts';

/** The driver's name in a PostgreSQL build of `factory`. */
const DRIVER = 'github.com/jackc/pgx';

/**
 * Writes the URL where a pod has it, into the worker's secrets: no process list and no environment of another program shows it.
 * For any other build it may be that of something else, and stays away.
 *
 * @param path the worker's PATH
 * @returns the file; null when the URL was not for this worker
 */
export function giveDatabaseUrl({ dirs }: LocalLayout, path: string, url: string | undefined): string | null {
  if (!url || !isPostgresBuild(path)) return null;
  const file = join(dirs.WORKER_SECRETS_DIR, 'DATABASE_URL');
  replaceFileSync(file, `${url}\n`);
  return file;
}

function isPostgresBuild(path: string): boolean {
  const program = path
    .split(delimiter)
    .map((directory) => join(directory, 'factory'))
    .find(isExecutable);
  return program !== undefined && readFileSync(program).includes(DRIVER);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
