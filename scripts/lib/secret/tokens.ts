/** A worker's tokens, from files, the environment or a prompt; never from argv, which every user of the machine can read. */
import { readFile } from 'node:fs/promises';
import type { Context } from '../cli/command.ts';
import { CliError, UsageError } from '../cli/errors.ts';
import type { Flags, FlagValues } from '../cli/flags.ts';
import { input, secret } from '../cli/prompt.ts';
import { expandHome, homeOf } from '../config/paths.ts';

/**
 * The keys of a worker's Secret. The first three are required; SSH_PRIVATE_KEY only for clones over SSH, DATABASE_URL only for a
 * database of the operator's own.
 */
export const NEEDED_KEYS = ['CLAUDE_CODE_OAUTH_TOKEN', 'GH_TOKEN', 'GH_USER'] as const;
export const KEYS = [...NEEDED_KEYS, 'SSH_PRIVATE_KEY', 'DATABASE_URL'] as const;
export type Key = (typeof KEYS)[number];

export const TOKEN_FLAGS = {
  'token-file': { type: 'string', value: 'FILE', description: 'file with CLAUDE_CODE_OAUTH_TOKEN alone' },
  'gh-token-file': { type: 'string', value: 'FILE', description: 'file with GH_TOKEN alone' },
  'gh-user': { type: 'string', value: 'LOGIN', description: "GH_USER: the bot account's login" },
  'ssh-key-file': {
    type: 'string',
    value: 'FILE',
    description: 'file with SSH_PRIVATE_KEY, for clones over SSH',
  },
  'database-url-file': {
    type: 'string',
    value: 'FILE',
    description: 'file with DATABASE_URL, for a PostgreSQL of your own',
  },
  'secrets-file': {
    type: 'string',
    value: 'FILE',
    description: 'file with some of these keys, one KEY=VALUE per line',
  },
  'from-env': {
    type: 'boolean',
    description: 'read keys that no file gives from the environment',
  },
} as const satisfies Flags;

export type TokenFlagValues = FlagValues<typeof TOKEN_FLAGS>;

/** The flag that gives each key. */
export const FLAG_OF: Readonly<Record<Key, string>> = {
  CLAUDE_CODE_OAUTH_TOKEN: '--token-file',
  GH_TOKEN: '--gh-token-file',
  GH_USER: '--gh-user',
  SSH_PRIVATE_KEY: '--ssh-key-file',
  DATABASE_URL: '--database-url-file',
};

const ENVIRONMENT = 'the environment';

export interface Token {
  readonly key: Key;
  readonly value: string;
  /** Where it comes from, for messages: `~/claude-token`. */
  readonly source: string;
}

/**
 * The tokens from flags and environment: a key's own file first, then the file with several keys, then the environment.
 *
 * @throws UsageError when one is not a token, or a file has other keys; CliError when a file cannot be read. Never with a value
 */
export async function givenTokens(flags: TokenFlagValues, env: NodeJS.ProcessEnv): Promise<Token[]> {
  const found = new Map<Key, Token>();
  const add = (key: Key, value: string, source: string) => {
    if (!found.has(key)) found.set(key, { key, value: checked(key, value, source), source });
  };
  const files: readonly (readonly [Key, string | undefined])[] = [
    ['CLAUDE_CODE_OAUTH_TOKEN', flags['token-file']],
    ['GH_TOKEN', flags['gh-token-file']],
    ['SSH_PRIVATE_KEY', flags['ssh-key-file']],
    ['DATABASE_URL', flags['database-url-file']],
  ];
  for (const [key, file] of files) {
    if (file !== undefined) add(key, await read(file, FLAG_OF[key], env), file);
  }
  if (flags['gh-user'] !== undefined) add('GH_USER', flags['gh-user'], '--gh-user');
  const all = flags['secrets-file'];
  if (all !== undefined) {
    for (const [key, value] of parseSecretsFile(await read(all, '--secrets-file', env), all))
      add(key, value, all);
  }
  if (flags['from-env']) {
    for (const key of KEYS) {
      const value = env[key];
      // Many programs have a DATABASE_URL, which may be of any database.
      if (value && !(key === 'DATABASE_URL' && problemWith(key, value) !== null))
        add(key, value, ENVIRONMENT);
    }
  }
  return KEYS.flatMap((key) => found.get(key) ?? []);
}

/** Without a DATABASE_URL that is only in the environment, unless the worker needs one: it may be that of something else. */
export function withoutStrayUrl(tokens: readonly Token[], needed: boolean): Token[] {
  return tokens.filter(({ key, source }) => needed || key !== 'DATABASE_URL' || source !== ENVIRONMENT);
}

/**
 * Asks the operator for the missing keys.
 *
 * @throws UsageError without a terminal, naming the flag
 */
export async function askTokens(keys: readonly Key[], context: Context): Promise<Token[]> {
  const tokens: Token[] = [];
  for (const key of keys) {
    const ask = key === 'GH_USER' ? input : secret;
    const value = await ask(context, `${key}:`, `${FLAG_OF[key]}, --secrets-file or --from-env`, (text) =>
      problemWith(key, text.trim()) === null ? true : `this is ${problemWith(key, text.trim())}`,
    );
    tokens.push({ key, value: checked(key, value, 'the terminal'), source: 'the terminal' });
  }
  return tokens;
}

/** Masks these in all output, in case a worker or the cluster echoes them. A login is not a secret. */
export function hideTokens(
  tokens: readonly { readonly key: string; readonly value: string }[],
  { stdout, stderr }: Pick<Context, 'stdout' | 'stderr'>,
): void {
  const secrets = tokens.filter(({ key }) => key !== 'GH_USER').map(({ value }) => value);
  for (const sink of [stdout, stderr]) sink.hide(secrets);
}

/** @param text lines KEY=VALUE, as for `kubectl create secret --from-env-file` */
export function parseSecretsFile(text: string, file: string): [Key, string][] {
  return text
    .split(/\r?\n/)
    .map((line, index) => ({ line: line.trim().replace(/^export\s+/, ''), number: index + 1 }))
    .filter(({ line }) => line !== '' && !line.startsWith('#'))
    .map(({ line, number }) => {
      const at = line.indexOf('=');
      const key = KEYS.find((candidate) => candidate === line.slice(0, at));
      if (key === undefined) {
        throw new UsageError(
          `${file}:${number} is not a line KEY=VALUE with one of the keys ${KEYS.join(', ')}`,
        );
      }
      return [key, line.slice(at + 1).replace(/^(['"])(.*)\1$/, '$2')];
    });
}

/** A trailing newline breaks a token, and a missing one breaks an SSH key. */
function checked(key: Key, value: string, source: string): string {
  const trimmed = value.trim();
  const problem = problemWith(key, trimmed);
  if (problem !== null) throw new UsageError(`${key} from ${source} is ${problem}`);
  return key === 'SSH_PRIVATE_KEY' ? `${trimmed}\n` : trimmed;
}

function problemWith(key: Key, value: string): string | null {
  if (value === '') return 'empty';
  if (key === 'SSH_PRIVATE_KEY') {
    return value.includes('PRIVATE KEY-----') ? null : 'not a private key: give the file of the key itself';
  }
  if (key === 'DATABASE_URL' && !/^postgres(ql)?:\/\/\S+$/.test(value)) {
    return 'not the URL of a PostgreSQL database: postgres://USER:PASSWORD@HOST:PORT/DATABASE';
  }
  return /\s/.test(value) ? 'more than one word: the file should contain nothing else' : null;
}

async function read(file: string, flag: string, env: NodeJS.ProcessEnv): Promise<string> {
  try {
    return await readFile(expandHome(file, homeOf(env)), 'utf8');
  } catch (error) {
    throw new CliError(`${flag} ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}
