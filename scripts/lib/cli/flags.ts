/**
 * Declared flags on top of minimist. What minimist would guess at (numbers, unknown flags, a boolean that swallows the next
 * word, `-ojson`) is resolved before it sees the arguments, so that a typo is an error and `0123` stays `0123`.
 */
import minimist from 'minimist';
import { UsageError } from './errors.ts';
import { didYouMean } from './text.ts';

interface FlagBase {
  readonly short?: string;
  readonly description: string;
  /** Of nearly every command: the help names it, and explains it with `--all`. */
  readonly global?: boolean;
}

export interface BooleanFlag extends FlagBase {
  readonly type: 'boolean';
}

export interface StringFlag extends FlagBase {
  readonly type: 'string';
  /** Placeholder of the value in the help: `NAME`. */
  readonly value: string;
  readonly default?: string;
  readonly choices?: readonly string[];
  /** Its value `yaml` asks for what `json` prints, written as YAML. */
  readonly yamlOfJson?: boolean;
  /**
   * Its earlier name, still understood and shown nowhere. Where a switch has that name now, the word means this flag only
   * when a number follows: `--wait 30m`.
   */
  readonly formerly?: string;
  /**
   * Commands printed as next steps repeat this flag, so that they can be pasted as they are; except for the commands that do
   * not have it.
   */
  readonly sticky?: { readonly exceptInto: readonly string[] };
}

/** May be repeated, and takes comma-separated lists. */
export interface ListFlag extends FlagBase {
  readonly type: 'list';
  readonly value: string;
  /** Do not split at commas: for file names and assignments that go to another program. */
  readonly whole?: boolean;
}

export type Flag = BooleanFlag | StringFlag | ListFlag;
export type Flags = Readonly<Record<string, Flag>>;

type FlagValue<F extends Flag> = F extends BooleanFlag
  ? boolean
  : F extends ListFlag
    ? readonly string[]
    : F extends { readonly default: string }
      ? string
      : string | undefined;

/** The values of declared flags; inferred from the declaration. */
export type FlagValues<F extends Flags> = { readonly [K in keyof F]: FlagValue<F[K]> };

export interface ParsedArgs<F extends Flags> {
  readonly flags: FlagValues<F>;
  readonly positionals: readonly string[];
  /** Everything after `--`, unchanged. */
  readonly rest: readonly string[];
}

/**
 * Parses arguments against declared flags.
 *
 * @param argv the arguments after the command's name
 * @param restAfter after this many positionals everything is `rest`, as if `--` came before it
 * @throws UsageError for an unknown flag (with the nearest known one), a flag without its value, a value a boolean cannot
 *   take or one that is not among the choices
 */
export function parseFlags<F extends Flags>(
  argv: readonly string[],
  flags: F,
  restAfter = Number.POSITIVE_INFINITY,
): ParsedArgs<F> {
  const normalized = normalize(argv, flags, restAfter);
  const parsed = minimist(normalized, {
    '--': true,
    boolean: namesOf(flags, 'boolean'),
    string: [...namesOf(flags, 'string'), ...namesOf(flags, 'list'), '_'],
  });
  const values: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(flags)) values[name] = readValue(name, flag, parsed[name]);
  return { flags: values as FlagValues<F>, positionals: parsed._, rest: parsed['--'] ?? [] };
}

function readValue(name: string, flag: Flag, given: unknown): unknown {
  if (flag.type === 'boolean') return given === true;
  const all: string[] = given === undefined ? [] : [given].flat().map(String);
  if (flag.type === 'list') {
    return all.flatMap((value) => (flag.whole ? [value] : value.split(','))).filter((value) => value !== '');
  }
  // The last one wins, as with kubectl, so that an alias can set defaults.
  const value = all.at(-1) ?? flag.default;
  if (value !== undefined && flag.choices && !flag.choices.includes(value)) {
    const hint = didYouMean(value, flag.choices);
    throw new UsageError(
      `--${name} takes ${flag.choices.join(', ')}; not "${value}"`,
      ...(hint === null ? [] : [hint]),
    );
  }
  return value;
}

/** Rewrites every flag to `--name` or `--name=value`, so that minimist has nothing to guess. */
function normalize(argv: readonly string[], flags: Flags, restAfter: number): string[] {
  const normalized: string[] = [];
  const queue = [...argv];
  let positionals = 0;
  for (let token = queue.shift(); token !== undefined; token = queue.shift()) {
    if (token === '--') return [...normalized, '--', ...queue];
    if (token === '-' || !token.startsWith('-')) {
      if (positionals++ === restAfter) return [...normalized, '--', token, ...queue];
      normalized.push(token);
      continue;
    }
    const { name, value, cluster } = renamed(split(token, flags), queue[0], flags);
    const flag = declared(flags, name);
    if (flag === undefined) throw unknownFlag(token, flags);
    if (cluster !== null) queue.unshift(cluster);
    if (flag.type === 'boolean') {
      if (value !== null && value !== 'true' && value !== 'false') {
        throw new UsageError(`--${name} takes no value; not "${value}"`);
      }
      // With its value: minimist would read `--no-color` as `color` set to false.
      normalized.push(`--${name}=${value ?? 'true'}`);
      continue;
    }
    const given = value ?? takeValue(queue, flags);
    if (given === null || given === '') {
      throw new UsageError(`--${name} needs a value: --${name} ${flag.value}`);
    }
    normalized.push(`--${name}=${given}`);
  }
  return normalized;
}

/** The next word, unless it is itself a flag: in `--project --json` the project is missing. */
function takeValue(queue: string[], flags: Flags): string | null {
  const next = queue[0];
  if (next === undefined || next === '--') return null;
  if (/^--?[a-zA-Z]/.test(next) && declared(flags, split(next, flags).name)) return null;
  queue.shift();
  return next;
}

interface Token {
  readonly name: string;
  readonly value: string | null;
  /** The rest of `-vq` after `-v`, as an argument of its own. */
  readonly cluster: string | null;
}

function split(token: string, flags: Flags): Token {
  const equals = token.indexOf('=');
  if (token.startsWith('--')) {
    return equals < 0
      ? { name: token.slice(2), value: null, cluster: null }
      : { name: token.slice(2, equals), value: token.slice(equals + 1), cluster: null };
  }
  const short = token[1] ?? '';
  const name = Object.keys(flags).find((key) => flags[key]?.short === short) ?? token;
  const tail = token.slice(2);
  if (tail === '') return { name, value: null, cluster: null };
  if (tail.startsWith('=')) return { name, value: tail.slice(1), cluster: null };
  return declared(flags, name)?.type === 'boolean'
    ? { name, value: null, cluster: `-${tail}` }
    : { name, value: tail, cluster: null };
}

/** The token with the name that its flag has now. @param next the word after it */
function renamed(token: Token, next: string | undefined, flags: Flags): Token {
  const isOld = ([, flag]: [string, Flag]) => flag.type === 'string' && flag.formerly === token.name;
  const [name] = Object.entries(flags).find(isOld) ?? [];
  if (name === undefined) return token;
  const hasNumber = /^\d/.test(token.value ?? next ?? '');
  return declared(flags, token.name) === undefined || hasNumber ? { ...token, name } : token;
}

/** A flag by its name; inherited properties of objects, such as `constructor`, do not count. */
function declared(flags: Flags, name: string): Flag | undefined {
  return Object.hasOwn(flags, name) ? flags[name] : undefined;
}

function unknownFlag(token: string, flags: Flags): UsageError {
  const word = token.split('=')[0] ?? token;
  // Without the dashes, which would make all short flags look alike.
  const hint = didYouMean(word.replace(/^-+/, ''), Object.keys(flags), '--');
  return new UsageError(`unknown flag ${word}`, ...(hint === null ? [] : [hint]));
}

function namesOf(flags: Flags, type: Flag['type']): string[] {
  return Object.keys(flags).filter((name) => flags[name]?.type === type);
}
