import { Ajv } from 'ajv/dist/jtd.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ContractError, type Documents, SCHEMA, SCHEMAS } from '../../scripts/lib/contract.ts';
import {
  LONGEST_TEXT,
  MOST_ENTRIES,
  readContract,
  readJson,
  readJsonLines,
  readVersioned,
} from '../../scripts/lib/read-contract.ts';
import { boot, heartbeat } from './samples.ts';

const drain = {
  schema: SCHEMA,
  by: 'me',
  host: 'here',
  since: '2026-03-02T11:00:00Z',
  reason: '',
  release: null,
};

it('the schemas are schemas', () => {
  const ajv = new Ajv();
  for (const schema of Object.values(SCHEMAS)) expect(ajv.validateSchema(schema)).toBe(true);
});

describe('a file of the contract', () => {
  it('of our version is read as it is, without the fields of a newer one', () => {
    expect(readContract('boot', 'boot.json', JSON.stringify(boot))).toEqual(boot);
    const [phase] = boot.phases;
    const newer = { ...boot, phases: [{ ...phase, status: 'paused', retries: 3 }], host: {} };
    expect(readContract('boot', 'boot.json', JSON.stringify(newer))).toEqual({
      ...boot,
      phases: [{ ...phase, status: 'paused' }],
    });
  });

  it('tells where the queue is kept, of images that know it', () => {
    const database = { kind: 'postgres', state: 'down', says: 'its server ended; it is being restarted' };
    for (const [name, document] of [
      ['boot', boot],
      ['heartbeat', heartbeat],
    ] as const) {
      const told = { ...document, database };
      expect(readContract(name, 'it.json', JSON.stringify(told))).toEqual(told);
      expect(readContract(name, 'it.json', JSON.stringify(document))).not.toHaveProperty('database');
    }
  });

  it('of a newer worker asks for a newer checkout', () => {
    expect(() => readContract('boot', 'boot.json', `{"schema":${SCHEMA + 1}}`)).toThrow(
      `boot.json has schema ${SCHEMA + 1}, this program knows ${SCHEMA}: update this checkout`,
    );
  });

  it('of an older worker asks for a newer image', () => {
    expect(() => readContract('boot', 'boot.json', `{"schema":${SCHEMA - 1}}`)).toThrow(
      /release a new image/,
    );
    expect(() => readContract('drain', 'drain', '{}')).toThrow(/release a new image/);
  });

  it.each<[string, keyof Documents, object, string]>([
    ['a number for a list', 'boot', { ...boot, phases: 5 }, 'phases is not a list'],
    ['null in a list', 'boot', { ...boot, phases: [null] }, 'phases[0] is not an object'],
    [
      'text for a number',
      'boot',
      { ...boot, phases: [{ ...boot.phases[0], ms: '5' }] },
      'phases[0].ms is not a number',
    ],
    ['a field less', 'boot', { ...boot, bootId: undefined }, 'it has no bootId'],
    ['a time that is none', 'heartbeat', { ...heartbeat, startedAt: 'soon' }, 'startedAt is not a time'],
    ['a negative process', 'heartbeat', { ...heartbeat, pid: -1 }, 'pid is not a whole number from 0 on'],
    ['an object for text', 'drain', { ...drain, by: {} }, 'by is not text'],
  ])('that has %s is not taken', (_, name, document, message) => {
    expect(() => readContract(name, 'it.json', JSON.stringify(document))).toThrow(
      new ContractError(`it.json is not as expected: ${message}`),
    );
  });

  it('is never a parse error, whatever is in it', () => {
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.json().map((json) => json.slice(0, -1)),
    );
    fc.assert(
      fc.property(text, (given) => {
        try {
          readVersioned('drain', given);
        } catch (error) {
          expect(error).toBeInstanceOf(ContractError);
          expect((error as Error).message).toMatch(/^drain /);
        }
      }),
    );
  });
});

describe('what is too long', () => {
  it('is cut where it is text', () => {
    const long = 'é'.repeat(LONGEST_TEXT + 1);
    const { reason } = readContract('drain', 'drain', JSON.stringify({ ...drain, reason: long }));
    expect(reason).toBe(`${'é'.repeat(LONGEST_TEXT - 1)}…`);
  });

  it('is cut at its beginning where it is a list, and that is said', () => {
    const rows = Array.from({ length: MOST_ENTRIES + 2 }, (_, n) => ({ Issue: n, Status: 'pending' }));
    const notes: string[] = [];
    const read = readJson('queue', 'the queue', JSON.stringify(rows), (note) => notes.push(note));
    expect(read).toHaveLength(MOST_ENTRIES);
    expect(read?.at(-1)?.Issue).toBe(MOST_ENTRIES + 1);
    expect(notes).toEqual(['the queue is too long: its first 2 entries are left out']);
  });

  it('is cut at its beginning where it is a file of lines', () => {
    const notes: string[] = [];
    const line = JSON.stringify({ issue: 1, project: 'demo', at: '', by: '' });
    const text = `${line}\n`.repeat(MOST_ENTRIES + 1);
    expect(readJsonLines('dispatch', 'dispatch.jsonl', text, (note) => notes.push(note))).toHaveLength(
      MOST_ENTRIES,
    );
    expect(notes).toEqual([
      `dispatch.jsonl has ${MOST_ENTRIES + 1} lines, of which the last ${MOST_ENTRIES} are read`,
    ]);
  });
});

describe('a file of JSON lines', () => {
  const record = (issue: number) => ({ issue, project: 'demo', at: '', by: 'me@here' });
  const line = (issue: number) => `${JSON.stringify(record(issue))}\n`;

  it('keeps what is whole and drops the line a crash has cut', () => {
    const notes: string[] = [];
    const text = `${line(1)}\n{"issue":2\n${line(3)}{"iss`;
    expect(readJsonLines('dispatch', 'dispatch.jsonl', text, (note) => notes.push(note))).toEqual([
      record(1),
      record(3),
    ]);
    expect(notes).toEqual([]);
    expect(readJsonLines('dispatch', 'dispatch.jsonl', '')).toEqual([]);
  });

  it('drops what is not a record and says so', () => {
    const notes: string[] = [];
    const text = `7\n"x"\n[1]\nnull\n{"issue":"1"}\n${line(3)}`;
    expect(readJsonLines('dispatch', 'dispatch.jsonl', text, (note) => notes.push(note))).toEqual([
      record(3),
    ]);
    expect(notes).toEqual([
      '5 of 6 lines of dispatch.jsonl cannot be used: a line is not as expected: it is not an object',
    ]);
  });

  it('gives back what was written, cut anywhere: all lines but the last', () => {
    const records = [record(1), { ...record(2), by: 'é' }, record(3)];
    const text = records.map((one) => `${JSON.stringify(one)}\n`).join('');
    for (let cut = 0; cut <= text.length; cut++) {
      const whole = text.slice(0, cut).split('\n').length - 1;
      const read = readJsonLines('dispatch', 'dispatch.jsonl', text.slice(0, cut));
      expect(records.slice(0, read.length)).toEqual(read);
      expect(read.length - whole).toBeGreaterThanOrEqual(0);
    }
  });
});
