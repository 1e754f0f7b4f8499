/** workers.yaml: where it is, what it says, which of its workers a command is about. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CliError, UsageError } from '../cli/errors.ts';
import { didYouMean, shellQuote } from '../cli/text.ts';
import { packageRoot } from '../cli/version.ts';
import type { WorkerFlagValues } from './flags.ts';
import { expandHome, homeOf, shortPath } from './paths.ts';
import type { WorkerEntry, WorkersFile } from './worker-entry.ts';

/** Names listed when one was not found; more would hide the sentence above them. */
const LISTED_NAMES = 12;

/**
 * The path of workers.yaml: `--workers FILE`, else `$FACTORY_WORKERS`, else `~/.factory/workers.yaml`.
 *
 * @param flag the value of `--workers`
 */
export function workersPath(env: NodeJS.ProcessEnv, flag: string | undefined): string {
  const home = homeOf(env);
  const given = flag || env['FACTORY_WORKERS'];
  return given ? expandHome(given, home) : join(home, '.factory', 'workers.yaml');
}

/** How the operator types a command, from the command's context. */
type CommandLine = (name: string, ...args: string[]) => string;

const fromCheckout: CommandLine = (name, ...args) => [`npx tsx scripts/${name}.ts`, ...args].join(' ');

/**
 * Reads workers.yaml and applies `--context`, `--namespace` and `--kubeconfig` to its workers in a cluster. `$KUBECONFIG` is
 * left to kubectl.
 *
 * @throws CliError when the file cannot be read (saying how to create one), or has mistakes (listing all, exit 2)
 */
export async function loadWorkers(
  env: NodeJS.ProcessEnv,
  flags: Omit<WorkerFlagValues, 'timeout'>,
  commandLine: CommandLine = fromCheckout,
): Promise<WorkersFile> {
  const path = workersPath(env, flags.workers);
  const text = await readWorkersText(path, env);
  if (text === null) throw missingFile(path, env, commandLine);
  const { parseWorkers } = await import('./parse-workers.ts');
  const file = parseWorkers(path, text, homeOf(env));
  return { ...file, workers: file.workers.map((worker) => override(worker, flags, homeOf(env))) };
}

/**
 * @returns the file's text, null when there is no such file
 * @throws CliError when it exists and cannot be read
 */
export async function readWorkersText(path: string, env: NodeJS.ProcessEnv): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    const reasons: Readonly<Record<string, string>> = {
      EISDIR: 'it is a folder, not a file',
      EACCES: 'you may not read it',
      ENOTDIR: 'a part of its path is a file, not a folder',
    };
    throw new CliError(`cannot read ${shortPath(path, homeOf(env))}: ${reasons[code ?? ''] ?? message}`, {
      hints: [`ls -l ${shellQuote(path)}`],
    });
  }
}

/**
 * Like {@link readWorkersText}, for a file that will be written afterwards.
 *
 * @throws CliError also when it is not a regular file: a FIFO would never end, a device would be replaced
 */
export async function readWorkersToEdit(path: string, env: NodeJS.ProcessEnv): Promise<string | null> {
  const { regularTarget } = await import('./replace-file.ts');
  await regularTarget(path);
  return readWorkersText(path, env);
}

/**
 * The worker of that name.
 *
 * @throws UsageError with the nearest names and all existing ones
 */
export function chooseWorker(file: WorkersFile, name: string): WorkerEntry {
  const worker = file.workers.find((candidate) => candidate.name === name);
  if (worker === undefined) throw unknownWorkers(file, [name]);
  return worker;
}

/**
 * The workers of those names, each once, in the given order.
 *
 * @throws UsageError that names all that are unknown
 */
export function chooseWorkers(file: WorkersFile, names: readonly string[]): WorkerEntry[] {
  const known = new Set(file.workers.map(({ name }) => name));
  const wanted = [...new Set(names)];
  const unknown = wanted.filter((name) => !known.has(name));
  if (unknown.length > 0) throw unknownWorkers(file, unknown);
  return wanted.map((name) => chooseWorker(file, name));
}

function unknownWorkers({ path, workers }: WorkersFile, unknown: readonly string[]): UsageError {
  const names = workers.map(({ name }) => name);
  const message = `no worker ${unknown.map((name) => `"${name}"`).join(' or ')} in ${path}`;
  if (names.length === 0) return new UsageError(message, 'the file names no workers yet');
  const meant = unknown.map((name) => didYouMean(name, names)).filter((hint) => hint !== null);
  return new UsageError(message, ...new Set(meant), `workers: ${listNames(names)}`);
}

/** Names for a hint, not too many. */
export function listNames(names: readonly string[]): string {
  const more = names.length - LISTED_NAMES;
  return `${names.slice(0, LISTED_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function override(
  worker: WorkerEntry,
  { context, namespace, kubeconfig }: Omit<WorkerFlagValues, 'timeout'>,
  home: string,
): WorkerEntry {
  if (worker.runtime === 'local') return worker;
  const { keepConnection, ...entry } = worker;
  // It was said of the entry's own cluster.
  const isElsewhere = context !== undefined || kubeconfig !== undefined;
  return {
    ...entry,
    ...(keepConnection === undefined || isElsewhere ? {} : { keepConnection }),
    ...(context === undefined ? {} : { context }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(kubeconfig === undefined ? {} : { kubeconfig: expandHome(kubeconfig, home) }),
  };
}

function missingFile(path: string, env: NodeJS.ProcessEnv, commandLine: CommandLine): CliError {
  const example = join(packageRoot(), 'workers.example.yaml');
  const copy = `mkdir -p ${shellQuote(dirname(path))} && cp ${shellQuote(example)} ${shellQuote(path)}`;
  return new CliError(`there is no ${shortPath(path, homeOf(env))}, the file that names your workers`, {
    hints: [
      `a new one in a cluster: ${commandLine('provision', 'worker-1')}`,
      `one whose release is installed: ${commandLine('workers', 'add', 'worker-1')}`,
      `a new one on this machine: ${commandLine('local', 'up', 'try')}`,
      `from the example: ${copy}`,
    ],
  });
}
