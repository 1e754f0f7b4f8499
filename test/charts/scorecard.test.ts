import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TESTS } from './helm.ts';

const rows = readFileSync(join(TESTS, 'SCORECARD.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| *\d+ /.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, item, , proof = '']) => ({ item: Number(item), proof }));

/** Titles of all tests of the chart. */
const titles = new Set(
  readdirSync(TESTS)
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(TESTS, file), 'utf8'))
    .flatMap((source) => [
      ...source.matchAll(/^ *(?:test(?:\.each\([\s\S]*?\))?|\]\))\(\s*'((?:[^'\\]|\\.)+)',/gm),
    ])
    .map((match) => match[1] ?? ''),
);

test('the scorecard has every item once', () => {
  expect(rows.map((row) => row.item)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
});

test('every item of the scorecard names a test that exists, or says why there is none', () => {
  expect(titles.size).toBeGreaterThan(80);
  for (const { item, proof } of rows) {
    if (proof.startsWith('—')) {
      expect({ item, proof }).toEqual({ item, proof: expect.stringMatching(/^— .{15}/) });
      continue;
    }
    // Titles have a space in them; what has none is a file, a value or a command.
    const named = [...proof.matchAll(/`([^`]+)`/g)]
      .map((match) => match[1] ?? '')
      .filter((text) => text.includes(' ') && !text.startsWith('make '));
    expect({ item, named: named.length }).not.toEqual({ item, named: 0 });
    for (const title of named)
      expect({ item, title, there: titles.has(title) }).toEqual({ item, title, there: true });
  }
});
