/**
 * How a command runs: parse, run, one catch, one exit code.
 *
 * stdout is data only; prompts, progress, notes and errors go to stderr.
 */
import { setMaxListeners } from 'node:events';
import { realpathSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ContractError } from '../contract.ts';
import { type Argv, createExec, type Exec } from '../exec.ts';
import {
  COMMON_FLAGS,
  type Command,
  type Context,
  type Described,
  type Input,
  type Positional,
} from './command.ts';
import { CliError, ExitCode, InterruptedError, UsageError } from './errors.ts';
import { type Flags, type FlagValues, parseFlags } from './flags.ts';
import { renderHelp, usageLine } from './help.ts';
import { renderJsonLine } from './output.ts';
import { createSink, type OutputStream } from './sink.ts';
import { printable, shellQuote } from './text.ts';
import { packageVersion } from './version.ts';

/**
 * Runs a command when its file was started as the program, as in `npx tsx scripts/list.ts`. Does nothing when the umbrella
 * command or a test imported the file.
 *
 * @param moduleUrl the file's `import.meta.url`
 */
export async function runIfMain<F extends Flags>(moduleUrl: string, command: Command<F>): Promise<void> {
  const file = fileURLToPath(moduleUrl);
  if (startedFile() !== file) return;
  const [folder, cwd] = [dirname(file), currentFolder()];
  await main(command, process.argv.slice(2), (name) => sourceLine(folder, cwd, name));
}

/**
 * A command's file as it is typed in a folder: `npx tsx scripts/list.ts` in the checkout, `npx tsx ../checkout/scripts/list.ts`
 * beside it, and the whole path far away.
 *
 * @param folder where the files of the commands are, absolute
 * @param cwd null where the current folder is gone
 */
export function sourceLine(folder: string, cwd: string | null, name: string): string {
  const path = join(folder, `${name}.ts`);
  const near = cwd === null ? path : relative(cwd, path);
  return `npx tsx ${shellQuote(near.length < path.length ? near : path)}`;
}

/** The current folder; null when it was removed. */
function currentFolder(): string | null {
  try {
    return process.cwd();
  } catch {
    return null;
  }
}

/** The file that was started as the program; null where there is none, as with `node --eval`. */
function startedFile(): string | null {
  try {
    return realpathSync(process.argv[1] ?? '');
  } catch {
    return null;
  }
}

/**
 * Runs a command as the whole program and sets the exit code.
 *
 * @param typed how the user types a command of the given name
 */
export async function main<F extends Flags>(
  command: Command<F>,
  argv: readonly string[],
  typed: (name: string) => string,
): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // `list | head -1`, `list 2>&1 | head -1`: the reader has read enough.
      if (error.code === 'EPIPE') process.exit(ExitCode.ok);
      throw error;
    });
  }
  /** The command, and siblings that it runs; the last one is at the terminal. */
  const running: AbortController[] = [];
  const exitOn = (signal: NodeJS.Signals, code: number, interrupted: () => readonly AbortController[]) => {
    process.on(signal, () => {
      if (running.at(-1)?.signal.aborted) process.exit(code);
      for (const interrupt of interrupted()) interrupt.abort(new InterruptedError('interrupted', code));
    });
  };
  exitOn('SIGINT', ExitCode.interrupted, () => running.slice(-1));
  exitOn('SIGTERM', 143, () => running);
  exitOn('SIGHUP', 129, () => running);
  const runOne = async <G extends Flags>(one: Command<G>, words: readonly string[]): Promise<number> => {
    const interrupt = new AbortController();
    // Everything that runs at the same time listens to it, and Node would print a warning from the eleventh on.
    setMaxListeners(0, interrupt.signal);
    running.push(interrupt);
    try {
      return await runCommand(one, words, {
        env: process.env,
        stdin: process.stdin,
        stdout: process.stdout,
        stderr: process.stderr,
        signal: interrupt.signal,
        commandLine: (name, ...args) => [typed(name), ...args.map(shellQuote)].join(' '),
        now: () => new Date(),
        runSibling: runOne,
      });
    } finally {
      // The first one stays until the program has ended: a second Ctrl-C ends what it still waits for.
      if (running.length > 1) running.pop();
    }
  };
  process.exitCode = await runOne(command, argv);
}

type ProcessContext = Omit<Context, 'exec' | 'interactive' | 'stdout' | 'stderr' | 'runSibling'> & {
  readonly runSibling?: Context['runSibling'];
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly exec?: Exec;
};

/**
 * Runs a command with the given process context: the seam for tests.
 *
 * @returns the exit code; never throws
 */
export async function runCommand<F extends Flags>(
  command: Command<F>,
  argv: readonly string[],
  host: ProcessContext,
): Promise<number> {
  const { env } = host;
  const stdout = createSink(host.stdout);
  const json = Object.hasOwn(command.flags, 'json') && wantsJson(argv);
  // Programs read both streams then, and neither has colours.
  const stderr = createSink(host.stderr, { colours: !json });
  const flags = { ...command.flags, ...COMMON_FLAGS };
  const program = host.commandLine(command.name);
  let exec = host.exec;
  try {
    const parsed = parseOrHelp(argv, flags, command.restAfter);
    if (parsed === 'help' || parsed.flags.help) {
      const options = {
        program,
        all: argv.includes('--all'),
        width: stdout.isTTY ? stdout.columns : undefined,
      };
      stdout.write(renderHelp(command, flags, options));
      return ExitCode.ok;
    }
    if (parsed.flags.version) {
      stdout.write(`factory-worker ${packageVersion()}\n`);
      return ExitCode.ok;
    }
    if (parsed.flags['no-color']) {
      env['NO_COLOR'] = '1';
      // FORCE_COLOR would win over NO_COLOR, but the flag was given for this run.
      delete env['FORCE_COLOR'];
    }
    const trace = parsed.flags.verbose ? (line: Argv) => stderr.write(`+ ${traced(line)}\n`) : undefined;
    exec ??= createExec(trace);
    const context: Context = {
      ...host,
      stdout: wantsYaml(command.flags, parsed.flags) ? (await import('./yaml.ts')).yamlSink(stdout) : stdout,
      stderr,
      commandLine: carryOn(host.commandLine, command.flags, parsed.flags),
      exec,
      runSibling: host.runSibling ?? ((sibling, words) => runCommand(sibling, words, host)),
      interactive: host.stdin.isTTY === true && stderr.isTTY && !env['CI'] && !parsed.flags['no-input'],
    };
    const positionals = await completePositionals(command, parsed, context);
    const code = await command.run(
      { flags: parsed.flags as unknown as FlagValues<F>, positionals, rest: parsed.rest },
      context,
    );
    return code ?? ExitCode.ok;
  } catch (error) {
    return report(
      error,
      { ...host, stderr },
      {
        json,
        usage: `${usageLine(command, program)}\n${program} --help explains`,
      },
    );
  } finally {
    exec?.close();
  }
}

/** Prints an error in the requested format and returns its exit code. */
function report(
  error: unknown,
  { stderr, signal, env }: Pick<Context, 'stderr' | 'signal' | 'env'>,
  { json, usage }: { json: boolean; usage: string },
): number {
  const known = expected(signal.aborted && !(error instanceof CliError) ? signal.reason : error);
  if (known === null) {
    // A bug in this program: print the stack.
    const message = 'factory-worker failed unexpectedly; please report this';
    const stack = String((error as Error | null)?.stack ?? error);
    stderr.write(json ? jsonError(message, [stack], ExitCode.failed) : `${message}\n${stack}\n`);
    return ExitCode.failed;
  }
  const { message, hints } = known;
  // The operator need not know which signal it was.
  const { exitCode } =
    known instanceof InterruptedError && signal.reason instanceof InterruptedError ? signal.reason : known;
  if (json) {
    stderr.write(jsonError(message, hints, exitCode));
    return exitCode;
  }
  // A message may quote a worker's output.
  stderr.write(`error: ${printable(message)}\n`);
  for (const hint of hints) stderr.write(`  ${printable(hint).replaceAll('\n', '\n  ')}\n`);
  if (known instanceof UsageError) stderr.write(`usage: ${usage}\n`);
  if (env['DEBUG']) stderr.write(`${known.stack}\n`);
  return exitCode;
}

/** An error as JSON. */
export function jsonError(message: string, hints: readonly string[], exitCode: number): string {
  return renderJsonLine({ error: { message, hints, exitCode } });
}

/** @returns the error as a failure that a command may have; null for a bug of ours */
export function expected(error: unknown): CliError | null {
  if (error instanceof CliError) return error;
  // A worker's answer did not match its schema.
  if (error instanceof ContractError) return new CliError(error.message);
  // Inquirer rejects like this at Ctrl-C, since no SIGINT arrives in raw mode (SBoudrias/Inquirer.js#1502).
  if (error instanceof Error && error.name === 'ExitPromptError') return new InterruptedError();
  return null;
}

/**
 * The positionals, each in its place: also those that were given as flags, and what stands in for a missing one.
 *
 * @throws UsageError when one is missing, or there are too many
 */
async function completePositionals(
  command: Described,
  parsed: Pick<Input<Flags>, 'positionals' | 'rest' | 'flags'>,
  context: Context,
): Promise<readonly string[]> {
  const { positionals, rest } = parsed;
  const flags: Readonly<Record<string, unknown>> = parsed.flags;
  const asFlag = ({ flag }: Positional) => (flag === undefined ? undefined : flags[flag]);
  const asWords = command.positionals.filter((positional) => asFlag(positional) === undefined);
  const words = [...positionals];
  const at = asWords.findIndex(({ standIn }) => standIn !== undefined);
  if (at >= 0 && words.length < asWords.filter(({ required }) => required).length) {
    words.splice(at, 0, (await asWords[at]?.standIn?.(context, flags)) ?? '');
  }
  command.positionals.forEach((positional, index) => {
    const value = asFlag(positional);
    if (typeof value === 'string') words.splice(index, 0, value);
  });
  checkPositionals(command, words, rest);
  return words;
}

function checkPositionals(command: Described, given: readonly string[], rest: readonly string[]): void {
  const missing = command.positionals.find(({ required }, index) => required && given[index] === undefined);
  if (missing) throw new UsageError(`${missing.name} is missing`);
  const takesMany = command.positionals.at(-1)?.repeat === true;
  const surplus = given[command.positionals.length];
  if (surplus !== undefined && !takesMany) throw new UsageError(`unexpected argument "${surplus}"`);
  if (rest.length > 0 && command.rest === undefined)
    throw new UsageError(`unexpected argument "${rest[0]}" after --`);
}

/** Prints the commands of next steps with this command's sticky flags. */
function carryOn(
  commandLine: Context['commandLine'],
  flags: Flags,
  values: Readonly<Record<string, unknown>>,
): Context['commandLine'] {
  const sticky = Object.entries(flags).flatMap(([name, flag]) => {
    const value = values[name];
    if (flag.type !== 'string' || flag.sticky === undefined || typeof value !== 'string') return [];
    return [{ flag: `--${name}`, value, exceptInto: flag.sticky.exceptInto }];
  });
  return (name, ...args) => {
    const end = args.indexOf('--');
    const at = end < 0 ? args.length : end;
    const own = args.slice(0, at);
    // A flag that the next step gives itself takes precedence.
    const carried = sticky
      .filter(({ flag, exceptInto }) => !own.includes(flag) && !exceptInto.includes(name))
      .flatMap(({ flag, value }) => [flag, value]);
    return commandLine(name, ...own, ...carried, ...args.slice(at));
  };
}

/** Parsed arguments; or `help`, which works even where the rest of the command line is a usage error. */
function parseOrHelp<F extends Flags>(argv: readonly string[], flags: F, restAfter: number | undefined) {
  try {
    return parseFlags(argv, flags, restAfter);
  } catch (error) {
    const end = argv.indexOf('--');
    const words = argv.slice(0, end < 0 ? undefined : end);
    if (words.includes('-h') || words.includes('--help')) return 'help';
    throw error;
  }
}

/** Whether the data that the command prints is to be YAML. */
function wantsYaml(flags: Flags, { output }: Readonly<Record<string, unknown>>): boolean {
  const flag = flags['output'];
  return flag?.type === 'string' && flag.yamlOfJson === true && output === 'yaml';
}

/**
 * Whether errors are to be JSON too, which is YAML as well; guessed from the words, since the error may be that they cannot be
 * parsed.
 */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  const words = argv.slice(0, end < 0 ? undefined : end);
  return / (?:--json|(?:-o[ =]?|--output[ =])(?:json|yaml)) /.test(` ${words.join(' ')} `);
}

/** An argv for `--verbose`: a script is cut to its first line. */
function traced(argv: Argv): string {
  return argv
    .map((word) => (word.includes('\n') ? `'${word.slice(0, word.indexOf('\n'))} …'` : shellQuote(word)))
    .join(' ');
}
