/** Quantities, and the resources that follow from new limits. */
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../scripts/lib/cli/errors.ts';
import {
  asValues,
  changeText,
  parseLimits,
  parseQuantity,
  type Resources,
  resized,
  same,
} from '../../scripts/lib/resize/resources.ts';

describe('parseQuantity', () => {
  it.each([
    ['8Gi', 8 * 2 ** 30],
    ['1.5Gi', 1.5 * 2 ** 30],
    ['512M', 512e6],
    ['500m', 0.5],
    [2, 2],
    ['8589934592', 8 * 2 ** 30],
    ['', null],
    ['12GB', null],
    ['-1', null],
    ['twelve', null],
  ])('%s', (text, value) => expect(parseQuantity(text)).toBe(value));

  it('compares amounts, not words', () => {
    expect(same('1Gi', '1024Mi')).toBe(true);
    expect(same('1', '1000m')).toBe(true);
    expect(same('1Gi', '1G')).toBe(false);
    expect(same(undefined, '1Gi')).toBe(false);
  });
});

describe('parseLimits', () => {
  it.each([
    [{ memory: '12Gi', cpu: undefined }, { memory: '12Gi' }],
    [
      { memory: '12Gi', cpu: '6' },
      { memory: '12Gi', cpu: '6' },
    ],
  ])('%j', (given, limits) => expect(parseLimits(given)).toEqual(limits));

  it.each([
    [{}, /nothing to change/],
    [{ memory: '12' }, /--memory 12 is not a valid size: a number with Mi or Gi/],
    [{ memory: '12GB' }, /--memory 12GB/],
    [{ cpu: '0' }, /--cpu 0 is not a valid number of processors/],
  ])('refuses %j', (given, message) => {
    expect(() => parseLimits(given)).toThrow(UsageError);
    expect(() => parseLimits(given)).toThrow(message);
  });
});

describe('resized', () => {
  const BURSTABLE: Resources = {
    requests: { cpu: '2', memory: '4Gi' },
    limits: { cpu: '4', memory: '8Gi' },
  };
  const GUARANTEED: Resources = {
    requests: { cpu: '4', memory: '8Gi' },
    limits: { cpu: '4000m', memory: '8192Mi' },
  };

  it.each([
    ['only what differs', BURSTABLE, { memory: '12Gi', cpu: '4000m' }, { limits: { memory: '12Gi' } }],
    [
      'a request that was equal follows',
      GUARANTEED,
      { memory: '12Gi' },
      { limits: { memory: '12Gi' }, requests: { memory: '12Gi' } },
    ],
    ['nothing', BURSTABLE, { memory: '8192Mi' }, null],
    ['a limit where there was none', {}, { memory: '8Gi' }, { limits: { memory: '8Gi' } }],
  ])('%s', (_, current, wanted, expected) => expect(resized(current, wanted)).toEqual(expected));

  it('as a sentence, and as values of the chart', () => {
    const change = { limits: { memory: '12Gi', cpu: '6' }, requests: { memory: '12Gi' } };
    expect(changeText({ limits: { memory: '8Gi' } }, change)).toBe(
      'memory 8Gi → 12Gi, cpu without a limit → 6',
    );
    expect(asValues(change)).toEqual({
      'resources.limits.memory': '12Gi',
      'resources.limits.cpu': '6',
      'resources.requests.memory': '12Gi',
    });
  });
});
