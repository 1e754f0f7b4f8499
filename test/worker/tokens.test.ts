import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findTokens, knownSecrets, maskTokens } from '../../scripts/lib/tokens.ts';
import { runs } from '../support/properties.ts';

/** A fake token of each kind, of the length the real ones have. */
const word = (length: number) =>
  fc.string({
    unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-'),
    minLength: length,
    maxLength: length,
  });
const secret = fc.oneof(
  word(36).map((rest) => ['ghp_', rest] as const),
  word(36).map((rest) => ['ghs_', rest] as const),
  word(82).map((rest) => ['github_pat_', rest] as const),
  word(95).map((rest) => ['sk-ant-oat01-', rest] as const),
);

/** How text may stand around it. */
const before = fc.constantFrom(
  '',
  ' ',
  "root@factory-worker-1:~# export CLAUDE_CODE_OAUTH_TOKEN='",
  'GH_TOKEN=',
  'https://x-access-token:',
  'a word right before',
  'Authorization: Bearer ',
);
const after = fc.constantFrom('', "'", '@github.com/acme/demo.git', ' && ls', '"');

const ESCAPES = [
  '\u001b[31m',
  '\u001b[0;1;38;5;200m',
  '\u001b(B',
  '\u001b]8;;https://example.com\u001b\\',
  '\u000f',
  '\u001b[K',
];

/** Lines of a fixed width, as a terminal or a program wraps them. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (let at = 0; at < text.length; at += width) lines.push(text.slice(at, at + width));
  return lines;
}

/** What a person sees, put together again. */
function seen(text: string): string {
  return text
    .replaceAll(/\u001b\[[0-9;]*[A-Za-z]|\u001b\(B|\u001b\]8;;[^\u001b]*\u001b\\|\u000f/g, '')
    .replaceAll(/\s*│?\n[│ ]*/g, '');
}

/** Not the time on the wall, in which others work as well. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function expectHidden(output: string, token: string): void {
  const visible = seen(output);
  for (let at = 0; at + 8 <= token.length; at++) expect(visible).not.toContain(token.slice(at, at + 8));
}

describe('a token', () => {
  it('is gone at any width of the pane', () => {
    fc.assert(
      fc.property(
        secret,
        before,
        after,
        fc.integer({ min: 1, max: 200 }),
        ([kind, token], left, right, width) => {
          const output = maskTokens(wrap(`${left}${kind}${token}${right}`, width).join('\n'));
          expectHidden(output, token);
        },
      ),
      { numRuns: runs(400) },
    );
  });

  it('is gone when the program that wraps it indents or draws a frame', () => {
    fc.assert(
      fc.property(
        secret,
        before,
        after,
        fc.integer({ min: 20, max: 120 }),
        fc.boolean(),
        ([kind, token], left, right, width, framed) => {
          const lines = wrap(`${left}${kind}${token}${right}`, width);
          const text = framed
            ? lines.map((line) => `│ ${line.padEnd(width)} │`).join('\n')
            : lines.map((line, index) => (index === 0 ? line : `  ${line}`)).join('\n');
          expectHidden(maskTokens(text), token);
        },
      ),
      { numRuns: runs(200) },
    );
  });

  it('is gone with colours in the middle of it', () => {
    const escapes = fc.array(fc.tuple(fc.nat(200), fc.constantFrom(...ESCAPES)), { maxLength: 8 });
    fc.assert(
      fc.property(
        secret,
        before,
        fc.integer({ min: 10, max: 100 }),
        escapes,
        ([kind, token], left, width, inserted) => {
          let text = wrap(`${left}${kind}${token}`, width).join('\n');
          for (const [at, sequence] of inserted) {
            // Never inside another sequence.
            const free = [
              ...text.matchAll(/\u001b\][^\u001b]*\u001b\\|\u001b\[[0-9;]*[A-Za-z]|\u001b\(B/g),
            ].every(({ index, 0: whole }) => at <= index || at >= index + whole.length);
            if (free && at <= text.length) text = text.slice(0, at) + sequence + text.slice(at);
          }
          expectHidden(maskTokens(text), token);
        },
      ),
      { numRuns: runs(300) },
    );
  });

  it('is gone at the beginning of a line whose predecessor ends in a word', () => {
    const token = 'ghp_0123456789abcdefghijABCDEFGHIJ012345';
    expect(maskTokens(`the token is\n${token}\nend`)).not.toContain('0123456789');
  });

  it.each([
    ['GH_TOKEN=hunter22', 'GH_TOKEN=********'],
    ['export DB_PASSWORD="s3cr3t!!"', 'export DB_PASSWORD="********"'],
    ["OPENAI_API_KEY='abc-def-ghi'", "OPENAI_API_KEY='***********'"],
    [
      'https://x-access-token:ghp_abcdefghij@github.com/a/b',
      'https://x-access-token:**************@github.com/a/b',
    ],
    [
      '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\nZXktdjEAAAAA\nABG5v+/bm==\n-----END OPENSSH PRIVATE KEY-----',
      '-----BEGIN OPENSSH PRIVATE KEY-----\n************\n************\n***********\n-----END OPENSSH PRIVATE KEY-----',
    ],
  ])('in %j becomes %j', (text, expected) => {
    expect(maskTokens(text)).toBe(expected);
  });

  it('that was printed by env takes little of its neighbours with it', () => {
    const text = `GH_TOKEN=ghp_0123456789abcdefghijABCDEFGHIJ012345\nHOME=/root\nLANG=C.UTF-8\nPATH=/usr/bin:/bin`;
    const output = maskTokens(text);
    expect(output).toContain('=/root\nLANG=C.UTF-8\nPATH=/usr/bin:/bin');
    expectHidden(output, '0123456789abcdefghijABCDEFGHIJ012345');
  });
});

describe('everything else', () => {
  it('keeps its lines, and the length of each', () => {
    fc.assert(
      fc.property(
        secret,
        fc.array(fc.string({ unit: 'grapheme' })),
        fc.nat(80),
        ([kind, token], words, width) => {
          const text = wrap(`${words.join(' ')} ${kind}${token} ${words.join('\n')}`, width + 1).join('\n');
          const lengths = (given: string) => given.split('\n').map(({ length }) => length);
          expect(lengths(maskTokens(text))).toEqual(lengths(text));
        },
      ),
    );
  });

  it.each([
    'a normal line\nanother-one with-dashes\n',
    'task-antenna risk-ant- sk-ant\nghp_ short ghp_abc\n',
    'TOKEN= \nSECRET=abc \nMY_TOKEN=""\n',
    '\u001b[31mred\u001b[0m ünïcode 漢字 👷\n│ box │\n',
    'the PASSWORD is not here: see README\n',
    'commit 0123456789abcdef0123456789abcdef01234567\n',
    'a\u001b',
    '\u001b]0;title',
  ])('is left alone: %j', (text) => {
    expect(maskTokens(text)).toBe(text);
  });

  it('is left alone however it is wrapped, when it has no token', () => {
    const ordinary = fc.stringMatching(/^[a-z ,.\n/=-]*$/);
    fc.assert(
      fc.property(ordinary, (text) => {
        expect(maskTokens(text)).toBe(text);
      }),
    );
  });

  it.each([
    ['one line', 'x'],
    ['spaces', ' '],
    ['frames', '│'],
    ['beginnings of tokens', 'ghp_abcdef-'],
    ['line breaks', '\n'],
    ['escapes', '\u001b['],
  ])('costs little: 1 MB of %s', (_, unit) => {
    const text = unit.repeat(1_000_000 / unit.length);
    const started = cpuMs();
    expect(maskTokens(text)).toHaveLength(text.length);
    expect(cpuMs() - started).toBeLessThan(2_000);
  });

  it('costs little: 5 MB, tokens and colours among them, in seconds', () => {
    const line = `\u001b[32m${'word '.repeat(15)}\u001b[0m GH_TOKEN=ghp_0123456789abcdefghijABCDEFGHIJ012345\n`;
    const text = line.repeat(Math.ceil(5_000_000 / line.length));
    const started = cpuMs();
    const output = maskTokens(text);
    expect(cpuMs() - started).toBeLessThan(5_000);
    expect(output).toHaveLength(text.length);
    expect(output).not.toContain('0123456789abcdef');
  });
});

const GH = 'ghp_FAKEfakeFAKEfakeFAKEfakeFAKEfake0123';
const CLAUDE = `sk-ant-oat01-${'FAKEfake01'.repeat(9)}FAKEF`;
const HEX = '0123456789abcdef'.repeat(4);
const JWT = `eyJGQUtFIjoi.eyJGQUtFIjoiZmFrZSJ9.${'FAKE-fake_01'.repeat(3)}`;
const KEY = [
  'b3BlbnNzaC1rZXktdjEAAAAAFAKEfakeFAKEfakeFAKEfakeFAKEfakeFAKEfak0',
  'FAKEfakeFAKE+/fake012345678901234567',
  'FAKE==',
];
const PEM = ['-----BEGIN OPENSSH PRIVATE KEY-----', ...KEY, '-----END OPENSSH PRIVATE KEY-----'];
const PASSWORD = 'FAKE-pa55=w0rd!';

/** How a secret may be written: the text, and the parts of it of which nothing may be left. */
const SPELLINGS: [spelling: string, text: string, ...hidden: string[]][] = [
  ['bare', GH, GH],
  ['quoted', `"${GH}"`, GH],
  ['in backticks', `the token \`${GH}\` is refused`, GH],
  ['an assignment', `TOKEN=${PASSWORD}`, PASSWORD],
  ['an assignment with a colon', `API_KEY: ${PASSWORD}`, PASSWORD],
  ['an exported assignment in quotes', `export DB_PASSWORD='${PASSWORD}'`, PASSWORD],
  ['an assignment of PowerShell', `$env:GH_TOKEN = "${PASSWORD}"`, PASSWORD],
  ['= inside the value', 'SESSION_SECRET=FAKE==fake==FAKE', 'FAKE==fake==FAKE'],
  ['a field of JSON', `{"apiKey": "${PASSWORD}", "id": 1}`, PASSWORD],
  ['a field of JSON without blanks', `{"client_secret":"${PASSWORD}","id":1}`, PASSWORD],
  ['JSON inside a string of JSON', JSON.stringify({ log: JSON.stringify({ token: PASSWORD }) }), PASSWORD],
  ['JSON, thrice escaped', JSON.stringify(JSON.stringify(JSON.stringify({ token: PASSWORD }))), PASSWORD],
  ['JSON with escapes in the value', '{"password":"FAKE\\/fake\\u003dFAKE"}', 'FAKE', 'fake'],
  ['YAML', `  password: ${PASSWORD}\n  user: me`, PASSWORD],
  [
    'YAML of a Secret',
    `data:\n  GH_TOKEN: ${Buffer.from(GH).toString('base64')}\n`,
    Buffer.from(GH).toString('base64'),
  ],
  ['a numbered line', `    12\tGH_TOKEN=${PASSWORD}`, PASSWORD],
  ['an added line of a diff', `+GH_TOKEN=${PASSWORD}`, PASSWORD],
  ['a removed line of a diff', `-password: ${PASSWORD}`, PASSWORD],
  ['what grep -n prints', `deploy/.env:12:GH_TOKEN=${PASSWORD}`, PASSWORD],
  ['wrapped', `$ echo ${GH.slice(0, 20)}\n${GH.slice(20)}  \n$ `, GH.slice(0, 20), GH.slice(20)],
  [
    'wrapped in its prefix',
    `${'x'.repeat(60)} sk-a\n${CLAUDE.slice(4, 69)}\n${CLAUDE.slice(69)}`,
    CLAUDE.slice(4, 69),
    CLAUDE.slice(69),
  ],
  ['a value that wraps', `$ export DB_PASSWORD=FAKEfake\n01FAKE done`, 'FAKEfake', '01FAKE'],
  [
    'wrapped in a frame',
    `│ ${GH.slice(0, 30)} │\n│ ${GH.slice(30).padEnd(30)} │`,
    GH.slice(0, 30),
    GH.slice(30),
  ],
  ['user and password in a URL', `clone https://me:${PASSWORD}@example.com/a.git`, PASSWORD],
  ['a password with @ in a URL', 'postgres://me:FAKE@fake@db:5432/x', 'FAKE@fake'],
  ['a password with an encoded / in a URL', 'postgres://me:FAKE%2Ffake@db/x', 'FAKE%2Ffake'],
  ['a token in a URL', 'https://FAKE0fake1FAKE2fake@example.com/a.git', 'FAKE0fake1FAKE2fake'],
  ['a parameter of a URL', 'https://example.com/?access_token=FAKE0fake1&page=2', 'FAKE0fake1'],
  ['Authorization: Bearer', 'Authorization: Bearer FAKE.fake-0123', 'FAKE.fake-0123'],
  [
    'Authorization: Basic',
    `authorization: Basic ${Buffer.from('me:FAKE').toString('base64')}`,
    Buffer.from('me:FAKE').toString('base64'),
  ],
  ['Authorization: token', 'Authorization: token FAKEfake0123', 'FAKEfake0123'],
  ['-H "Authorization…"', 'curl -H "Authorization: Bearer FAKEfake0123" https://example.com', 'FAKEfake0123'],
  ['Authorization in JSON', '{"Authorization":"Basic RkFLRTpmYWtl"}', 'RkFLRTpmYWtl'],
  ['a header of another name', 'X-Api-Key: FAKE0fake1FAKE2', 'FAKE0fake1FAKE2'],
  ['a flag', 'gh auth login --with-token FAKE0fake1FAKE2', 'FAKE0fake1FAKE2'],
  ['zero-width characters inside', [...GH].join('\u200b'), 'F\u200bA'],
  [
    'colours inside',
    `${GH.slice(0, 2)}\u001b[1m${GH.slice(2, 20)}\u001b[0m${GH.slice(20)}`,
    GH.slice(2, 20),
    GH.slice(20),
  ],
  [
    'colours inside, in JSON',
    JSON.stringify(`${GH.slice(0, 20)}\u001b[0m${GH.slice(20)}`),
    GH.slice(0, 20),
    GH.slice(20),
  ],
  [
    'GitHub, gho_ ghu_ ghs_ ghr_',
    GH.replace('ghp', 'gho') +
      ' ' +
      GH.replace('ghp', 'ghu') +
      ' ' +
      GH.replace('ghp', 'ghs') +
      ' ' +
      GH.replace('ghp', 'ghr'),
    'FAKE',
  ],
  ['GitHub, fine-grained', `github_pat_${'FAKEfake01'.repeat(2)}FA_${'FAKEfake01'.repeat(6)}`, 'FAKEfake01'],
  ['GitHub, an installation', `ghs_123456_${JWT}.`, ...JWT.split('.')],
  ['Claude', CLAUDE, 'FAKEfake01'],
  ['npm', `//registry.example.com/:_authToken=npm_${'FAKEfake0123'.repeat(3)}`, 'FAKEfake'],
  [
    'AWS',
    'aws_access_key_id = AKIAFAKEFAKEFAKE1234\naws_secret_access_key = FAKEfake+FAKE/fake0123FAKEfake0123FAKEfa\n',
    'FAKEFAKEFAKE1234',
    'FAKEfake+FAKE/fake0123FAKEfake0123FAKEfa',
  ],
  ['Google', `AIzaFAKE${'fake01_'.repeat(5)} ya29.a0FAKE-fake_0123456`, 'fake01_', 'FAKE-fake_0123456'],
  ['DigitalOcean', `dop_v1_${HEX} doo_v1_${HEX} dor_v1_${HEX}`, HEX],
  ['Slack', 'xoxb-0123456789-FAKEfake xoxp-0123456789-FAKEfake', '0123456789-FAKEfake'],
  [
    'GitLab',
    'glpat-FAKEfake0123FAKEfake glpat-FAKEfake0123FAKEfakeFAKEfake.01.FAKE01fake',
    'FAKEfake0123',
    'FAKE01fake',
  ],
  ['a private key', PEM.join('\n'), ...KEY.slice(0, 2)],
  ['a private key on one line', JSON.stringify({ key: `${PEM.join('\n')}\n` }), ...KEY.slice(0, 2)],
  [
    'a private key with line numbers',
    PEM.map((line, index) => `${index + 1}  ${line}`).join('\n'),
    ...KEY.slice(0, 2),
  ],
  [
    'a private key in a diff, cut',
    PEM.slice(0, 3)
      .map((line) => `+${line}`)
      .join('\n'),
    ...KEY.slice(0, 2),
  ],
  ['a JWT', `session ${JWT} ends`, ...JWT.split('.')],
  ['password=', `dsn: host=db password=${PASSWORD} user=me`, PASSWORD],
  ['passwd', 'passwd: FAKE0fake', 'FAKE0fake'],
  ['netrc', 'machine github.com login me password FAKEfake', 'FAKEfake'],
  ['netrc, in lines', 'machine github.com\n  login me\n  password FAKEfake\n', 'FAKEfake'],
  ['the login of Docker', '{"auths":{"ghcr.io":{"auth": "bWU6RkFLRWZha2U="}}}', 'bWU6RkFLRWZha2U='],
  [
    'percent-encoded',
    `next=https%3A%2F%2Fme%3AFAKE%2Dfake%40example.com%2F&x=token%3DFAKE0fake1`,
    'FAKE%2Dfake',
    'FAKE0fake1',
  ],
];

describe('a secret that is written down', () => {
  it.each(SPELLINGS)('%s', (_, text, ...hidden) => {
    const masked = maskTokens(text);
    for (const part of hidden) {
      expect(text).toContain(part);
      expect(masked).not.toContain(part);
    }
    expect(masked).toHaveLength(text.length);
    expect(findTokens(text)).not.toEqual([]);
    if (/^[{"]/.test(text)) expect(() => JSON.parse(masked)).not.toThrow();
  });

  it.each(SPELLINGS)('is gone as well in the middle of a log: %s', (_, text, ...hidden) => {
    const masked = maskTokens(
      `2026-01-01 begins\n${text}\nand this line is here so that none of those above is the longest one of all\n`,
    );
    for (const part of _.includes('wraps') ? [] : hidden) expect(masked).not.toContain(part);
  });
});

describe('no secret', () => {
  it.each([
    'commit 0123456789abcdef0123456789abcdef01234567',
    'Merge: 0123456 89abcde',
    'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
    'ghcr.io/acme/worker@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
    'uid 123e4567-e89b-42d3-a456-426614174000',
    'registry.example.com/team/base64-images:v1.2.3-rc.1',
    'aGVsbG8gd29ybGQsIGhlbGxvIHdvcmxk',
    'token: missing',
    'token: expired 3 days ago',
    'the token is refused: 401',
    'no TOKEN= set',
    'GH_TOKEN= \nHOME=/root',
    'GH_TOKEN=""',
    'GH_TOKEN=$GH_TOKEN gh api user',
    `GH_TOKEN="$\{GH_TOKEN:-}"`,
    'GH_TOKEN=$(cat /run/secrets/token)',
    'GH_TOKEN=<your token>',
    'GH_TOKEN=***',
    'secretary=jane-doe-1234',
    'the secret worker-1-tokens',
    'secret: worker-1-tokens',
    '"secret": "factory-worker-2-tokens",',
    'secretName: worker-1-tokens2',
    'imagePullSecrets: [regcred-2]',
    'credentials: ok',
    'max_tokens=4096',
    'tokens: 128000',
    'CLAUDE_CODE_OAUTH_TOKEN: 1a2b3c4d',
    'GH_TOKEN: sha256:0123456789abcdef',
    'password: required',
    'the password is wrong',
    'Password:',
    'passwd: all authentication tokens updated successfully.',
    'private key: /home/me/.ssh/id_ed25519',
    'access key: /etc/factory/access-key.pem',
    '-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----',
    '-----BEGIN OPENSSH PRIVATE KEY-----\n',
    'Authorization: Bearer <token>',
    'Authorization: required',
    'the bearer of this letter',
    'basic understanding of everything',
    'git clone https://github.com/acme/demo.git',
    'ssh://git@github.com/acme/demo.git',
    'git@github.com:acme/demo.git',
    'https://example.com:8443/path@v2',
    'http://proxy-user@proxy.example.com:3128',
    'npm_config_registry=https://registry.example.com/',
    'sk-learn task-abcdefghijklmnopqrstuvwx',
    'mask-ant desk-ant-farm',
    'glpat- xoxb- dop_v1_ ghp_ eyJ. AIza',
    'AKIA is what access keys begin with',
    'login me and no password here',
    'factory-worker rotate worker-1 --gh-token-file ~/gh-token',
    '--set-string secrets.existingSecret=worker-1-tokens',
    '{"auth": true, "token": null, "password": 12345678}',
    '{"password:": 123456789012, "token": 123456789012, "x": "secret:"}',
    '{"error":"the token is missing","code":123456789}',
    'printf "%20s %5d%%"',
    'C:\\new\\token\\file',
    '50% of 1,000,000=done; a=b&c=d',
  ])('stays: %j', (text) => {
    expect(maskTokens(text)).toBe(text);
    expect(findTokens(text)).toEqual([]);
  });
});

describe('JSON', () => {
  const fragment = fc.constantFrom(
    'token',
    'password',
    '"',
    "'",
    ':',
    '=',
    ' ',
    ',',
    'Authorization',
    'Bearer ',
    'auth',
    '\\',
    '\n',
    '\u001b[1m',
    '%22',
    '%5C',
    'https://',
    '@',
    'x',
    'FAKE0fake1FAKE2fake',
    GH,
    PEM[0] ?? '',
    PEM[4] ?? '',
    '{',
    '}',
    '1234567890',
    '\u200b',
    '/',
    '&',
    '\t',
  );
  const text = fc.array(fragment, { maxLength: 12 }).map((parts) => parts.join(''));
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      text,
      fc.constantFrom(null, true, 1234567890123, 0.1234567890123),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(text, tie('tree'), { maxKeys: 4 }),
    ),
  }));

  it.each([0, 2])('stays JSON, and keeps what is no string (indented by %d)', (indent) => {
    const shape = (value: unknown): unknown =>
      typeof value === 'string'
        ? value.length
        : Array.isArray(value)
          ? value.map(shape)
          : value !== null && typeof value === 'object'
            ? Object.values(value).map(shape).length
            : value;
    fc.assert(
      fc.property(tree, (value) => {
        const json = JSON.stringify(value, null, indent);
        const masked = JSON.parse(maskTokens(json));
        if (Array.isArray(value)) expect(masked).toHaveLength(value.length);
        if (typeof value === 'number' || value === null) expect(shape(masked)).toEqual(shape(value));
      }),
      { numRuns: runs(3_000) },
    );
  });
});

describe('a secret that is known', () => {
  const KNOWN = knownSecrets(['an odd one $^.*', 'short', `${PEM.join('\n')}\n`, 'plainlowercaseword']);

  it('is looked for line by line, where it is long enough', () => {
    expect(KNOWN).toEqual(['an odd one $^.*', KEY[0], KEY[1], 'plainlowercaseword']);
  });

  it.each([
    ['as it is', 'x an odd one $^.* y', 'x *************** y'],
    ['wrapped', 'x plainlow\nercaseword y', 'x ********\n********** y'],
    ['in colours', 'plain\u001b[1mlowercaseword', '*****\u001b[1m*************'],
    ['twice', 'plainlowercasewordplainlowercaseword', '*'.repeat(36)],
    ['a line of a key alone', `12  ${KEY[1]}\n`, `12  ${'*'.repeat((KEY[1] ?? '').length)}\n`],
    ['not where it is not', 'an odd two, a short one', 'an odd two, a short one'],
  ])('is gone: %s', (_, text, masked) => {
    expect(maskTokens(text, KNOWN)).toBe(masked);
  });
});

describe('text made to be slow to search', () => {
  it.each([
    'TOKEN=',
    'token=<',
    'password: ',
    '"password": "',
    'a,b&c=',
    'https://',
    '://a:b',
    '://a:b@',
    'Authorization: ',
    'login a password ',
    '-----BEGIN PRIVATE KEY-----',
    '\\',
    '%3D',
    '\u200b',
    'eyJhbGciOi.',
    'ghs_aaaaaa.',
    '=',
    ' ',
    '"',
    '\n ',
    '--token ',
    'a:',
    '_',
    '\u001b[1;1',
  ])('takes linear time: %j, again and again', (unit) => {
    const cpu = (size: number) => {
      const text = unit.repeat(size / unit.length);
      const before = cpuMs();
      maskTokens(text);
      return cpuMs() - before;
    };
    cpu(50_000);
    // Eight times as much would take 64 times as long in quadratic time.
    expect(cpu(800_000)).toBeLessThan(Math.max(24 * cpu(100_000), 500));
  });
});
