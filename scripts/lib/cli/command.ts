/** What a command is: what it declares, and what it gets to run with. Knows nothing about workers. */
import type { Exec } from '../exec.ts';
import type { Flags, FlagValues } from './flags.ts';
import type { Sink } from './sink.ts';

/** Everything a command uses besides its arguments; tests replace parts of it. */
export interface Context {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly exec: Exec;
  /** Aborted by Ctrl-C, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /** Whether there is a terminal to ask questions on. */
  readonly interactive: boolean;
  /** How the user types this command and its siblings: `commandLine('list')`. */
  readonly commandLine: (name: string, ...args: string[]) => string;
  readonly now: () => Date;
  /**
   * Runs another command in this one's place, with its own questions, output and errors. Ctrl-C ends that one only.
   *
   * @returns its exit code
   */
  readonly runSibling: <F extends Flags>(command: Command<F>, argv: readonly string[]) => Promise<number>;
}

export interface Input<F extends Flags> {
  readonly flags: FlagValues<F>;
  readonly positionals: readonly string[];
  readonly rest: readonly string[];
}

export interface Positional {
  /** As the help shows it: `WORKER`. */
  readonly name: string;
  readonly required: boolean;
  readonly repeat?: boolean;
  /** The flag that may be given instead of it; then it is not among the words. */
  readonly flag?: string;
  /** For the help, below the usage. */
  readonly note?: string;
  /**
   * Finds what stands in for it when it is missing, from the values of the flags.
   *
   * @throws UsageError when there is nothing
   */
  readonly standIn?: (context: Context, flags: Readonly<Record<string, unknown>>) => Promise<string>;
}

/** What the help says about a command, besides its flags. */
export interface Described {
  readonly summary: string;
  readonly description?: string;
  readonly positionals: readonly Positional[];
  /** What may follow `--`; undefined when nothing may. */
  readonly rest?: string;
  /** Arguments, each with what it does; at least two. */
  readonly examples: readonly (readonly [args: string, why: string])[];
}

export interface Command<F extends Flags> extends Described {
  readonly name: string;
  /** After this many positionals everything is passed through, even without `--`: `exec worker-1 ls -l`. */
  readonly restAfter?: number;
  readonly flags: F;
  /** @returns the exit code; undefined means 0 */
  readonly run: (input: Input<F>, context: Context) => Promise<number | undefined>;
}

/** Flags every command has. */
export const COMMON_FLAGS = {
  help: {
    type: 'boolean',
    global: true,
    short: 'h',
    description: 'print this help; with --all, explain every flag',
  },
  version: { type: 'boolean', global: true, description: 'print the version' },
  verbose: { type: 'boolean', global: true, short: 'v', description: 'show every command line that is run' },
  'no-color': { type: 'boolean', global: true, description: 'print without colours (same as NO_COLOR=1)' },
  'no-input': { type: 'boolean', global: true, description: 'never prompt; fail where an answer is needed' },
} as const satisfies Flags;

/** Declares a command; an identity function that lets TypeScript infer the flags. */
export function defineCommand<F extends Flags>(command: Command<F>): Command<F> {
  return command;
}

/** Loads the code of a command when it is used. */
export type Load<F extends Flags = Flags> = () => Promise<Command<F>>;

/** The same, with the type that the loaders of all commands share. */
export function loading<F extends Flags>(load: Load<F>): Load {
  return load as unknown as Load;
}
