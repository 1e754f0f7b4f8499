import { expect, it } from 'vitest';
import { describeProgress } from '../../scripts/lib/cli/progress.ts';

const MIB = 2 ** 20;

it.each([
  [12 * MIB, 24 * MIB, 4_000, '50%  12.0MiB of 24.0MiB  3.0MiB/s'],
  [25 * MIB, 24 * MIB, 5_000, '100%  24.0MiB of 24.0MiB  5.0MiB/s'],
  [12 * MIB, null, 4_000, '12.0MiB  3.0MiB/s'],
  [0, 0, 0, '100%  0B of 0B'],
])('%d of %s after %d ms: %s', (done, total, ms, expected) => {
  expect(describeProgress(done, total, ms)).toBe(expected);
});
