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
export function scriptArgv(call: RemoteCall, nonce: string): Argv {
  const [limit, ...args] = wordsOf(call, nonce);
  return fitting(call, [
    'timeout',
    '-k',
    '2',
    limit,
    'bash',
    '-c',
    textOf(call.script),
    call.script,
    ...args,
  ]);
}

/** How long a program of {@link againArgv} waits for the next request. */
const SILENCE_SECONDS = 120;

/**
 * The program that does the same, and then again for each request on its stdin ({@link againRequest}). It ends with its stdin, or
 * when that is silent for too long.
 *
 * @throws TooLongError as {@link scriptArgv}
 */
export function againArgv(call: RemoteCall, nonce: string): Argv {
  const program = plainScript('again', [String(SILENCE_SECONDS)]);
  return fitting(call, [...program, textOf(call.script), call.script, ...wordsOf(call, nonce)]);
}

/** What such a program reads for one more run of its script. */
export function againRequest(call: RemoteCall, nonce: string): string {
  const words = wordsOf(call, nonce);
  return [String(words.length), ...words].map((word) => `${word}\0`).join('');
}

/** The time limit of a run in seconds, and the arguments of its script. */
function wordsOf({ args, timeoutMs }: RemoteCall, nonce: string): [string, ...string[]] {
  return [String(timeoutMs / 1000), nonce, ...args];
}

/** @throws TooLongError */
function fitting({ script }: RemoteCall, argv: Argv): Argv {
  const bytes = argv.reduce((sum, word) => sum + Buffer.byteLength(word), 0);
  if (bytes > SCRIPT_LIMIT_BYTES) {
    throw new TooLongError(
      `${script}: ${bytes} bytes are too many for one call to a worker (${SCRIPT_LIMIT_BYTES})`,
    );
  }
  return argv;
}

function textOf(script: string): string {
  return partsOfScript(script).map(readScript).join('');
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
