/** Gives a local worker the operator's DATABASE_URL, where its `factory` would use one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFileSync } from '../config/replace-file.ts';
import { POSTGRES_DRIVER } from '../factory.ts';
import type { LocalLayout } from './layout.ts';
import { findProgram } from './programs.ts';

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
  const program = findProgram(path, 'factory');
  return program !== undefined && readFileSync(program).includes(POSTGRES_DRIVER);
}
