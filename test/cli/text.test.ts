import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  age,
  count,
  didYouMean,
  enumerate,
  nearest,
  oneLine,
  shellQuote,
} from '../../scripts/lib/cli/text.ts';
import { runs } from '../support/properties.ts';

describe('nearest', () => {
  const workers = ['worker-1', 'worker-2', 'worker-10', 'qa', 'x'];
  const cases: [word: string, near: string[]][] = [
    ['worker-1', ['worker-1', 'worker-10', 'worker-2']],
    ['wroker-1', ['worker-1', 'worker-10', 'worker-2']],
    ['WORKER-2', ['worker-2', 'worker-1', 'worker-10']],
    ['work', ['worker-1', 'worker-2', 'worker-10']],
    ['qb', []],
    ['qa2', []],
    ['y', []],
    ['something-else', []],
    ['', []],
  ];
  it.each(cases)('%s', (word, near) => {
    expect(nearest(word, workers)).toEqual(near);
  });

  it('becomes a question of at most two names', () => {
    expect(didYouMean('wroker-1', workers)).toBe('did you mean worker-1 or worker-10?');
    expect(didYouMean('dispach', ['dispatch', 'list'])).toBe('did you mean dispatch?');
    expect(didYouMean('nothing', ['dispatch', 'list'])).toBeNull();
  });
});

describe('age', () => {
  it.each([
    [-5, '0s'],
    [0.9, '0s'],
    [119, '119s'],
    [120, '2m'],
    [7199, '119m'],
    [7200, '2h'],
    [172_799, '47h'],
    [172_800, '2d'],
    [86_400 * 400, '400d'],
  ])('%d seconds: %s', (seconds, text) => {
    expect(age(seconds)).toBe(text);
  });
});

it('counts and enumerates', () => {
  expect([count(0, 'issue'), count(1, 'issue'), count(2, 'issue')]).toEqual([
    '0 issues',
    '1 issue',
    '2 issues',
  ]);
  expect([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(enumerate)).toEqual(['', 'a', 'a and b', 'a, b and c']);
});

describe('shellQuote', () => {
  it.each([
    ['worker-1', 'worker-1'],
    ['--issue=23', '--issue=23'],
    ['a b', "'a b'"],
    ["it's", "'it'\\''s'"],
    ['', "''"],
    ['$HOME', "'$HOME'"],
    ['~/x', "'~/x'"],
    // zsh takes `=ls` for the path of ls.
    ['=ls', "'=ls'"],
    ['héllo', "'héllo'"],
  ])('%j', (text, quoted) => {
    expect(shellQuote(text)).toBe(quoted);
  });

  it('gives any text back when a shell reads it', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({
        unit: fc.constantFrom("'", '"', '\\', '$', '`', '!', '~', '=', '-', ' ', '\n', 'a', '*', '#', '&'),
      }),
    );
    const argument = text.map((raw) => Buffer.from(raw.replaceAll('\0', '')).toString());
    fc.assert(
      fc.property(fc.array(argument, { minLength: 1, maxLength: 40 }), (words) => {
        const script = `printf '%s\\0' ${words.map(shellQuote).join(' ')}`;
        const read = execFileSync('bash', ['--norc', '-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });
        expect(read.toString('utf8').split('\0').slice(0, -1)).toEqual(words);
      }),
      { numRuns: runs(60) },
    );
  });
});

describe('oneLine', () => {
  it.each([
    ['plain', 'plain'],
    ['\u001b[31mred\u001b[0m', 'red'],
    ['\u001b]0;title\u0007text', 'text'],
    ['\u001b[2J\u001b[Hcleared', 'cleared'],
    ['a\r\nb\tc', 'a b c'],
    ['bell\u0007', 'bell '],
    ['c1 \u009b31m csi', 'c1  csi'],
    ['right-to-left \u202e override', 'right-to-left   override'],
    ['héllo wörld 日本', 'héllo wörld 日本'],
  ])('%j', (text, line) => {
    expect(oneLine(text)).toBe(line);
  });

  it('never lets a control character through', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(oneLine(text)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      }),
    );
  });
});
