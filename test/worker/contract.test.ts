import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ContractError, readContract, readJsonLines, SCHEMA } from '../../scripts/lib/contract.ts';

describe('a file of the contract', () => {
  it('of our version is read as it is', () => {
    expect(readContract('boot.json', `{"schema":${SCHEMA},"new":1}`)).toEqual({ schema: SCHEMA, new: 1 });
  });

  it('of a newer worker asks for a newer checkout', () => {
    expect(() => readContract('boot.json', `{"schema":${SCHEMA + 1}}`)).toThrow(
      `boot.json has schema ${SCHEMA + 1}, this program knows ${SCHEMA}: update this checkout`,
    );
  });

  it('of an older worker asks for a newer image', () => {
    expect(() => readContract('boot.json', `{"schema":${SCHEMA - 1}}`)).toThrow(/release a new image/);
    expect(() => readContract('drain', '{}')).toThrow(/release a new image/);
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
          readContract('drain', given);
        } catch (error) {
          expect(error).toBeInstanceOf(ContractError);
          expect((error as Error).message).toMatch(/^drain /);
        }
      }),
    );
  });
});

describe('a file of JSON lines', () => {
  it('keeps what is whole and drops the line a crash has cut, and what is no record', () => {
    expect(readJsonLines('{"issue":1}\n\n{"issue":2\n7\n"x"\n[1]\nnull\n{"issue":3}\n{"iss')).toEqual([
      { issue: 1 },
      { issue: 3 },
    ]);
    expect(readJsonLines('')).toEqual([]);
  });

  it('gives back what was written, cut anywhere: all lines but the last', () => {
    const records = [{ a: 'é' }, { b: 2 }, { c: 'x' }];
    const text = records.map((record) => `${JSON.stringify(record)}\n`).join('');
    for (let cut = 0; cut <= text.length; cut++) {
      const whole = text.slice(0, cut).split('\n').length - 1;
      const read = readJsonLines(text.slice(0, cut));
      expect(records.slice(0, read.length)).toEqual(read);
      expect(read.length - whole).toBeGreaterThanOrEqual(0);
    }
  });
});
