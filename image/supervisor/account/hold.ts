/**
 * Whether claude's account can work: a pure function of the records of hooks and probes. While it cannot, no check-in runs:
 * `factory` would count each stage as done or blocked, and empty the queue overnight.
 *
 * A hold ends by itself: when the time of a limit has passed, when a probe succeeds, or when a missing token appears. A change
 * of the Secret triggers a probe at once.
 */
import { accountCause } from '../../../scripts/lib/account.ts';
import type { AccountHold, AccountRecord, ClaudeFailure } from '../../../scripts/lib/contract.ts';
import { timestamp } from '../util/time.ts';
import { resetTime } from './reset-time.ts';

/** claude omits the seconds of a limit's time, and clocks differ. */
const AFTER_RESET_MS = 75_000;
const FIRST_PROBE_MS = 5 * 60_000;
const SLOWEST_PROBE_MS = 60 * 60_000;
/** A hold this soon after the last one has the same cause, which the probe missed: the back-off continues. */
const SAME_TROUBLE_MS = 10 * 60_000;

export interface Standing {
  /** Fingerprint of the token that the next call of claude gets; empty when there is none. */
  readonly token: string;
  /** claude has nothing to log in with. */
  readonly tokenMissing: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The worker's time zone. */
  readonly zone: string;
}

export function freeAccount(seen: number): AccountRecord {
  return { schema: 1, seen, hold: null, token: '', probes: 0, endedAt: '' };
}

/** The lines added since the record was made; all of them when there are fewer, since then the file was recreated. */
export function unseen(
  { seen }: AccountRecord,
  failures: readonly ClaudeFailure[],
): readonly ClaudeFailure[] {
  return failures.slice(seen <= failures.length ? seen : 0);
}

/** Updates the hold. @param failures all lines of `claude-failures.jsonl` */
export function look(
  record: AccountRecord,
  failures: readonly ClaudeFailure[],
  standing: Standing,
): AccountRecord {
  let next: AccountRecord = { ...record, seen: failures.length };
  for (const failure of unseen(record, failures)) next = withFailure(next, failure, standing);
  return overdue(withToken(next, standing), standing);
}

function withFailure(
  record: AccountRecord,
  failure: ClaudeFailure,
  { token, zone }: Standing,
): AccountRecord {
  const { error, text } = failure;
  const cause = accountCause(error, text);
  if (cause === null) return record;
  const at = Date.parse(failure.at);
  const again = at - Date.parse(record.endedAt) < SAME_TROUBLE_MS;
  const probes = record.hold !== null ? record.probes : again ? record.probes + 1 : 0;
  const hold = holdOf(cause, text, at, probes, zone);
  const sessions = [...new Set([...(record.hold?.sessions ?? []), failure.session])];
  return { ...record, token, probes, hold: { ...hold, since: record.hold?.since ?? hold.since, sessions } };
}

/** Begins a hold when there is no token, and ends it when there is one again. */
function withToken(record: AccountRecord, { token, tokenMissing, now }: Standing): AccountRecord {
  const { hold } = record;
  if (tokenMissing) {
    if (hold?.cause === 'token-missing') return record;
    const sessions = hold?.sessions ?? [];
    const missing = {
      cause: 'token-missing',
      text: '',
      since: timestamp(now),
      until: null,
      probeAt: null,
      sessions,
    } as const;
    return { ...record, token, hold: missing };
  }
  // A new token is not probed: the first stage shows whether it works.
  return hold?.cause === 'token-missing' ? ended(record, now) : record;
}

function overdue(record: AccountRecord, { now }: Standing): AccountRecord {
  const until = record.hold?.until ?? null;
  return until !== null && now >= Date.parse(until) + AFTER_RESET_MS ? ended(record, now) : record;
}

function ended(record: AccountRecord, now: number): AccountRecord {
  return { ...record, hold: null, endedAt: timestamp(now) };
}

/** Whether to probe the account. */
export function isProbeDue(
  { hold, token: known }: AccountRecord,
  { token, tokenMissing, now }: Standing,
): boolean {
  if (hold === null || tokenMissing) return false;
  return token !== known || (hold.probeAt !== null && now >= Date.parse(hold.probeAt));
}

/** @param answer of `claude --print`: its exit code and what it printed */
export function withProbe(
  record: AccountRecord,
  answer: { readonly code: number; readonly text: string },
  { token, now, zone }: Standing,
): AccountRecord {
  const { hold } = record;
  if (hold === null) return record;
  if (answer.code === 0) return { ...ended(record, now), token };
  // With another token the back-off starts over.
  const probes = token === record.token ? record.probes + 1 : 0;
  const cause = accountCause('', answer.text) ?? hold.cause;
  const { since, sessions } = hold;
  return {
    ...record,
    token,
    probes,
    hold: { ...holdOf(cause, answer.text, now, probes, zone), since, sessions },
  };
}

function holdOf(
  cause: AccountHold['cause'],
  text: string,
  at: number,
  probes: number,
  zone: string,
): AccountHold {
  const reset = cause === 'limit' ? resetTime(text, at, zone) : null;
  // A prompt is lost for many reasons: a probe at once shows whether the account is one of them.
  const first = cause === 'unheard' && probes === 0 ? 0 : FIRST_PROBE_MS;
  const pause = Math.min(first * 2 ** probes, SLOWEST_PROBE_MS);
  return {
    cause,
    text,
    since: timestamp(at),
    until: reset === null ? null : timestamp(reset),
    // A limit with a known end is not probed: a smaller model may answer long before.
    probeAt: reset === null ? timestamp(at + pause) : null,
    sessions: [],
  };
}
