/** Turns the words of a command line into candidates. Pure: it names what has to be looked up, but does not look it up. */
import { basename } from 'node:path';
import { COMMON_FLAGS, type Command } from '../cli/command.ts';
import { type Flag, type Flags, type ParsedArgs, parseFlags } from '../cli/flags.ts';
import type { WorkerFlagValues } from '../config/flags.ts';

export interface Candidate {
  /** The whole word, unquoted. */
  readonly value: string;
  /** Shown beside the candidate by some shells; may be empty. */
  readonly description: string;
}

/** The flags typed so far that say where the workers are. */
export type Given = Omit<WorkerFlagValues, 'timeout'>;

/** What to offer. */
export type Plan =
  | { readonly kind: 'nothing' }
  /** File names, completed by the shell itself. */
  | { readonly kind: 'files' }
  | { readonly kind: 'words'; readonly words: readonly Candidate[] }
  /** Names of workers, except those already typed. */
  | { readonly kind: 'workers'; readonly given: Given; readonly except: readonly string[] }
  /** What one worker has. `before` is the text before the name in the same word, such as `--session=`. */
  | {
      readonly kind: 'projects' | 'sessions' | 'issues';
      readonly given: Given;
      readonly worker: string;
      readonly before: string;
    };

const NOTHING: Plan = { kind: 'nothing' };

/**
 * The words of our command on a line that begins with one of the two programs we complete.
 *
 * @param words from the program's name up to the cursor, unquoted; the last one, maybe empty, is being typed
 * @returns the words after `factory-worker` (or an alias of it) or `factory worker`; null when the command is factory's own
 */
export function ownWords([program = '', first, ...rest]: readonly string[]): readonly string[] | null {
  if (basename(program) !== 'factory') return first === undefined ? [''] : [first, ...rest];
  return first === 'worker' && rest.length > 0 ? rest : null;
}

/** A word that cannot be typed: it marks the cursor, to see how the real parser reads it. */
const CURSOR = '\0cursor';

/**
 * What can be typed at the cursor among the arguments of a command.
 *
 * @param words the words after the command's name; the last one is being typed
 */
export function planArguments(command: Command<Flags>, words: readonly string[]): Plan {
  const flags: Flags = { ...command.flags, ...COMMON_FLAGS };
  const current = words.at(-1) ?? '';
  const earlier = words.slice(0, -1);
  const before = /^--[^=]+=/.exec(current)?.[0] ?? '';
  const parsed = parseLeniently([...earlier, before + CURSOR], flags, command.restAfter);
  if (parsed === null || parsed.rest.length > 0) return NOTHING;

  const workerAt = command.positionals.findIndex(({ name }) => name === 'WORKER');
  const known = { given: parsed.flags as unknown as Given, worker: parsed.positionals[workerAt], before };
  const name = Object.keys(flags).find((flag) => [parsed.flags[flag]].flat().includes(CURSOR));
  if (name !== undefined) return planValue(name, flags[name] as Flag, known);
  if (current.startsWith('-')) return { kind: 'words', words: flagCandidates(flags, earlier) };
  return planPositional(command, parsed.positionals, known);
}

/** Usage errors before the cursor are left to the command itself to report. */
function parseLeniently(argv: readonly string[], flags: Flags, restAfter: number | undefined) {
  const anyValue = Object.entries(flags).map(([name, flag]) => [name, { ...flag, choices: undefined }]);
  try {
    return parseFlags(argv, Object.fromEntries(anyValue) as Flags, restAfter) as ParsedArgs<Flags> & {
      readonly flags: Readonly<Record<string, unknown>>;
    };
  } catch {
    return null;
  }
}

function planValue(
  name: string,
  flag: Flag,
  { given, worker, before }: { given: Given; worker: string | undefined; before: string },
): Plan {
  if (flag.type === 'boolean') return NOTHING;
  if (flag.type === 'string' && flag.choices) {
    return { kind: 'words', words: flag.choices.map((choice) => plain(before + choice)) };
  }
  if (flag.value === 'FILE' || flag.value === 'DIR') return { kind: 'files' };
  if (worker === undefined) return NOTHING;
  if (name === 'session') return { kind: 'sessions', given, worker, before };
  if (name === 'project') return { kind: 'projects', given, worker, before };
  return NOTHING;
}

function flagCandidates(flags: Flags, typed: readonly string[]): Candidate[] {
  const once = (name: string) =>
    flags[name]?.type === 'list' ||
    !typed.some((word) => word === `--${name}` || word.startsWith(`--${name}=`));
  return Object.entries(flags)
    .filter(([name]) => once(name))
    .map(([name, { description }]) => ({ value: `--${name}`, description }));
}

/** @param typed the positionals up to the cursor, which is the last one */
function planPositional(
  command: Command<Flags>,
  typed: readonly string[],
  { given, worker }: { given: Given; worker: string | undefined },
): Plan {
  const last = command.positionals.at(-1);
  const positional = command.positionals[typed.length - 1] ?? (last?.repeat ? last : undefined);
  if (positional === undefined) return NOTHING;
  // Commands with a few fixed words list them in their usage line: `bash|zsh|fish`.
  if (positional.name.includes('|')) {
    return { kind: 'words', words: positional.name.split('|').map(plain) };
  }
  if (positional.name === 'SESSION' && worker !== undefined) {
    return { kind: 'sessions', given, worker, before: '' };
  }
  if (positional.name === 'ISSUE' && worker !== undefined) {
    return { kind: 'issues', given, worker, before: '' };
  }
  if (positional.name !== 'WORKER' && positional.name !== 'NAME') return NOTHING;
  const before = typed.slice(command.positionals.indexOf(positional), -1);
  return { kind: 'workers', given, except: before };
}

function plain(value: string): Candidate {
  return { value, description: '' };
}
