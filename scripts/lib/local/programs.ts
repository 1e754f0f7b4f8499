/** The programs without which a worker does no work; the image has them, a local worker finds them on its PATH. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Context } from '../cli/command.ts';
import { CliError } from '../cli/errors.ts';
import { enumerate } from '../cli/text.ts';

const NEEDED = ['factory', 'claude', 'gh', 'git', 'tmux'] as const;

/** Those of the programs that no folder of the PATH has. */
export function missingPrograms(path: string): string[] {
  return NEEDED.filter((program) => findProgram(path, program) === undefined);
}

/** The file that a shell with this PATH would run. */
export function findProgram(path: string, program: string): string | undefined {
  const folders = path.split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, program)).find(isProgram);
}

/**
 * @param path the worker's PATH
 * @throws CliError when a program is missing: the worker would start, and do nothing
 */
export function assertPrograms(name: string, path: string, commandLine: Context['commandLine']): void {
  const missing = missingPrograms(path);
  if (missing.length === 0) return;
  throw new CliError(`${name} could do no work without ${enumerate(missing)}: not on its PATH`, {
    hints: [
      `name the folder that has ${missing.length === 1 ? 'it' : 'them'}: ${commandLine('local', 'up', name, '--bin', 'DIR')}`,
      `its PATH: ${path}`,
    ],
  });
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
