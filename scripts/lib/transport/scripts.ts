/** The bash scripts that the commands send to a worker. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../cli/errors.ts';
import { packageRoot } from '../cli/version.ts';
import type { Argv } from '../exec.ts';
import type { RemoteCall } from './transport.ts';

/** The arguments of a script are too long for one call, even if they come from a worker. */
export class TooLongError extends CliError {
  override readonly name = 'TooLongError';
}

/** An exec request carries the script in its URL; nothing we send comes near this (DESIGN: below 64 KiB). */
export const SCRIPT_LIMIT_BYTES = 64 * 1024;

/** How much longer the laptop waits than the worker, so that the worker's own time-out can still answer. */
export const GRACE_MS = 3_000;

/** Files with functions that a few scripts share, in addition to worker.sh. */
const SHARED: Readonly<Record<string, readonly string[]>> = {
  backup: ['database'],
  dispatch: ['standings', 'leftovers', 'queue-add'],
  doctor: ['docker'],
  'queue-move': ['queue-add'],
  'release-facts': ['database'],
  'release-import': ['database', 'queue-add', 'restore-import'],
  'release-import-undo': ['database'],
  'rollback-restore': ['database', 'backup-archive'],
  restore: ['database', 'queue-add', 'restore-import'],
  'restore-unpack': ['database', 'backup-archive', 'restore-import'],
  usage: ['database'],
  'unstick-look': ['standings', 'leftovers'],
  why: ['standings', 'leftovers', 'docker'],
};

/** The names of the files that make up a captured script, in order. */
export function partsOfScript(script: string): string[] {
  return ['frame', 'worker', ...(SHARED[script] ?? []), script];
}

/**
 * The program that runs a captured script in a worker. `timeout` ends it there: killing kubectl on the laptop would not
 * (kubernetes/kubernetes#89031).
 *
 * @throws TooLongError when script and arguments are larger than an exec request should be
 */
export function scriptArgv({ script, args, timeoutMs }: RemoteCall, nonce: string): Argv {
  const limit = String(timeoutMs / 1000);
  return fitting(script, ['timeout', '-k', '2', limit, 'bash', '-c', textOf(script), script, nonce, ...args]);
}

/** How long a program of {@link againArgv} waits for the next line. */
const SILENCE_SECONDS = 120;

/**
 * The program that runs a captured script for each line of its stdin, which is the nonce of the answer. It ends with its stdin,
 * or when that is silent for too long.
 *
 * @throws TooLongError as {@link scriptArgv}
 */
export function againArgv({ script, args, timeoutMs }: RemoteCall): Argv {
  const limits = [String(SILENCE_SECONDS), String(timeoutMs / 1000)];
  return fitting(script, [...plainScript('again', limits), textOf(script), script, ...args]);
}

function textOf(script: string): string {
  return partsOfScript(script).map(readScript).join('');
}

/** @throws TooLongError */
function fitting(script: string, argv: Argv): Argv {
  const bytes = argv.reduce((sum, word) => sum + Buffer.byteLength(word), 0);
  if (bytes > SCRIPT_LIMIT_BYTES) {
    throw new TooLongError(
      `${script}: ${bytes} bytes are too many for one call to a worker (${SCRIPT_LIMIT_BYTES})`,
    );
  }
  return argv;
}

/** A script that gets the terminal, or whose output passes unchanged: no frame, no time limit. */
export function plainScript(script: string, args: readonly string[]): Argv {
  return ['bash', '-c', readScript(script), script, ...args];
}

/** Those that were read: a command that watches twenty workers sends the same one again and again. */
const scripts = new Map<string, string>();

/** A script without its comment lines, to keep the request small. */
function readScript(name: string): string {
  const known = scripts.get(name);
  if (known !== undefined) return known;
  const file = join(packageRoot(), 'scripts', 'remote', `${name}.sh`);
  const text = readFileSync(file, 'utf8').replaceAll(/^[ \t]*(?:#.*)?\n/gm, '');
  scripts.set(name, text);
  return text;
}
