import { describe, expect, it } from 'vitest';
import { UsageError } from '../../scripts/lib/cli/errors.ts';
import { parseDuration, waitLimit } from '../../scripts/lib/config/duration.ts';

describe('parseDuration', () => {
  it.each([
    ['30s', 30_000],
    ['5m', 300_000],
    ['500ms', 500],
    ['90', 90_000],
    ['0.5', 500],
    ['1.5h', 5_400_000],
    ['1m30s', 90_000],
    ['1h2m3s4ms', 3_723_004],
    ['24h', 86_400_000],
  ])('%s', (text, ms) => {
    expect(parseDuration(text, '--timeout')).toBe(ms);
  });

  it.each([
    ['soon', '--timeout: "soon" is not a duration'],
    ['', '--timeout: "" is not a duration'],
    ['-5s', '--timeout: "-5s" is not a duration'],
    ['5 s', '--timeout: "5 s" is not a duration'],
    ['5d', '--timeout: "5d" is not a duration'],
    ['s', '--timeout: "s" is not a duration'],
    ['1e3', '--timeout: "1e3" is not a duration'],
    ['5s5', '--timeout: "5s5" is not a duration'],
    ['Infinity', '--timeout: "Infinity" is not a duration'],
    ['0', '--timeout must be longer than 0'],
    ['0.1ms', '--timeout must be longer than 0'],
    ['600h', '--timeout must be shorter than 24 days'],
    ['9'.repeat(400), '--timeout must be shorter than 24 days'],
  ])('refuses %j', (text, message) => {
    const hints = message.endsWith('is not a duration') ? ['write it like 500ms, 30s, 5m or 1h'] : [];
    expect(() => parseDuration(text, '--timeout')).toThrow(new UsageError(message, ...hints));
  });
});

describe('--wait and its limit', () => {
  it.each([
    [false, undefined, null],
    [true, undefined, 3_600_000],
    [true, '2m', 120_000],
    [false, '2m', 120_000],
  ])('%s %s', (wait, limit, expected) => {
    expect(waitLimit({ wait, 'wait-timeout': limit }, '1h')).toBe(expected);
  });

  it('names the flag of a limit that is none', () => {
    expect(() => waitLimit({ wait: true, 'wait-timeout': 'long' }, '1h')).toThrow('--wait-timeout: "long"');
  });
});
