import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newNonce, parseFrame } from '../../scripts/lib/transport/frame.ts';
import { runs } from '../support/properties.ts';

const FRAME = readFileSync(new URL('../../scripts/remote/frame.sh', import.meta.url), 'utf8');

/** Answers with each field of the request as a part, and with its texts written as JSON. */
const ECHO = `declare -A request
read_request "$1" || exit
for name in "\${!request[@]}"; do
  emit_part "$name" 0 "\${request[$name]}"
  to_json "\${request[$name]}"
  emit_part "$name.json" 0 "$json"
done
`;

function echo(request: object, env: NodeJS.ProcessEnv = {}) {
  const nonce = newNonce();
  const args = ['-c', FRAME + ECHO, 'request', nonce, JSON.stringify(request)];
  const answer = execFileSync('bash', args, { env: { ...process.env, ...env } });
  const frame = parseFrame(answer, nonce);
  return { rc: frame?.rc, text: (name: string) => frame?.parts.get(name)?.text };
}

/** Anything an argument can hold, with what means something to JSON or bash. */
const text = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.string({
      unit: fc.constantFrom(
        '\n',
        '\t',
        '\\',
        '"',
        '\\"',
        '\u001b',
        '\u0001f',
        '\u007f',
        'x22',
        '%',
        '&',
        '$(x)',
        'é',
        '👷',
        ']',
        '}',
        ',',
        '{"a":"',
        "'",
        ' ',
        'u0041',
        '\\c',
      ),
    }),
  )
  .map((value) => value.replaceAll('\0', ''));

describe('a request', () => {
  it('arrives byte for byte, whatever its texts hold, and goes back as JSON', () => {
    fc.assert(
      fc.property(text, text, fc.constantFrom('C', 'C.UTF-8', 'POSIX'), (one, other, locale) => {
        const { rc, text: answered } = echo({ one, other, last: [] }, { LC_ALL: locale });
        const [first, second] = [one, other].map((value) => Buffer.from(value).toString());
        expect(rc).toBe(0);
        expect(answered('one')).toBe(first);
        expect(answered('other')).toBe(second);
        expect(JSON.parse(answered('one.json') ?? '')).toBe(first);
        expect(JSON.parse(answered('other.json') ?? '')).toBe(second);
      }),
      { numRuns: runs(200) },
    );
  });

  it('has numbers, booleans and lists, an element a line', () => {
    const { rc, text: answered } = echo({
      issues: [23, 24],
      steps: ['exited 23-qa-1 qa', 'a, "b"]'],
      none: [],
      yes: true,
      no: false,
      empty: '',
      absent: undefined,
      size: 1.5,
      last: [7],
    });
    expect(rc).toBe(0);
    const expected = {
      issues: '23\n24',
      steps: 'exited 23-qa-1 qa\na, "b"]',
      none: '',
      yes: 'true',
      no: 'false',
      empty: '',
      absent: undefined,
      size: '1.5',
      last: '7',
    };
    expect(Object.fromEntries(Object.keys(expected).map((name) => [name, answered(name)]))).toEqual(expected);
  });

  it.each([{ nested: { a: 1 } }, { nested: [{ a: 1 }] }, { 'na me': 1 }, { nul: 'a\0b' }])(
    '%j is none: nothing is done',
    (odd) => {
      expect(echo({ one: 'x', ...odd }).rc).toBe(1);
    },
  );

  it('of 60 KiB is read at once', () => {
    const long = '"\\\n'.repeat(10_000);
    expect(echo({ long, last: 1 }).text('long')).toBe(long);
  });
});
