/** Tokens from files, the environment and the terminal. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defineCommand } from '../../scripts/lib/cli/command.ts';
import { loginFor, readLogin, registryOf } from '../../scripts/lib/provision/registry-login.ts';
import { againArgs } from '../../scripts/lib/provision/run.ts';
import {
  askTokens,
  givenTokens,
  NEEDED_KEYS,
  parseSecretsFile,
  type TokenFlagValues,
  withoutStrayUrl,
} from '../../scripts/lib/secret/tokens.ts';
import { run } from '../support/run-command.ts';

const NONE: TokenFlagValues = {
  'token-file': undefined,
  'gh-token-file': undefined,
  'gh-user': undefined,
  'ssh-key-file': undefined,
  'database-url-file': undefined,
  'secrets-file': undefined,
  'from-env': false,
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tokens-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('tokens that are given', () => {
  it('lose the newline that breaks a token, and keep the one an SSH key needs', async () => {
    const tokens = await givenTokens(
      {
        ...NONE,
        'token-file': file('claude', 'one \r\n'),
        'ssh-key-file': file(
          'key',
          '-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----',
        ),
      },
      {},
    );
    expect(tokens.map(({ value }) => value)).toEqual([
      'one',
      '-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\n',
    ]);
  });

  it('come from a file of their own before the file of all, and from the environment last', async () => {
    const env = { CLAUDE_CODE_OAUTH_TOKEN: 'env', GH_TOKEN: 'env', GH_USER: 'env' };
    const all = file('all', 'export GH_TOKEN="all"\n# a comment\n\nCLAUDE_CODE_OAUTH_TOKEN=all\n');
    const own = file('own', 'own');
    const given = await givenTokens(
      { ...NONE, 'token-file': own, 'secrets-file': all, 'from-env': true },
      env,
    );
    expect(given).toEqual([
      { key: 'CLAUDE_CODE_OAUTH_TOKEN', value: 'own', source: own },
      { key: 'GH_TOKEN', value: 'all', source: all },
      { key: 'GH_USER', value: 'env', source: 'the environment' },
    ]);
  });

  it('may have the URL of a database, which is that and nothing else', async () => {
    const url = 'postgres://me:hush-hush@db:5432/x?sslmode=require';
    const given = file('url', `${url}\n`);
    expect(await givenTokens({ ...NONE, 'database-url-file': given }, {})).toEqual([
      { key: 'DATABASE_URL', value: url, source: given },
    ]);
    const other = file('other', 'mysql://me:hush-hush@db/x');
    const refused = givenTokens({ ...NONE, 'database-url-file': other }, {});
    await expect(refused).rejects.toThrow(
      `DATABASE_URL from ${other} is not the URL of a PostgreSQL database: postgres://USER:PASSWORD@HOST:PORT/DATABASE`,
    );
    await expect(refused).rejects.not.toThrow('hush');
  });

  it('leave a DATABASE_URL in the environment alone where the worker needs none', async () => {
    const env = { GH_TOKEN: 'mine', DATABASE_URL: 'mysql://of-something-else' };
    expect((await givenTokens({ ...NONE, 'from-env': true }, env)).map(({ key }) => key)).toEqual([
      'GH_TOKEN',
    ]);
    env.DATABASE_URL = 'postgres://me@db/x';
    const tokens = await givenTokens({ ...NONE, 'from-env': true }, env);
    expect(withoutStrayUrl(tokens, true)).toEqual(tokens);
    expect(withoutStrayUrl(tokens, false).map(({ key }) => key)).toEqual(['GH_TOKEN']);
  });

  it('are not taken from the environment unasked', async () => {
    expect(await givenTokens(NONE, { GH_TOKEN: 'mine' })).toEqual([]);
  });

  it.each([
    ['empty', ' \n', /^CLAUDE_CODE_OAUTH_TOKEN from .*token is empty$/],
    ['two words', 'hush hush', /is more than one word: the file should contain nothing else$/],
  ])('a file that is %s is refused, without its content', async (_, text, message) => {
    const path = file('token', text);
    const error = (await givenTokens({ ...NONE, 'token-file': path }, {}).catch((caught) => caught)) as Error;
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('hush');
  });

  it('a file that is not there is named with its flag', async () => {
    await expect(givenTokens({ ...NONE, 'gh-token-file': '/nowhere' }, {})).rejects.toThrow(
      '--gh-token-file /nowhere cannot be read: ENOENT',
    );
  });

  it('a line of the file of all with another key is refused by its number, without its content', () => {
    expect(() => parseSecretsFile('GH_USER=bot\nAWS_SECRET=hush\n', 'all')).toThrow(
      /^all:2 is not a line KEY=VALUE with one of the keys CLAUDE_CODE_OAUTH_TOKEN, /,
    );
  });
});

describe('tokens that are asked for', () => {
  const asking = defineCommand({
    name: 'asking',
    summary: 'asks',
    positionals: [],
    flags: {},
    examples: [],
    async run(_, context) {
      const tokens = await askTokens(NEEDED_KEYS, context);
      context.stdout.write(JSON.stringify(tokens.map(({ value }) => value)));
    },
  });

  it('are not shown while they are typed; the login is', async () => {
    const { stdout, stderr } = await run(asking, [], {
      tty: true,
      keys: [
        { after: 'CLAUDE_CODE_OAUTH_TOKEN:', type: 'hush-1\r' },
        { after: 'GH_TOKEN:', type: 'hush-2\r' },
        { after: 'GH_USER:', type: 'factory-bot\r' },
      ],
    });
    expect(JSON.parse(stdout)).toEqual(['hush-1', 'hush-2', 'factory-bot']);
    expect(stderr).not.toContain('hush');
    expect(stderr).toContain('factory-bot');
  });

  it('are an error without a terminal, which names the flags', async () => {
    const { code, stderr } = await run(asking, []);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('give --token-file, --secrets-file or --from-env'),
    ]);
  });
});

describe("a registry's login", () => {
  const CONFIG = JSON.stringify({
    auths: {
      'registry.example.com': { auth: 'a' },
      'other.example.com': { auth: 'b' },
      'helped.example.com': {},
    },
    credsStore: 'desktop',
  });

  it.each([
    ['registry.example.com/team/factory-worker:1', 'registry.example.com'],
    ['localhost:5000/factory-worker@sha256:0', 'localhost:5000'],
    ['localhost/factory-worker:1', 'localhost'],
    ['team/factory-worker:1', null],
    ['factory-worker:1', null],
  ])('of %s is that of %s', (image, registry) => {
    expect(registryOf(image)).toBe(registry);
  });

  it('of an image without a registry is not guessed', async () => {
    await expect(readLogin('config.json', 'team/factory-worker:1')).rejects.toThrow(
      'the image team/factory-worker:1 does not name its registry',
    );
  });

  it('is the only one that goes into the cluster', () => {
    expect(JSON.parse(loginFor(CONFIG, 'registry.example.com', 'f'))).toEqual({
      auths: { 'registry.example.com': { auth: 'a' } },
    });
  });

  it('that a helper program keeps is said so', () => {
    expect(() => loginFor(CONFIG, 'helped.example.com', 'f')).toThrow(
      'f has no login for helped.example.com, a helper program keeps it',
    );
  });
});

it('what is to be typed again names every file and switch', () => {
  const tokens = { ...NONE, 'token-file': 'a', 'gh-token-file': 'b', 'gh-user': 'bot', 'from-env': true };
  const given = { values: ['v'], set: ['x=y'], tokens, noSecret: true, pullSecretFile: 'p' };
  expect(againArgs(given).join(' ')).toBe(
    '--values v --set x=y --token-file a --gh-token-file b --gh-user bot --from-env --no-secret --pull-secret-file p',
  );
});
