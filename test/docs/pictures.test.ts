/** The pictures of a terminal, and the page that explains what is on them. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import { KEYS } from '../../scripts/lib/ui/model.ts';
import { GROUPS } from '../../scripts/lib/ui/row.ts';
import { drawn, runsOf, THEMES } from './svg.ts';

const DOCS = join(packageRoot(), 'docs');

describe('a line of a screen', () => {
  const plain = { colour: null, bold: false, dim: false, inverse: false };

  it.each([
    ['as it is', [{ ...plain, column: 0, text: 'as it is' }]],
    ['', []],
    [
      '\u001b[1m\u001b[31mred\u001b[0m and not',
      [
        { ...plain, bold: true, colour: 'red', column: 0, text: 'red' },
        { ...plain, column: 3, text: ' and not' },
      ],
    ],
    [
      '界\u001b[2;33mfaint\u001b[22;39;49m.',
      [
        { ...plain, column: 0, text: '界' },
        { ...plain, dim: true, colour: 'yellow', column: 2, text: 'faint' },
        { ...plain, column: 7, text: '.' },
      ],
    ],
    ['\u001b[7mon\u001b[27m', [{ ...plain, inverse: true, column: 0, text: 'on' }]],
  ])('%j', (line, runs) => {
    expect(runsOf(line)).toEqual(runs);
  });

  it('in a style that nobody has thought of is not drawn wrongly', () => {
    expect(() => runsOf('\u001b[5mblinks')).toThrow('5');
  });

  it('is text in the picture, whatever it contains', () => {
    expect(drawn(['a <b> & c'], THEMES.light)).toContain('>a &lt;b&gt; &amp; c</text>');
  });
});

it.each(readdirSync(DOCS).filter((name) => name.endsWith('.svg')))(
  '%s loads fast, and has a dark one',
  (name) => {
    expect(statSync(join(DOCS, name)).size).toBeLessThan(150_000);
    if (/^ui-.*\d\.svg$/.test(name))
      expect(statSync(join(DOCS, name.replace('.svg', '-dark.svg'))).size).toBeGreaterThan(0);
  },
);

describe('docs/ui.md', () => {
  const page = readFileSync(join(DOCS, 'ui.md'), 'utf8');

  it('explains every key as the help does', () => {
    const rows = KEYS.map(([keys, does]) => {
      const typed = keys.split(', ').map((key) => `\`${key}\``);
      return `| ${typed.join(', ')} | ${does} |`;
    });
    expect(page.split('\n').filter((line) => line.startsWith('| `'))).toEqual(rows);
  });

  it('explains every group', () => {
    const rows = page.split('\n').filter((line) => /^\| [A-Z ]+ \|/.test(line));
    expect(rows.map((line) => line.split(' | ')[0])).toEqual(GROUPS.map((group) => `| ${group}`));
  });
});
