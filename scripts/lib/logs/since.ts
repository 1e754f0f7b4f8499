/** `logs --since`: an age, or a time as the logs write it. Pure. */
import { UsageError } from '../cli/errors.ts';
import { parseDuration } from '../config/duration.ts';

/** Seconds before now by the worker's clock, or a time: `2026-07-20T15:00:00Z`. */
export type Since = { readonly seconds: number } | { readonly time: string };

/** The zone may be left out: the logs are in UTC, and so is a time copied from them. */
const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.\d+)?(Z|[+-]\d\d:\d\d)?)?$/;

/** @throws UsageError for what is neither a duration nor a time */
export function parseSince(text: string): Since {
  const [whole, day, minute = '00:00', second = ':00', zone = 'Z'] = TIME.exec(text) ?? [];
  if (whole !== undefined) {
    const at = Date.parse(`${day}T${minute}${second}${zone}`);
    if (!Number.isNaN(at)) return { time: `${new Date(at).toISOString().slice(0, 19)}Z` };
  } else if (/^[\d.]+(?:[a-z]|$)/.test(text)) {
    return { seconds: Math.ceil(parseDuration(text, '--since') / 1000) };
  }
  throw new UsageError(
    `--since: "${text}" is neither a duration nor a time`,
    'write it like 30m or 2h, or like 2026-07-20T15:00Z (a time without a zone is in UTC, as in the logs)',
  );
}

/** As scripts/remote/logs.sh takes it. */
export function sinceArgument(since: Since | null): string {
  if (since === null) return '';
  return 'time' in since ? since.time : String(since.seconds);
}

/** As `kubectl logs` takes it. */
export function sinceFlags(since: Since | null): string[] {
  if (since === null) return [];
  return 'time' in since ? [`--since-time=${since.time}`] : [`--since=${since.seconds}s`];
}
