import { describe, expect, it } from 'vitest';
import {
  freeAccount,
  isProbeDue,
  look,
  type Standing,
  withProbe,
} from '../../../image/supervisor/account/hold.ts';
import { resetTime } from '../../../image/supervisor/account/reset-time.ts';
import { accountCause, describeHold } from '../../../scripts/lib/account.ts';
import type { AccountRecord, ClaudeFailure } from '../../../scripts/lib/contract.ts';

const NOW = Date.parse('2026-11-22T13:00:00Z');
const MINUTE = 60_000;

const failure = (error: string, text: string, overrides: Partial<ClaudeFailure> = {}): ClaudeFailure => ({
  schema: 1,
  at: '2026-11-22T13:00:00Z',
  session: '23-build-1',
  issue: 23,
  stage: 'build',
  error,
  text,
  ...overrides,
});

const standing = (overrides: Partial<Standing> = {}): Standing => ({
  token: 'old',
  tokenMissing: false,
  now: NOW,
  zone: 'UTC',
  ...overrides,
});

const REFUSED = failure('authentication_failed', 'API Error: 401 Invalid bearer token');
const LIMIT = failure('rate_limit', "You've hit your 5-hour limit · resets 3pm (UTC)");

const held = (...failures: ClaudeFailure[]): AccountRecord => look(freeAccount(0), failures, standing());

describe('what claude says', () => {
  it.each([
    ['authentication_failed', 'API Error: 401 Invalid bearer token', 'token-refused'],
    ['authentication_failed', 'Please run /login · API Error: 403', 'token-refused'],
    ['authentication_failed', 'Your organization has disabled Claude subscription access', 'disabled'],
    ['rate_limit', "You've hit your 5-hour limit · resets 3pm", 'limit'],
    ['rate_limit', "You've hit your org's monthly spend limit", 'limit'],
    ['rate_limit', "You've hit your team's pooled group budget", 'limit'],
    ['rate_limit', "You're out of usage credits · resets 4:28pm (UTC)", 'limit'],
    ['rate_limit', 'Your usage allocation has been disabled by your admin', 'disabled'],
    ['billing_error', 'Credit balance too low', 'no-credit'],
    ['invalid_request', 'Credit balance too low', 'no-credit'],
    ['server_error', 'API Error: 529 Overloaded', 'unreachable'],
    ['unknown', "API Error: Can't reach the API server", 'unreachable'],
    // Another prompt would do better: the account works.
    ['invalid_request', "There's an issue with the selected model (opus-9)", null],
    ['invalid_request', 'prompt is too long: 401234 tokens > 200000', null],
    ['max_output_tokens', '', null],
    ['unknown', '', null],
    // As `claude --print` says it.
    ['', 'Failed to authenticate. API Error: 401 {"type":"error"}', 'token-refused'],
    ['', 'OAuth token has expired · Please run /login', 'token-refused'],
    ['', "You've hit your limit · resets 11:30pm", 'limit'],
    ['', '/bin/bash: claude: not found', null],
  ])('%s, %s: %s', (error, text, cause) => {
    expect(accountCause(error, text)).toBe(cause);
  });
});

describe('when a limit is reset', () => {
  it.each([
    // From 13:00 UTC on a Sunday, which is 14:00 in Berlin and 08:00 in New York.
    ['resets 3pm (UTC)', '2026-11-22T15:00:00Z'],
    ['resets 3:45pm (Europe/Berlin)', '2026-11-22T14:45:00Z'],
    ['resets at 9am (America/New_York)', '2026-11-22T14:00:00Z'],
    ['resets 15:30', '2026-11-22T15:30:00Z'],
    ['resets 12am', '2026-11-23T00:00:00Z'],
    ['resets 12pm', '2026-11-23T12:00:00Z'],
    // Without its seconds: this one is over in less than a minute.
    ['resets 1pm', '2026-11-22T13:00:00Z'],
    ['resets 12:59pm', '2026-11-22T12:59:00Z'],
    ['resets 12:50pm', '2026-11-23T12:50:00Z'],
    ['resets Nov 22, 1pm', '2026-11-22T13:00:00Z'],
    ['resets Nov 25, 3pm (UTC)', '2026-11-25T15:00:00Z'],
    ['resets Nov 25 at 3pm', '2026-11-25T15:00:00Z'],
    ['resets Dec 1, 7am (Asia/Kolkata)', '2026-12-01T01:30:00Z'],
    ['resets Thu 10am', '2026-11-26T10:00:00Z'],
    ['resets Sun 10am', '2026-11-29T10:00:00Z'],
    ['resets 3pm (Mars/Olympus)', '2026-11-22T15:00:00Z'],
    ['resets 3', null],
    ['resets soon', null],
    ['resets 25:00', null],
    ['resets Oct 9, 3pm', null],
    ['', null],
  ])('%s: %s', (text, expected) => {
    const time = resetTime(`You've hit your limit · ${text}`, NOW, 'UTC');
    expect(time === null ? null : new Date(time).toISOString().replace('.000', '')).toBe(expected);
  });

  it('is told in the zone of the worker where it names none, and follows a change of clocks', () => {
    const text = "You've hit your limit · resets 3pm";
    expect(resetTime(text, NOW, 'Europe/Berlin')).toBe(Date.parse('2026-11-22T14:00:00Z'));
    // Berlin leaves summer time on 25 October at 01:00 UTC.
    const before = Date.parse('2026-10-24T22:30:00Z');
    expect(resetTime(text, before, 'Europe/Berlin')).toBe(Date.parse('2026-10-25T14:00:00Z'));
    expect(resetTime('resets Jan 2, 1am', Date.parse('2026-12-31T12:00:00Z'), 'UTC')).toBe(
      Date.parse('2027-01-02T01:00:00Z'),
    );
  });
});

describe('a hold', () => {
  it('begins with a failure of the account, and remembers the stages', () => {
    const { hold } = held(REFUSED, failure('authentication_failed', '401', { session: '24-build-1' }));
    expect(hold).toEqual({
      cause: 'token-refused',
      text: '401',
      since: '2026-11-22T13:00:00Z',
      until: null,
      probeAt: '2026-11-22T13:05:00Z',
      sessions: ['23-build-1', '24-build-1'],
    });
  });

  it('does not begin with a failure of the turn, or with one that was seen', () => {
    expect(held(failure('invalid_request', 'prompt is too long')).hold).toBeNull();
    expect(look(freeAccount(1), [REFUSED], standing()).hold).toBeNull();
  });

  it('sees a failure in a file that was made anew', () => {
    expect(look(freeAccount(7), [REFUSED], standing()).hold?.cause).toBe('token-refused');
  });

  it.each([
    [
      'refused',
      held(REFUSED),
      'token refused: claude does not accept its token, so no work is taken; claude is asked again at 13:05 UTC',
    ],
    ['limit', held(LIMIT), "limit until 15:00 UTC: claude's account has hit its limit, so no work is taken"],
    [
      'weekly limit',
      held(failure('rate_limit', "You've hit your weekly limit · resets Nov 25, 3pm (UTC)")),
      "limit until 2026-11-25 15:00 UTC: claude's account has hit its limit, so no work is taken",
    ],
    [
      'credit',
      held(failure('billing_error', 'Credit balance too low')),
      "no credit: claude's account has none left, so no work is taken; claude is asked again at 13:05 UTC",
    ],
    [
      'no token',
      look(freeAccount(0), [], standing({ token: '', tokenMissing: true })),
      'no token: claude has none, so no work is taken',
    ],
  ])('says why: %s', (_case, { hold }, sentence) => {
    expect(hold && describeHold(hold)).toBe(sentence);
  });

  it('of a limit ends when its time has passed, and claude is not asked before', () => {
    const record = held(LIMIT);
    expect(isProbeDue(record, standing({ now: Date.parse('2026-11-22T14:59:00Z') }))).toBe(false);
    const at = (time: string) => look(record, [LIMIT], standing({ now: Date.parse(time) })).hold;
    expect(at('2026-11-22T15:01:14Z')).not.toBeNull();
    expect(at('2026-11-22T15:01:15Z')).toBeNull();
  });

  it('ends when a probe succeeds', () => {
    const record = withProbe(held(REFUSED), { code: 0, text: 'ok' }, standing());
    expect(record).toMatchObject({ hold: null, endedAt: '2026-11-22T13:00:00Z' });
    expect(look(record, [REFUSED], standing()).hold).toBeNull();
  });

  it('is probed at once when the Secret has changed, and more and more slowly otherwise', () => {
    let record = held(REFUSED);
    expect(isProbeDue(record, standing({ token: 'new' }))).toBe(true);
    const pauses: number[] = [];
    let now = NOW;
    for (let probe = 0; probe < 6; probe += 1) {
      expect(isProbeDue(record, standing({ now: Date.parse(record.hold?.probeAt ?? '') - 1 }))).toBe(false);
      pauses.push((Date.parse(record.hold?.probeAt ?? '') - now) / MINUTE);
      now = Date.parse(record.hold?.probeAt ?? '');
      expect(isProbeDue(record, standing({ now }))).toBe(true);
      record = withProbe(record, { code: 1, text: 'API Error: 401' }, standing({ now }));
    }
    expect(pauses).toEqual([5, 10, 20, 40, 60, 60]);
    const again = withProbe(record, { code: 1, text: 'API Error: 401' }, standing({ token: 'new', now }));
    expect(isProbeDue(again, standing({ token: 'new', now }))).toBe(false);
    expect((Date.parse(again.hold?.probeAt ?? '') - now) / MINUTE).toBe(5);
  });

  it('becomes what the probe says: a limit proves the token good', () => {
    const { hold } = withProbe(held(REFUSED), { code: 1, text: LIMIT.text }, standing({ token: 'new' }));
    expect(hold).toMatchObject({
      cause: 'limit',
      until: '2026-11-22T15:00:00Z',
      probeAt: null,
      sessions: ['23-build-1'],
    });
  });

  it('stays what it was when the probe says nothing of the account', () => {
    const { hold } = withProbe(held(REFUSED), { code: 127, text: 'claude: not found' }, standing());
    expect(hold).toMatchObject({ cause: 'token-refused', probeAt: '2026-11-22T13:10:00Z' });
  });

  it('that comes back soon is probed more slowly than before', () => {
    let record = held(REFUSED);
    for (let probe = 0; probe < 3; probe += 1)
      record = withProbe(record, { code: 1, text: '401' }, standing());
    record = withProbe(record, { code: 0, text: 'ok' }, standing());
    const pauseAfter = (minutes: number) => {
      const at = new Date(NOW + minutes * MINUTE).toISOString();
      const { hold } = look(record, [REFUSED, { ...REFUSED, at }], standing());
      return (Date.parse(hold?.probeAt ?? '') - Date.parse(at)) / MINUTE;
    };
    expect(pauseAfter(2)).toBe(60);
    expect(pauseAfter(30)).toBe(5);
  });

  it('stands where there is no token, and ends when there is one', () => {
    const without = look(freeAccount(0), [], standing({ token: '', tokenMissing: true }));
    expect(without.hold?.cause).toBe('token-missing');
    expect(isProbeDue(without, standing({ token: '', tokenMissing: true }))).toBe(false);
    expect(look(without, [], standing({ token: 'new' })).hold).toBeNull();
  });
});
