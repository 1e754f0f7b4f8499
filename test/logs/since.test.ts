import { describe, expect, it } from 'vitest';
import { UsageError } from '../../scripts/lib/cli/errors.ts';
import { parseSince, sinceArgument, sinceFlags } from '../../scripts/lib/logs/choose-log.ts';

describe('--since', () => {
  it.each([
    ['90s', '90', '--since=90s'],
    ['1h30m', '5400', '--since=5400s'],
    ['200ms', '1', '--since=1s'],
    ['2026', '2026', '--since=2026s'],
    ['2026-07-20T15:00:07Z', '2026-07-20T15:00:07Z', '--since-time=2026-07-20T15:00:07Z'],
    ['2026-07-20T15:00:07.25+02:00', '2026-07-20T13:00:07Z', '--since-time=2026-07-20T13:00:07Z'],
    ['2026-07-20 15:00', '2026-07-20T15:00:00Z', '--since-time=2026-07-20T15:00:00Z'],
    ['2026-07-20', '2026-07-20T00:00:00Z', '--since-time=2026-07-20T00:00:00Z'],
  ])('%s', (text, argument, flag) => {
    const since = parseSince(text);
    expect([sinceArgument(since), sinceFlags(since)]).toEqual([argument, [flag]]);
  });

  it('is left out', () => {
    expect([sinceArgument(null), sinceFlags(null)]).toEqual(['', []]);
  });

  it.each(['', 'yesterday', '-1h', '2026-13-20', '2026-07-20T25:00', '15:00', '2026-07'])(
    '%j is refused',
    (text) => {
      expect(() => parseSince(text)).toThrow(UsageError);
      expect(() => parseSince(text)).toThrow(`--since: "${text}" is neither a duration nor a time`);
    },
  );
});
