/** Words as bash reads them; bash itself is asked where it can be. */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { insertion, scanLine } from '../../scripts/lib/completion/answer.ts';

describe('the words of a line', () => {
  it.each<[line: string, words: string[], raw: string, quote: string]>([
    ['', [''], '', ''],
    ['a', ['a'], 'a', ''],
    ['a ', ['a', ''], '', ''],
    [' a\t b', ['a', 'b'], 'b', ''],
    ['a "b c', ['a', 'b c'], '"b c', '"'],
    ["a 'b c", ['a', 'b c'], "'b c", "'"],
    ['a "b c" d', ['a', 'b c', 'd'], 'd', ''],
    ['a b\\ c', ['a', 'b c'], 'b\\ c', ''],
    ['a x"y z', ['a', 'xy z'], 'x"y z', '"'],
    ['a "\\$x\\y', ['a', '$x\\y'], '"\\$x\\y', '"'],
    ["a '\\", ['a', '\\'], "'\\", "'"],
    ['a ""', ['a', ''], '""', ''],
    ['a "" b', ['a', '', 'b'], 'b', ''],
    ['é --a=ü', ['é', '--a=ü'], '--a=ü', ''],
    ['a $HOME', ['a', '$HOME'], '$HOME', ''],
  ])('%j', (line, words, raw, quote) => {
    expect(scanLine(line)).toEqual({ words, raw, quote });
  });
});

describe('what is put in at the cursor', () => {
  it.each<[candidate: string, raw: string, replaced: string, text: string | null]>([
    ['worker-1', '', '', 'worker-1'],
    ['worker-1', 'wor', 'wor', 'worker-1'],
    ['worker-1', 'x', 'x', null],
    ['--session=qa', '--session=', '', 'qa'],
    ['--session=qa', '--session=q', 'q', 'qa'],
    ['--session=qa', '--session=q', '--session=q', '--session=qa'],
    ['my session', 'my', 'my', 'my\\ session'],
    ['my session', 'my\\ s', 'my\\ s', 'my\\ session'],
    ['my session', '"my s', 'my s', 'my session'],
    ['my $x', '"my', 'my', 'my \\$x'],
    ["it's", "'it", 'it', "it'\\''s"],
    ['--session=my s', '--session="m', 'm', 'my s'],
    ['a:b', 'a:', '', 'b'],
    ['$(reboot)', '', '', '\\$\\(reboot\\)'],
  ])('%j after %j, of which %j is replaced', (candidate, raw, replaced, text) => {
    expect(insertion(candidate, raw, replaced)).toBe(text);
  });

  it('is always read back by bash as the candidate', () => {
    const text = fc.string({ unit: fc.constantFrom(...'ab -=:"\'\\$`!*?;&|<>(){}[]~#é日'), minLength: 1 });
    const samples = fc.sample(
      fc.record({ word: text, cut: fc.nat(8), open: fc.constantFrom('', '"', "'") }),
      200,
    );
    const lines = samples.map(({ word, cut, open }) => {
      // The beginning typed as we would have put it in, in each of the three ways.
      const begun = open + insertion(word.slice(0, cut), open, '');
      const replaced = begun.slice(open.length);
      return open + insertion(word, begun, replaced) + open;
    });
    const script = `printf '%s\\0' ${lines.join(' ')}`;
    const read = execFileSync('bash', ['--norc', '-c', script], { encoding: 'utf8' }).split('\0');
    expect(read.slice(0, -1)).toEqual(samples.map(({ word }) => word));
  });
});
