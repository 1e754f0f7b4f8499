/**
 * Recognizes from claude's words that its account does not work, and describes it in a sentence. Pure; shared by the supervisor,
 * which holds the work, and by the commands, which show why.
 */
import { type AccountCause, type AccountHold, UNHEARD } from './contract.ts';

/** claude's words. The order matters: a screen about credits mentions limits too. */
const WORDS: readonly (readonly [AccountCause, RegExp])[] = [
  ['disabled', /has disabled Claude subscription access|allocation has been disabled|account.{0,20}on.hold/i],
  ['no-credit', /credit balance|billing_error/i],
  [
    'limit',
    /you've hit (?:your|the) [^.]*?limit|out of (?:usage|extra) credits|usage limit reached|spend limit|group budget|\b429\b/i,
  ],
  [
    'token-refused',
    /invalid (?:bearer token|api key)|oauth token (?:has expired|revoked)|authentication_error|run \/login|not logged in|\b40[13]\b/i,
  ],
  [
    'unreachable',
    /can't reach the api|unable to connect|connection error|overloaded|\b5\d\d\b|timed? ?out|ENOTFOUND|ECONN|EAI_AGAIN/i,
  ],
];

/** The values of StopFailure's `error` that concern the account or the connection to it, not this turn. */
const ERRORS: Readonly<Record<string, AccountCause>> = {
  rate_limit: 'limit',
  authentication_failed: 'token-refused',
  oauth_org_not_allowed: 'disabled',
  billing_error: 'no-credit',
  account_on_hold: 'disabled',
  server_error: 'unreachable',
  overloaded: 'unreachable',
  [UNHEARD]: 'unheard',
};

/** Errors of one turn or prompt only, whatever the text says. */
const OF_THE_TURN = new Set(['invalid_request', 'max_output_tokens', 'model_not_found']);

/**
 * @param error as StopFailure names it; empty for the output of `claude --print`
 * @param text what claude showed
 * @returns null when the account is not the cause
 */
export function accountCause(error: string, text: string): AccountCause | null {
  const said = WORDS.find(([, words]) => words.test(text))?.[0];
  // A disabled account and one without credit are reported as other errors too; otherwise claude's own word counts.
  if (said === 'disabled' || said === 'no-credit') return said;
  if (OF_THE_TURN.has(error)) return null;
  return ERRORS[error] ?? said ?? null;
}

const SENTENCES: Readonly<Record<AccountCause, string>> = {
  'token-missing': 'no token: claude has none, so no work is taken',
  'token-refused': 'token refused: claude does not accept its token, so no work is taken',
  limit: "limit: claude's account has hit its limit, so no work is taken",
  'no-credit': "no credit: claude's account has none left, so no work is taken",
  disabled: "account disabled: claude's account or its organization may not be used, so no work is taken",
  unreachable: "claude's API does not answer, so no work is taken",
  unheard: 'prompt lost: claude was started and never got it, so no work is taken',
};

/** `limit until 15:00 UTC: …`; a limit of more than a day has its date. */
export function describeHold({ cause, since, until, probeAt }: AccountHold): string {
  if (until !== null) {
    const day = Date.parse(until) - Date.parse(since) > 86_400_000 ? `${until.slice(0, 10)} ` : '';
    return `limit until ${day}${until.slice(11, 16)} UTC: claude's account has hit its limit, so no work is taken`;
  }
  const again = probeAt === null ? '' : `; claude is asked again at ${probeAt.slice(11, 16)} UTC`;
  const sentence = Object.hasOwn(SENTENCES, cause)
    ? SENTENCES[cause as AccountCause]
    : `claude's account does not work (${cause}), so no work is taken`;
  return `${sentence}${again}`;
}
