/** Every command that prints data has a published schema, and a field more or less than it says is found. */
import { describe, expect, it } from 'vitest';
import { renderJson, renderJsonLine } from '../../scripts/lib/cli/output.ts';
import { jsonError } from '../../scripts/lib/cli/run.ts';
import { OUTPUT_SCHEMAS } from '../../scripts/lib/output-schemas.ts';
import { ALL_COMMANDS } from '../support/commands.ts';
import { documentsIn, mismatch } from '../support/published.ts';

it('every command with -o json has a schema, and no other', async () => {
  const printing: string[] = [];
  for (const [name, { load }] of Object.entries(ALL_COMMANDS)) {
    if (Object.hasOwn((await load()).flags, 'json')) printing.push(name);
  }
  const without = printing.filter((name) => OUTPUT_SCHEMAS[name] === undefined);
  expect(without.map((name) => `${name} has no schema: add it to scripts/lib/output-schemas.ts`)).toEqual([]);
  expect(Object.keys(OUTPUT_SCHEMAS).filter((name) => !printing.includes(name))).toEqual([]);
});

describe('a document', () => {
  const [sent] = documentsIn(
    renderJson({ worker: 'w', session: 'notes', characters: 5, enter: true, typed: true }),
  ) as [Record<string, unknown>];

  it('fits its schema, with its version', () => {
    expect(sent['schema']).toBe(1);
    expect(mismatch('send', sent)).toBeNull();
  });

  it.each(Object.keys(sent))('does not fit without its field %s', (field) => {
    const { [field]: _, ...rest } = sent;
    expect(mismatch('send', rest)).toContain(`"missingProperty":"${field}"`);
  });

  it('does not fit with a field that is not published', () => {
    expect(mismatch('send', { ...sent, extra: 1 })).toContain('"additionalProperty":"extra"');
  });

  it('of a list has no version: what takes it as a list goes on', () => {
    expect(documentsIn(renderJson([{ a: 1 }]))).toEqual([[{ a: 1 }]]);
  });

  it('of a stream has its version in each line', () => {
    const lines = renderJsonLine({ a: 1 }) + renderJsonLine({ a: 2 });
    expect(documentsIn(lines)).toEqual([
      { schema: 1, a: 1 },
      { schema: 1, a: 2 },
    ]);
  });
});

it('an error fits its schema', () => {
  expect(mismatch('error', JSON.parse(jsonError('no', ['try again'], 1)))).toBeNull();
});
