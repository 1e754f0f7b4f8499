import { expect, it } from 'vitest';
import { lineDiff } from '../../scripts/lib/config/edit.ts';

it.each([
  ['nothing', 'a\n', 'a\n', ''],
  ['a new file', '', 'a\nb\n', '+a\n+b\n'],
  [
    'lines added, with three lines around them',
    '1\n2\n3\n4\n5\n6\n7\n8\n',
    '1\n2\n3\n4\nnew\n5\n6\n7\n8\n',
    ' 2\n 3\n 4\n+new\n 5\n 6\n 7\n',
  ],
  ['lines removed at the end', 'a\nb\n', 'a\n', ' a\n-b\n'],
  ['a line changed', 'a\nb\nc\n', 'a\nB\nc\n', ' a\n-b\n+B\n c\n'],
  ['a repeated line removed', 'a\na\n', 'a\n', ' a\n-a\n'],
  ['Windows line ends', 'a\r\n', 'a\r\nb\r\n', ' a\n+b\n'],
])('%s', (_, before, after, diff) => {
  expect(lineDiff(before, after)).toBe(diff);
});
