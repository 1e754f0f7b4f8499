import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newNonce, parseFrame } from '../../scripts/lib/transport/frame.ts';
import { runs } from '../support/properties.ts';

const FRAME = readFileSync(new URL('../../scripts/remote/frame.sh', import.meta.url), 'utf8');

/** Frames parts given as NAME RC TEXT …, with the real script. */
const EMIT = 'while [ $# -ge 3 ]; do emit_part "$1" "$2" "$3"; shift 3; done\n';

interface Given {
  readonly name: string;
  readonly rc: number;
  readonly text: string;
}

function answer(nonce: string, body: string, args: readonly string[] = [], env = process.env): Buffer {
  return execFileSync('bash', ['-c', FRAME + body, 'frame', nonce, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 64 * 1024 * 1024,
  });
}

function emit(nonce: string, parts: readonly Given[], env?: NodeJS.ProcessEnv): Buffer {
  return answer(
    nonce,
    EMIT,
    parts.flatMap(({ name, rc, text }) => [name, String(rc), text]),
    env,
  );
}

const NONCE = newNonce();

/** Anything bash can hold: no NUL. With what could be taken for our own marks. */
const text = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.string({
      unit: fc.constantFrom('\n', 'é', '漢', '👷', '\t', '\u001b[0m', '\\n', '%s', "'", '"', ' ', 'x'),
    }),
    fc.constantFrom(
      '',
      '\n',
      `${NONCE} rc=0 bytes=0`,
      `\n${NONCE} rc=0 bytes=0\n`,
      `${NONCE} part a rc=0 bytes=99\n`,
      ' part x rc=0 bytes=1',
    ),
  )
  .map((value) => value.replaceAll('\0', ''));

const given = fc.uniqueArray(
  fc.record({
    name: fc.stringMatching(/^[a-z][a-z.-]{0,8}$/),
    rc: fc.integer({ min: 0, max: 255 }),
    text,
  }),
  { selector: ({ name }) => name, maxLength: 6 },
);

describe('a frame', () => {
  it('carries any parts through the real script, byte for byte', () => {
    fc.assert(
      fc.property(given, (parts) => {
        const frame = parseFrame(emit(NONCE, parts), NONCE);
        expect(frame?.rc).toBe(0);
        expect([...(frame?.parts ?? [])]).toEqual(
          parts.map(({ name, rc, text: value }) => [name, { rc, text: Buffer.from(value).toString() }]),
        );
      }),
      { numRuns: runs(60) },
    );
  });

  it.each(['C', 'C.UTF-8', 'en_US.UTF-8', 'nonsense'])(
    'counts bytes, not characters, under LC_ALL=%s',
    (locale) => {
      const parts = [{ name: 'a', rc: 0, text: 'é漢👷' }];
      const frame = parseFrame(emit(NONCE, parts, { ...process.env, LC_ALL: locale }), NONCE);
      expect(frame?.parts.get('a')?.text).toBe('é漢👷');
    },
  );

  it('is nothing when any of its end is missing, wherever the stream was cut', () => {
    const whole = emit(NONCE, [
      { name: 'sessions', rc: 0, text: 'orchestrator\t1\n23-qa-1\té漢' },
      { name: 'empty', rc: 0, text: '' },
      { name: 'marks', rc: 0, text: `${NONCE} rc=0 bytes=12\n${NONCE} part b rc=0 bytes=3\nxyz\n` },
      { name: 'queue', rc: 1, text: '' },
      { name: 'queue.error', rc: 1, text: 'Error: no\n\nUsage:\n' },
    ]);
    expect(parseFrame(whole, NONCE)).not.toBeNull();
    for (let cut = 0; cut < whole.length; cut++) expect(parseFrame(whole.subarray(0, cut), NONCE)).toBeNull();
  });

  it('is nothing when bytes are missing from its middle', () => {
    const whole = emit(NONCE, [
      { name: 'a', rc: 0, text: 'one\ntwo\n' },
      { name: 'b', rc: 0, text: 'three' },
      { name: 'c', rc: 2, text: '' },
    ]);
    fc.assert(
      fc.property(fc.nat(whole.length - 2), fc.integer({ min: 1, max: whole.length }), (from, length) => {
        // The last line feed stays: without it this would be a cut.
        const to = Math.min(from + length, whole.length - 1);
        const torn = Buffer.concat([whole.subarray(0, from), whole.subarray(to)]);
        expect(parseFrame(torn, NONCE)).toBeNull();
      }),
      { numRuns: runs(500) },
    );
  });

  it('begins after whatever a login script prints, and ends before what a child left behind prints', () => {
    const body = emit(NONCE, [{ name: 'a', rc: 0, text: 'x' }]);
    const noisy = Buffer.concat([Buffer.from('Welcome to é\nLast login\n'), body, Buffer.from('late\n')]);
    expect(parseFrame(noisy, NONCE)?.parts.get('a')?.text).toBe('x');
  });

  it('of another call is not ours', () => {
    expect(parseFrame(emit(newNonce(), [{ name: 'a', rc: 0, text: 'x' }]), NONCE)).toBeNull();
  });

  it('says how the script ended, also when it ended early', () => {
    expect(parseFrame(answer(NONCE, 'emit_part a 0 x; exit 7; emit_part b 0 y'), NONCE)).toEqual({
      rc: 7,
      parts: new Map([['a', { rc: 0, text: 'x' }]]),
    });
    // A variable nobody set.
    expect(parseFrame(answer(NONCE, 'emit_part a 0 "$unset"'), NONCE)?.rc).not.toBe(0);
  });

  it('closes with 124 when the time limit in the worker strikes', () => {
    const { stdout } = spawnSync('timeout', [
      '-k',
      '2',
      '0.5',
      'bash',
      '-c',
      `${FRAME}emit_part a 0 x; sleep 20`,
      'frame',
      NONCE,
    ]);
    expect(parseFrame(stdout, NONCE)).toEqual({ rc: 124, parts: new Map([['a', { rc: 0, text: 'x' }]]) });
  });
});

describe('a part', () => {
  it('is what a command prints; of a command that fails also its words on stderr', () => {
    const frame = parseFrame(
      answer(
        NONCE,
        'part good echo hi; part bad bash -c "echo out; echo why >&2; exit 3"; part none no-such',
      ),
      NONCE,
    );
    expect(frame?.parts.get('good')).toEqual({ rc: 0, text: 'hi' });
    expect(frame?.parts.get('bad')).toEqual({ rc: 3, text: 'out' });
    expect(frame?.parts.get('bad.error')).toEqual({ rc: 3, text: 'why' });
    expect(frame?.parts.get('none')?.rc).toBe(127);
    expect(frame?.parts.has('good.error')).toBe(false);
  });

  it('survives binary output', () => {
    const body = 'part big head -c 300000 /dev/urandom';
    expect(parseFrame(answer(NONCE, body), NONCE)?.rc).toBe(0);
  });

  it('of a file is left out when there is no such file, and empty when it is', () => {
    const frame = parseFrame(answer(NONCE, 'part_file none /dev/null/none; part_file null /dev/null'), NONCE);
    expect([...(frame?.parts ?? [])]).toEqual([['null', { rc: 0, text: '' }]]);
  });
});

describe("the worker's own secrets", () => {
  const KEY = [
    '-----BEGIN OPENSSH PRIVATE KEY-----',
    'b3BlbnNzaC1rZXktdjEAAAAAFAKE+fake/FAKE+fake/FAKE+fake/FAKE+fake/FAKE',
    'FAKE/fake+FAKE/fake+0123',
    'FAKE==',
    '-----END OPENSSH PRIVATE KEY-----',
  ];
  const ODD = 'an odd one: $^.*[x]\\{2}(é)/&|?';
  const dir = mkdtempSync(join(tmpdir(), 'fw-secrets-'));
  const env = { ...process.env, WORKER_SECRETS_DIR: dir };
  beforeAll(() => {
    writeFileSync(join(dir, 'SSH_PRIVATE_KEY'), `${KEY.join('\n')}\n`);
    writeFileSync(join(dir, 'OF_SOMEBODY'), `${ODD}\n`);
    writeFileSync(join(dir, 'SHORT'), 'short');
    writeFileSync(join(dir, 'GH_USER'), 'worker-bot-1\n');
    mkdirSync(join(dir, 'folder'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const stars = (secret: string) => '*'.repeat(Buffer.byteLength(secret));
  const CASES: [what: string, text: string, masked: string][] = [
    ['an odd one', `x ${ODD} y ${ODD}`, `x ${stars(ODD)} y ${stars(ODD)}`],
    ['a key', KEY.join('\n'), [KEY[0], stars(KEY[1] ?? ''), stars(KEY[2] ?? ''), KEY[3], KEY[4]].join('\n')],
    ['a line of a key', `12: ${KEY[2]}`, `12: ${stars(KEY[2] ?? '')}`],
    ['what is no secret', 'short worker-bot-1 an odd two', 'short worker-bot-1 an odd two'],
    ['what only looks alike', 'an odd one: xxxxxxxxxxxxxxxxxxxxxxx', 'an odd one: xxxxxxxxxxxxxxxxxxxxxxx'],
  ];

  it.each(CASES)('are in no answer, which keeps its length: %s', (_, given, masked) => {
    const frame = parseFrame(emit(NONCE, [{ name: 'a', rc: 0, text: given }], env), NONCE);
    expect(frame?.parts.get('a')?.text).toBe(masked);
  });

  it.each(CASES)('are in no stream of bytes either: %s', (_, given, masked) => {
    const bytes = Buffer.concat([
      Buffer.from([0, 0xff, 0x0a]),
      Buffer.from(given),
      Buffer.from([0x0a, 0xc3]),
    ]);
    const said = spawnSync('bash', ['-c', `${FRAME}trap - EXIT; mask_stream`, 'frame', NONCE], {
      env,
      input: bytes,
    });
    expect(said.stderr.toString()).toBe('');
    expect(said.stdout).toEqual(
      Buffer.concat([Buffer.from([0, 0xff, 0x0a]), Buffer.from(masked), Buffer.from([0x0a, 0xc3])]),
    );
  });

  it.each(CASES)('are in no JSON either, where a quote has a backslash before it: %s', (_, given, masked) => {
    const frame = parseFrame(answer(NONCE, 'to_json "$1"; emit_part a 0 "$json"\n', [given], env), NONCE);
    expect(JSON.parse(frame?.parts.get('a')?.text ?? '')).toBe(masked);
  });

  it('are found whatever the locale is, and cost nothing where there are none', () => {
    for (const LC_ALL of ['C', 'C.UTF-8']) {
      const said = emit(NONCE, [{ name: 'a', rc: 0, text: `é${ODD}é` }], { ...env, LC_ALL });
      expect(parseFrame(said, NONCE)?.parts.get('a')?.text).toBe(`é${stars(ODD)}é`);
    }
    const none = emit(NONCE, [{ name: 'a', rc: 0, text: ODD }], {
      ...env,
      WORKER_SECRETS_DIR: '/nonexistent',
    });
    expect(parseFrame(none, NONCE)?.parts.get('a')?.text).toBe(ODD);
  });
});
