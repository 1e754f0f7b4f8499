import { describe, expect, test } from 'vitest';
import { createRedactor, REDACTED } from '../../../image/supervisor/sessions/redact.ts';
import { knownSecrets } from '../../../scripts/lib/tokens.ts';

const TOKEN = `sk-ant-oat01-${'A1b2C3d4'.repeat(10)}AA`;
const OWN = 'a secret of no known shape $^.*';

function redact(text: string, secrets: string[] = []): string {
  const redactor = createRedactor(() => knownSecrets(secrets));
  return redactor.push(text) + redactor.flush();
}

describe('what is taken out', () => {
  test.each([
    ['a token of claude', TOKEN],
    ['a classic token of GitHub', `ghp_${'x'.repeat(36)}`],
    ['a fine-grained one', `github_pat_${'11AAAA_bbbb'.repeat(5)}`],
    ['the worker’s own, whatever it looks like', OWN],
  ])('%s', (_what, secret) => {
    expect(redact(`export T='${secret}'\nnext`, [OWN])).toBe(`export T='${REDACTED}'\nnext`);
  });

  test.each([
    ['readline’s way', ' \r'],
    ['a line end', '\r\n'],
    ['escape sequences', '\x1b[K\x1b[1;32m\r\n\x1b[0m'],
  ])('also across a wrap: %s', (_what, wrap) => {
    for (let at = 1; at < TOKEN.length - 1; at += 7) {
      const wrapped = `$ ${TOKEN.slice(0, at)}${wrap}${TOKEN.slice(at)} rest`;
      const said = redact(wrapped);
      expect(said).toBe(`$ ${REDACTED} rest`);
    }
  });

  test('a whole token at the end of a line leaves the next line alone', () => {
    const token = `ghp_${'x'.repeat(36)}`;
    expect(redact(`${token}\r\n\x1b[?2004lnext-word\r\n${token}\r\n`)).toBe(
      `${REDACTED}\r\n\x1b[?2004lnext-word\r\n${REDACTED}\r\n`,
    );
  });

  test('nothing else', () => {
    const text = 'sk-ant- is a prefix, ghp_ too; a-short-one ghp_short\r\n';
    expect(redact(text, ['short'])).toBe(text);
  });
});

describe('in pieces', () => {
  test.each([1, 7, 100, 3000])('of %d characters', (size) => {
    const text = `${'x y\r\n'.repeat(900)}${TOKEN}${' z'.repeat(2000)}${TOKEN}\n`;
    const redactor = createRedactor(() => []);
    let said = '';
    for (let at = 0; at < text.length; at += size) said += redactor.push(text.slice(at, at + size));
    said += redactor.flush();
    expect(said).toBe(text.replaceAll(TOKEN, REDACTED));
  });
});

describe('of a private key', () => {
  const body = Array.from(
    { length: 50 },
    (_, line) => `FAKE${String(line).padStart(4, '0')}${'fakeFAKE+/'.repeat(5)}abcdef`,
  );
  const key = `-----BEGIN OPENSSH PRIVATE KEY-----\n${body.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`;

  test.each([64, 1000, 100_000])('nothing is left, in pieces of %d characters', (size) => {
    const text = `$ cat key\r\n${key.replaceAll('\n', '\r\n')}$ ${'x y\r\n'.repeat(3000)}`;
    const redactor = createRedactor(() => []);
    let said = '';
    for (let at = 0; at < text.length; at += size) said += redactor.push(text.slice(at, at + size));
    said += redactor.flush();
    expect(said).not.toMatch(/FAKE|fake/);
    expect(said).toContain('-----END OPENSSH PRIVATE KEY-----');
    expect(said.match(/x y\r\n/g)).toHaveLength(3000);
  });

  test.each(body.slice(0, 3))('a line of the worker’s own is known by itself: %s', (line) => {
    expect(redact(`x ${line}\r\n`, [key])).toBe(`x ${REDACTED}\r\n`);
  });
});

test('what never ends is written all the same', () => {
  const redactor = createRedactor(() => []);
  let said = '';
  for (let piece = 0; piece < 200; piece++)
    said += redactor.push(piece === 0 ? 'TOKEN=' : 'FAKE0'.repeat(200));
  expect(said).toContain(`TOKEN=${REDACTED}`);
  expect(said.length + redactor.flush().length).toBeGreaterThan(0);
});
