import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drainReason } from '../../../image/supervisor/loop/drain.ts';

describe('the drain file', () => {
  it.each([
    [null, null],
    [
      '{"schema":1,"by":"ann","host":"mac","since":"2026-11-22T15:00:00Z","reason":"release","release":null}',
      'drained by ann on mac since 2026-11-22T15:00:00Z: release',
    ],
    ['{"schema":2,"by":"ann"}', 'drained by ann'],
    ['', 'drained (the drain file says neither by whom nor why)'],
    ['not json', 'drained (the drain file says neither by whom nor why)'],
    ['[]', 'drained (the drain file says neither by whom nor why)'],
  ])('%s → %s', (text, reason) => expect(drainReason(text)).toBe(reason));

  it('whatever is in it, it drains', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => drainReason(text) !== null));
  });
});
