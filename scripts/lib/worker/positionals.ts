/** The positionals that many commands share: WORKER with its default, and SESSION, which may also be given as a flag. */
import type { Context, Positional } from '../cli/command.ts';
import { CliError, UsageError } from '../cli/errors.ts';
import type { Flags } from '../cli/flags.ts';
import { select } from '../cli/prompt.ts';
import type { WorkerFlagValues } from '../config/flags.ts';
import type { WorkersFile } from '../config/worker-entry.ts';
import { chooseWorker, listNames, loadWorkers } from '../config/workers-file.ts';

/** A worker: the one named, else `$FACTORY_WORKER`, else the one that the operator chooses. */
export const WORKER: Positional = {
  name: 'WORKER',
  required: true,
  note: 'Without WORKER it is the one in $FACTORY_WORKER; if that is not set, a terminal shows a menu.',
  standIn: standInForWorker,
};

/** The worker in `$FACTORY_WORKER`, else the one that the operator chooses. @throws UsageError when there is neither */
export async function standInForWorker(context: Context, flags: FlagValues): Promise<string> {
  return (await defaultWorker(context, flags)) ?? askWorker(context, flags);
}

/** A worker for a command that takes something away: never a default. */
export const NAMED_WORKER: Positional = { name: 'WORKER', required: true, standIn: askWorker };

/** A session: `logs worker-1 qa` is the same as `logs worker-1 --session qa`. */
export const SESSION: Positional = { name: 'SESSION', required: false, flag: 'session' };

export const SESSION_FLAG = {
  session: {
    type: 'string',
    short: 's',
    value: 'NAME',
    description: 'the same as SESSION: its exact name, or its stage if only one session is at that stage',
  },
} as const satisfies Flags;

type FlagValues = Readonly<object>;

/**
 * @returns the name in `$FACTORY_WORKER`; null when it is not set
 * @throws UsageError when there is no such worker
 */
export async function defaultWorker(context: Context, flags: FlagValues): Promise<string | null> {
  const name = context.env['FACTORY_WORKER'];
  if (!name) return null;
  try {
    return chooseWorker(await load(context, flags), name).name;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`$FACTORY_WORKER: ${error.message}`, ...error.hints);
  }
}

/** @throws UsageError with the names to choose from, when there is no terminal to ask on */
async function askWorker(context: Context, flags: FlagValues): Promise<string> {
  const { workers } = await load(context, flags);
  const names = workers.map(({ name }) => name);
  if (names.length === 0) throw new UsageError('WORKER is missing', 'the file names no workers yet');
  if (!context.interactive) {
    throw new UsageError(
      'WORKER is missing',
      `workers: ${listNames(names)}`,
      'a default for all commands: export FACTORY_WORKER=NAME',
    );
  }
  const choices = names.map((name) => ({ name, value: name }));
  return select(context, 'Which worker?', choices, 'WORKER, the first argument');
}

/** @throws UsageError when the file cannot be read: then the missing argument is what was wrong first */
async function load({ env, commandLine }: Context, flags: FlagValues): Promise<WorkersFile> {
  try {
    return await loadWorkers(env, flags as unknown as WorkerFlagValues, commandLine);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new UsageError('WORKER is missing', error.message, ...error.hints);
  }
}
