import { describe, expect, test } from 'vitest';
import { createRedactor, REDACTED, secretPattern } from '../../../image/supervisor/sessions/redact.ts';

const TOKEN = `sk-ant-oat01-${'A1b2C3d4'.repeat(10)}AA`;
const OWN = 'a secret of no known shape $^.*';

function redact(text: string, secrets: string[] = []): string {
  const redactor = createRedactor(() => secretPattern(secrets));
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
    const redactor = createRedactor(() => secretPattern([]));
    let said = '';
    for (let at = 0; at < text.length; at += size) said += redactor.push(text.slice(at, at + size));
    said += redactor.flush();
    expect(said).toBe(text.replaceAll(TOKEN, REDACTED));
  });
});
