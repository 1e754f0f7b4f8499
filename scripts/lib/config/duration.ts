/** Durations in flags. */
import { UsageError } from '../cli/errors.ts';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * How long to wait, by the switch `--wait` and its limit `--wait-timeout`, which alone means waiting too.
 *
 * @param byDefault the limit of `--wait` alone
 * @returns milliseconds; null when neither was given
 * @throws UsageError when the limit is not a duration
 */
export function waitLimit(
  flags: { readonly wait: boolean; readonly 'wait-timeout': string | undefined },
  byDefault: string,
): number | null {
  const limit = flags['wait-timeout'] ?? (flags.wait ? byDefault : null);
  return limit === null ? null : parseDuration(limit, '--wait-timeout');
}

/** Node fires a longer timer at once (its delay is a 32-bit integer). */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Parses `500ms`, `30s`, `1.5h`, `1m30s` (kubectl's notation) or a plain number of seconds.
 *
 * @param flag the flag, for the message: `--timeout`
 * @returns milliseconds, at least 1
 * @throws UsageError when it is not a duration, zero, or longer than 24 days
 */
export function parseDuration(text: string, flag: string): number {
  const parts = [...text.matchAll(/(?<!\d)(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  const whole = parts.map(([part]) => part).join('') === text && text !== '';
  const ms = /^\d+(\.\d+)?$/.test(text)
    ? Number(text) * 1_000
    : whole
      ? parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNIT_MS[unit ?? ''] ?? 0), 0)
      : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new UsageError(`${flag}: "${text}" is not a duration`, 'write it like 500ms, 30s, 5m or 1h');
  }
  const rounded = Math.round(ms);
  if (rounded < 1) throw new UsageError(`${flag} must be longer than 0`);
  if (rounded > LONGEST_MS) throw new UsageError(`${flag} must be shorter than 24 days`);
  return rounded;
}
