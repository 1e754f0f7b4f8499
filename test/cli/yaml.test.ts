import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { defineCommand } from '../../scripts/lib/cli/command.ts';
import { CliError } from '../../scripts/lib/cli/errors.ts';
import { renderJson, renderJsonLine } from '../../scripts/lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from '../../scripts/lib/cli/output-flags.ts';
import { renderYaml } from '../../scripts/lib/cli/yaml.ts';
import { run } from '../support/run-command.ts';

const FORMATS = ['text', 'json'] as const;

/** A command that prints these documents: the first indented, the others as lines of a stream. */
const printing = (...documents: readonly unknown[]) =>
  defineCommand({
    name: 'try',
    summary: 'tries',
    positionals: [],
    examples: [],
    flags: OUTPUT_FLAGS(FORMATS),
    run: async ({ flags }, { stdout }) => {
      const json = outputFormat(flags, FORMATS) === 'json';
      documents.forEach((value, index) => {
        stdout.write(json ? (index === 0 ? renderJson(value) : renderJsonLine(value)) : 'text\n');
      });
      return undefined;
    },
  });

describe('a value as YAML', () => {
  it('is as a person would write it', () => {
    expect(renderYaml({ schema: 1, name: 'w', next: [], says: 'a\nb\n', node: null })).toBe(
      'schema: 1\nname: w\nnext: []\nsays: |\n  a\n  b\nnode: null\n',
    );
  });

  it.each([
    'no',
    'on',
    '1:30',
    '0x10',
    '010',
    '2026-03-02T12:00:00Z',
    '2026-03-02',
    '~',
    'null',
    '1_000',
    '=',
  ])('is the same text in YAML 1.1 and 1.2: %s', (text) => {
    const yaml = renderYaml({ [text]: text });
    for (const version of ['1.1', '1.2'] as const) expect(parse(yaml, { version })).toEqual({ [text]: text });
  });

  it.each([
    [
      'C0, DEL and C1',
      '\u0000\u001b[2J\u007f\u009b\u0085\r\n\ttext\u001b[31m\n\nwith lines, long enough to fold',
    ],
    ['bidirectional controls', '\u202e\u2066\u061c'],
    ['invisible characters', '\u200b\ufeff\u{e0041}\u2028'],
    ['half a character', 'a\ud800b'],
  ])('has nothing in it that a terminal obeys: %s', (_, text) => {
    const yaml = renderYaml({ [text]: [text] });
    expect(yaml).not.toMatch(/(?!\n)\p{Cc}|[\p{Cf}\u2028]/u);
    expect(parse(yaml)).toEqual({ [text]: [text] });
  });

  it('is the same value for any string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(parse(renderYaml([text, { a: text }]))).toEqual([text, { a: text }]);
      }),
    );
  });
});

describe('-o yaml', () => {
  it('prints what -o json prints', async () => {
    const value = { a: ['no', 1, null], b: { c: 'x' } };
    const { code, stdout, stderr } = await run(printing(value), ['-o', 'yaml']);
    expect([code, stderr, stdout.includes('---')]).toEqual([0, '', false]);
    expect(parse(stdout)).toEqual({ schema: 1, ...value });
  });

  it('separates the documents of a stream by ---', async () => {
    const { stdout } = await run(printing({ a: 1 }, { a: 2 }, { a: 3 }), ['--output=yaml']);
    expect(stdout).toBe('schema: 1\na: 1\n---\nschema: 1\na: 2\n---\nschema: 1\na: 3\n');
    expect(parseAllDocuments(stdout)).toHaveLength(3);
  });

  it('masks tokens as every output', async () => {
    const { stdout } = await run(printing({ a: `ghp_${'FAKE'.repeat(9)}` }), ['-o', 'yaml']);
    expect(stdout).toBe(`schema: 1\na: ghp_${'*'.repeat(36)}\n`);
  });

  it('reports a failure in one line of JSON, which is YAML', async () => {
    const failing = defineCommand({
      ...printing(),
      run: async () => {
        throw new CliError('gone', { hints: ['look'] });
      },
    });
    const { code, stdout, stderr } = await run(failing, ['-oyaml']);
    expect([code, stdout]).toEqual([1, '']);
    expect(parse(stderr)).toEqual({ schema: 1, error: { message: 'gone', hints: ['look'], exitCode: 1 } });
  });

  it('and --json cannot be used together', async () => {
    const { code, stderr } = await run(printing({}), ['--json', '-o', 'yaml']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('cannot be used together')]);
  });
});
