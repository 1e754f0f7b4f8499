/** Where a worker's tokens are, layer by layer, as short hashes: the proof that an old one is gone. Pure. */
import { accountCause } from '../account.ts';
import type { Hashes } from '../secret/secret.ts';
import type { Key } from '../secret/tokens.ts';
import type { Frame } from '../transport/frame.ts';

export interface TokenProcess {
  readonly pid: number;
  readonly name: string;
  /** The session in whose pane it runs; null outside of sessions. */
  readonly session: string | null;
  readonly key: string;
  readonly hash: string;
}

/** The result of a call with the worker's own token. */
export interface CallVerdict {
  /** `unknown`: it failed for another reason, or the reason is not clear. */
  readonly verdict: 'accepted' | 'refused' | 'unknown';
  readonly reason: string;
}

/** The tokens that a worker uses. */
export interface Credentials {
  readonly files: Hashes;
  readonly next: Hashes;
  readonly processes: readonly TokenProcess[];
  /** Of the DATABASE_URL that the next call gets; null unless the worker has one and says how it is. */
  readonly database: CallVerdict | null;
  /** Null when there was no call. */
  readonly gh: CallVerdict | null;
  readonly claude: CallVerdict | null;
}

/** @param frame the answer of scripts/remote/rotate.sh */
export function parseCredentials(frame: Frame): Credentials {
  const rows = (part: string) =>
    (frame.parts.get(part)?.text ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t'));
  const hashes = (part: string): Hashes =>
    new Map(rows(part).map(([key = '', hash = '-']) => [key, hash || '-']));
  const judged = (part: string, judge: (rc: number, text: string) => CallVerdict) => {
    const answer = frame.parts.get(part);
    return answer === undefined ? null : judge(answer.rc, answer.text);
  };
  return {
    files: hashes('files'),
    next: hashes('next'),
    processes: rows('processes').map(([pid, name = '', session, key = '', hash = '-']) => ({
      pid: Number(pid),
      name,
      session: session === '-' ? null : (session ?? null),
      key,
      hash,
    })),
    database: judgeDatabase(new Map(rows('database').map(([field = '', value = '']) => [field, value]))),
    gh: judged('gh', judgeGh),
    claude: judged('claude', judgeClaude),
  };
}

/** @param database what the supervisor says of it; without a hash it is an older one, and may mean another URL */
export function judgeDatabase(database: ReadonlyMap<string, string>): CallVerdict | null {
  if (database.get('kind') !== 'url' || !database.has('urlHash')) return null;
  switch (database.get('state')) {
    case 'ready':
      return { verdict: 'accepted', reason: '' };
    case 'down':
    case 'failed': {
      const says = (database.get('says') ?? '').replace(/ \(tried again in [^()]*\)$/, '');
      return { verdict: 'refused', reason: `its database cannot be used: ${says}` };
    }
    default:
      return { verdict: 'unknown', reason: 'its database is being tried' };
  }
}

/** @param text what `gh api --include user` printed, both streams */
export function judgeGh(rc: number, text: string): CallVerdict {
  if (rc === 0) {
    const login = /"login"\s*:\s*"([^"]+)"/.exec(text)?.[1];
    return { verdict: 'accepted', reason: login === undefined ? '' : `GitHub knows us as ${login}` };
  }
  if (/HTTP 401|Bad credentials|gh auth login/.test(text)) {
    return { verdict: 'refused', reason: 'GitHub refuses it (401)' };
  }
  return { verdict: 'unknown', reason: `gh: ${firstLine(text) || `exit code ${rc}`}` };
}

/**
 * @param text what `claude --print` printed, both streams. The text decides, as it does for the supervisor: an account at its
 *   limit or without credit proves that the token is valid; a disabled one refuses it.
 */
export function judgeClaude(rc: number, text: string): CallVerdict {
  if (rc === 0) return { verdict: 'accepted', reason: '' };
  const said = firstLine(text) || `exit code ${rc}`;
  switch (accountCause('', text)) {
    case 'token-refused':
    case 'disabled':
      return { verdict: 'refused', reason: `claude refuses it: ${said}` };
    case 'limit':
    case 'no-credit':
      return { verdict: 'accepted', reason: `claude: ${said}` };
    default:
      return { verdict: 'unknown', reason: `claude: ${said}` };
  }
}

const firstLine = (text: string) => text.trim().split('\n')[0]?.slice(0, 200) ?? '';

/** One line of the proof. */
export interface Layer {
  readonly key: string;
  readonly layer: 'Secret' | 'file' | 'next call' | 'process';
  readonly hash: string;
  /** `stale`: it differs from the Secret's. */
  readonly state: 'current' | 'stale' | 'refused' | 'unknown';
  readonly note: string;
}

const CALL_OF: Readonly<Record<string, 'database' | 'gh' | 'claude'>> = {
  DATABASE_URL: 'database',
  GH_TOKEN: 'gh',
  CLAUDE_CODE_OAUTH_TOKEN: 'claude',
};

/** The result of the call that uses a key; null where there is none. */
export function callWith(key: string, found: Credentials): CallVerdict | null {
  const call = CALL_OF[key];
  return call === undefined ? null : found[call];
}

/**
 * @param secret hashes of the Secret's values
 * @param found null when the worker could not be entered: then only the Secret is known
 * @param keys the keys to show
 */
export function layersOf(secret: Hashes, found: Credentials | null, keys: readonly Key[]): Layer[] {
  return keys.flatMap((key) => {
    const wanted = secret.get(key) ?? '-';
    const ofSecret: Layer = { key, layer: 'Secret', hash: wanted, state: 'current', note: '' };
    if (found === null) return [ofSecret];
    const against = (hash: string) => (hash === wanted ? 'current' : 'stale');
    const file = found.files.get(key) ?? '-';
    const layers: Layer[] = [ofSecret, { key, layer: 'file', hash: file, state: against(file), note: '' }];
    const next = found.next.get(key);
    if (next !== undefined) {
      const call = callWith(key, found);
      const state = against(next) === 'stale' ? 'stale' : stateOf(call);
      layers.push({ key, layer: 'next call', hash: next, state, note: call === null ? '' : noteOf(call) });
    }
    return [
      ...layers,
      ...found.processes
        .filter((process) => process.key === key)
        .map(({ pid, name, session, hash }): Layer => {
          const note = `${name} (${pid})${session === null ? '' : ` in session ${session}`}`;
          return { key, layer: 'process', hash, state: against(hash), note };
        }),
    ];
  });
}

function stateOf(call: CallVerdict | null): Layer['state'] {
  if (call === null || call.verdict === 'accepted') return 'current';
  return call.verdict;
}

const noteOf = ({ verdict, reason }: CallVerdict) =>
  verdict === 'accepted' ? ['accepted', reason].filter(Boolean).join('; ') : reason;
