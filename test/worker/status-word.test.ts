import { expect, it } from 'vitest';
import { statusWord } from '../../scripts/lib/factory.ts';

it.each([
  ['in_progress', 'in progress'],
  ['rate_limited', 'rate limited'],
  ['blocked', 'blocked'],
  // In the place of a status a token stays one that is masked.
  ['ghp_made_up', 'ghp_made_up'],
  ['constructor', 'constructor'],
])('the status %s of a pipeline is written as %s', (status, word) => {
  expect(statusWord(status)).toBe(word);
});
