/** Frames and parts as nobody who means well would write them: whatever comes, it is an answer or it is none. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseWithdrawal } from '../../scripts/lib/dispatch/outcome.ts';
import { parseListeners } from '../../scripts/lib/forward/ports.ts';
import { parseInside, parsePanes } from '../../scripts/lib/health/inside.ts';
import { judge } from '../../scripts/lib/health/preflight.ts';
import { assess } from '../../scripts/lib/health/report.ts';
import { parseOutcomes as cleanedUp, planCleanup } from '../../scripts/lib/housekeeping/cleanup.ts';
import { parseUsage } from '../../scripts/lib/housekeeping/usage.ts';
import { parsePiece } from '../../scripts/lib/logs/source.ts';
import { parseFacts, worseThan } from '../../scripts/lib/release/plan.ts';
import { parseCredentials } from '../../scripts/lib/rotate/layers.ts';
import { type Frame, newNonce, parseFrame } from '../../scripts/lib/transport/frame.ts';
import { openItems } from '../../scripts/lib/worker/queue.ts';
import { parseSnapshot } from '../../scripts/lib/worker/snapshot.ts';
import { runs } from '../support/properties.ts';
import { commandLine, WORKER } from '../support/samples.ts';
import { inside, stateOf } from './honest.ts';
import { pathsOf, put } from './lies.ts';
import { frame, frameBytes } from './reply.ts';

const NONCE = newNonce();
const bytes = (parts: Readonly<Record<string, string>>, rc = 0) => frameBytes(frame(parts), NONCE, rc);

/** Parts by name; their text may be anything but the nonce, which a worker has, but cannot know beforehand. */
const parts = fc.dictionary(
  fc.stringMatching(/^[a-z][a-z.-]{0,8}$/).filter((name) => !(name in {})),
  fc.string({ unit: 'binary', maxLength: 60 }),
  { minKeys: 1, maxKeys: 5, noNullPrototype: true },
);

const textOf = (read: Frame | null, name: string) => read?.parts.get(name)?.text;

describe('a frame', () => {
  it('is nothing wherever it was cut', () => {
    fc.assert(
      fc.property(parts, (given) => {
        const whole = bytes(given);
        expect(parseFrame(whole, NONCE)).not.toBeNull();
        for (let cut = 0; cut < whole.length; cut++)
          expect(parseFrame(whole.subarray(0, cut), NONCE)).toBeNull();
      }),
      { numRuns: runs(40) },
    );
  });

  it('has the same parts in whatever order they come, and of two of a name the last', () => {
    fc.assert(
      fc.property(parts, fc.nat(), fc.string({ maxLength: 20 }), (given, seed, other) => {
        const names = Object.keys(given);
        const turned = Object.fromEntries(
          names
            .map((_, at) => names[(at + seed) % names.length] ?? '')
            .map((name) => [name, given[name] ?? '']),
        );
        const read = parseFrame(bytes(turned), NONCE);
        for (const [name, text] of Object.entries(given))
          expect(textOf(read, name)).toBe(Buffer.from(text).toString());
        const [name = ''] = names;
        const [again, closing] = [
          headAndBody(name, other),
          (length: number) => `${NONCE} rc=0 bytes=${length}\n`,
        ];
        const body = Buffer.concat([withoutMarker(bytes(given)), again]);
        const twice = parseFrame(Buffer.concat([body, Buffer.from(closing(body.length))]), NONCE);
        expect(textOf(twice, name)).toBe(Buffer.from(other).toString());
        expect(twice?.parts.size).toBe(names.length);
      }),
    );
  });

  it('is nothing when a count is not that of what follows', () => {
    const counts = fc.oneof(
      fc.nat(10_000).map(String),
      fc.constantFrom('', '-1', '1e9', '0x10', '9'.repeat(40), ' 1', 'NaN'),
    );
    fc.assert(
      fc.property(parts, counts, fc.nat(), (given, count, which) => {
        const lines = bytes(given).toString('latin1');
        const marks = [...lines.matchAll(new RegExp(`^${NONCE}(?: part \\S+)? rc=\\d+ bytes=(\\d+)$`, 'gm'))];
        const mark = marks[which % marks.length];
        if (mark === undefined || mark[1] === count) return;
        const changed = mark[0].replace(/bytes=\d+$/, `bytes=${count}`);
        const at = mark.index;
        const wrong = lines.slice(0, at) + changed + lines.slice(at + mark[0].length);
        expect(parseFrame(Buffer.from(wrong, 'latin1'), NONCE)).toBeNull();
      }),
      { numRuns: runs(300) },
    );
  });

  it('carries another frame in a part as it is, its own nonce too', () => {
    fc.assert(
      fc.property(parts, parts, fc.integer({ min: 0, max: 255 }), (outer, within, rc) => {
        const smuggled = bytes(within, rc).toString();
        const read = parseFrame(bytes({ ...outer, carrier: smuggled, last: 'x' }), NONCE);
        expect(read?.rc).toBe(0);
        expect(textOf(read, 'carrier')).toBe(smuggled);
        expect([...(read?.parts.keys() ?? [])].sort()).toEqual(
          [...new Set([...Object.keys(outer), 'carrier', 'last'])].sort(),
        );
      }),
    );
  });

  it('never holds more than came, and never throws, whatever bytes are changed, dropped or doubled', () => {
    const damage = fc.array(
      fc.record({ at: fc.nat(), byte: fc.nat(255), kind: fc.constantFrom('set', 'drop', 'double') }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(parts, damage, (given, damages) => {
        let bent = bytes(given);
        for (const { at, byte, kind } of damages) {
          const index = at % Math.max(1, bent.length);
          const [before, after] = [bent.subarray(0, index), bent.subarray(index + 1)];
          const here = bent.subarray(index, index + 1);
          const there = { set: [Buffer.from([byte])], drop: [], double: [here, here] }[kind];
          bent = Buffer.concat([before, ...there, after]);
        }
        const read = parseFrame(bent, NONCE);
        const held = [...(read?.parts.values() ?? [])];
        expect(held.every(({ rc }) => Number.isInteger(rc) && rc >= 0)).toBe(true);
        // A byte that is no UTF-8 becomes one character, so that there are never more than there were bytes.
        expect(held.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThanOrEqual(bent.length);
      }),
      { numRuns: runs(500) },
    );
  });
});

function headAndBody(name: string, text: string): Buffer {
  return withoutMarker(bytes({ [name]: text }));
}

function withoutMarker(whole: Buffer): Buffer {
  return whole.subarray(0, whole.lastIndexOf(`${NONCE} rc=`));
}

/** What may stand in the place of a part: text, JSON, lines with tabs, numbers, and what is between them. */
const anything = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.json({ maxDepth: 4 }),
  fc
    .array(
      fc
        .array(fc.oneof(fc.string({ maxLength: 8 }), fc.integer().map(String)), { maxLength: 7 })
        .map((cells) => cells.join('\t')),
      { maxLength: 4 },
    )
    .map((lines) => lines.join('\n')),
  fc
    .array(
      fc.record({ Type: fc.anything(), Size: fc.anything(), Issue: fc.anything(), issue: fc.anything() }),
      { maxLength: 3 },
    )
    .map((rows) => rows.map((row) => JSON.stringify(row) ?? '').join('\n')),
  fc.constantFrom(
    '',
    'null',
    'NaN',
    '1e400',
    '-1',
    '[]',
    '{}',
    '[null]',
    '{"schema":1}',
    '{"schema":1,"phases":5}',
    '[[[[[[]]]]]]',
  ),
);

const state = () => stateOf('worker-1', 'busy');

/** An honest text with one value of its JSON replaced, where it is JSON; else anything. */
function bent(honest: string): fc.Arbitrary<string> {
  const lines = honest.split('\n');
  const documents = lines.flatMap((line, index) => {
    try {
      const document: unknown = JSON.parse(line);
      return pathsOf(document).map((path) => ({ document, path, index }));
    } catch {
      return [];
    }
  });
  if (documents.length === 0) return anything;
  const replaced = fc
    .tuple(fc.constantFrom(...documents), fc.jsonValue({ maxDepth: 2 }))
    .map(([{ document, path, index }, value]) =>
      lines.with(index, JSON.stringify(put(document, path, value))).join('\n'),
    );
  return fc.oneof({ weight: 3, arbitrary: replaced }, { weight: 1, arbitrary: anything });
}

/** The parts of honest answers, some of them replaced. */
function answers(script: string): fc.Arbitrary<Frame> {
  const honest = inside(state(), script, script === 'look' ? ['full'] : []);
  if (honest.kind !== 'frame') throw new Error(`${script} is not framed`);
  const lies = Object.fromEntries(
    Object.entries(honest.parts).map(([name, part]) => [
      name,
      fc.oneof(
        { weight: 2, arbitrary: fc.constant({ rc: part.rc ?? 0, text: part.text }) },
        {
          weight: 1,
          arbitrary: fc.record({ rc: fc.constantFrom(0, 0, 0, 1, 124, 127), text: bent(part.text) }),
        },
      ),
    ]),
  );
  return fc
    .record(lies, { requiredKeys: [] })
    .map((given) => ({ rc: 0, parts: new Map(Object.entries(given)) }) as Frame);
}

/** What is made of the parts: nothing of it may throw but an error with a sentence. */
const READERS: readonly (readonly [string, string, (frame: Frame) => unknown])[] = [
  [
    'a probe',
    'look',
    (read) => {
      const snapshot = parseSnapshot(read);
      return [assess(WORKER, null, snapshot, commandLine), openItems(snapshot)];
    },
  ],
  ['a look for why', 'why', (read) => [parseInside(read), parsePanes(read)]],
  ['sizes', 'usage', (read) => parseUsage(read)],
  ['what could be cleaned up', 'cleanup-look', (read) => planCleanup(read, [23])],
  ['what was cleaned up', 'cleanup', cleanedUp],
  ['facts for a release', 'release-facts', (read) => worseThan(null, parseFacts(read))],
  ['credentials', 'rotate', parseCredentials],
  ['ports', 'port-forward-look', parseListeners],
  ['a piece of a log', 'logs', parsePiece],
  [
    'a withdrawn dispatch',
    'dispatch-withdraw',
    (read) =>
      parseWithdrawal(read, {
        id: 'x',
        by: 'ann',
        project: 'demo',
        issues: [40],
        intent: undefined,
        dependsOn: [],
        requeue: false,
        dryRun: false,
      }),
  ],
  [
    'a preflight',
    'doctor',
    (read) => judge(read, { worker: WORKER, pod: null, now: 0, command: commandLine }),
  ],
];

describe('the parts of an answer', () => {
  it.each(READERS)('of %s are read whatever is in them', (_, script, read) => {
    fc.assert(
      fc.property(answers(script), (given) => {
        try {
          read(given);
        } catch (error) {
          // With a sentence for people, and not a crash.
          expect((error as Error).name).toMatch(/^(CliError|ContractError|UsageError|TransportError)$/);
        }
      }),
      { numRuns: runs(300) },
    );
  });
});
