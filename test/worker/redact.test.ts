import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redact } from '../../scripts/lib/worker/redact.ts';
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
          const output = redact(wrap(`${left}${kind}${token}${right}`, width).join('\n'));
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
          expectHidden(redact(text), token);
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
          expectHidden(redact(text), token);
        },
      ),
      { numRuns: runs(300) },
    );
  });

  it('is gone at the beginning of a line whose predecessor ends in a word', () => {
    const token = 'ghp_0123456789abcdefghijABCDEFGHIJ012345';
    expect(redact(`the token is\n${token}\nend`)).not.toContain('0123456789');
  });

  it.each([
    ['GH_TOKEN=hunter22', 'GH_TOKEN=********'],
    ['export DB_PASSWORD="s3cr3t!!"', 'export DB_PASSWORD="********"'],
    ["OPENAI_API_KEY='abc-def-ghi'", "OPENAI_API_KEY='***********'"],
    [
      'https://x-access-token:ghp_abcdefghij@github.com/a/b',
      'https://x-access-token:ghp_**********@github.com/a/b',
    ],
    [
      '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\nZXktdjEAAAAA\nABG5v+/bm==\n-----END OPENSSH PRIVATE KEY-----',
      '-----BEGIN OPENSSH PRIVATE KEY-----\n************\n************\n***********\n-----END OPENSSH PRIVATE KEY-----',
    ],
  ])('in %j becomes %j', (text, expected) => {
    expect(redact(text)).toBe(expected);
  });

  it('that was printed by env takes little of its neighbours with it', () => {
    const text = `GH_TOKEN=ghp_0123456789abcdefghijABCDEFGHIJ012345\nHOME=/root\nLANG=C.UTF-8\nPATH=/usr/bin:/bin`;
    const output = redact(text);
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
          expect(lengths(redact(text))).toEqual(lengths(text));
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
    expect(redact(text)).toBe(text);
  });

  it('is left alone however it is wrapped, when it has no token', () => {
    const ordinary = fc.stringMatching(/^[a-z ,.\n/=-]*$/);
    fc.assert(
      fc.property(ordinary, (text) => {
        expect(redact(text)).toBe(text);
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
    expect(redact(text)).toHaveLength(text.length);
    expect(cpuMs() - started).toBeLessThan(2_000);
  });

  it('costs little: 5 MB, tokens and colours among them, in seconds', () => {
    const line = `\u001b[32m${'word '.repeat(15)}\u001b[0m GH_TOKEN=ghp_0123456789abcdefghijABCDEFGHIJ012345\n`;
    const text = line.repeat(Math.ceil(5_000_000 / line.length));
    const started = cpuMs();
    const output = redact(text);
    expect(cpuMs() - started).toBeLessThan(5_000);
    expect(output).toHaveLength(text.length);
    expect(output).not.toContain('0123456789abcdef');
  });
});
