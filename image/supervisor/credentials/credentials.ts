/** The worker's credentials: whether they exist, and in a pod whether they are valid. */
import { join } from 'node:path';
import type { PhaseResult } from '../boot/run.ts';
import type { Effects, Files } from '../effects/effects.ts';
import type { Environment } from '../environment.ts';
import { judgeToken, QUESTION } from './github.ts';

const TIMEOUT_MS = 15_000;
const AGAIN_MS = 60 * 60_000;
const AGAIN_AFTER_FAILURE_MS = 60_000;
const KEYS = ['CLAUDE_CODE_OAUTH_TOKEN', 'GH_TOKEN', 'GH_USER'] as const;

export interface Credentials {
  /** Checks all of them. */
  check(signal: AbortSignal): Promise<PhaseResult>;
  /** Checks again when a check is due, and keeps git's author up to date; null when nothing was checked. */
  maintain(): Promise<PhaseResult | null>;
}

/**
 * What the operator types to provide credentials. The values go through a file: a command line is visible to other users and
 * stays in the shell's history.
 *
 * @param keys the missing keys; the operator fills in their values
 * @param present the existing keys of the Secret: `create` fails for a Secret that exists, `patch` for one that does not
 */
export function howToBring(
  { secret, dirs }: Pick<Environment, 'secret' | 'dirs'>,
  keys: readonly string[],
  present: readonly string[],
): string {
  if (secret === null)
    return `write ${keys.join(', ')} into ${dirs.WORKER_SECRETS_DIR}, each into a file of its name`;
  const kubectl = `kubectl --namespace ${secret.namespace}`;
  if (present.length === 0) {
    return `write ${keys.map((key) => `${key}=…`).join(', ')} into a FILE, one a line, and type: ${kubectl} create secret generic ${secret.name} --from-env-file=FILE`;
  }
  const data = JSON.stringify({ stringData: Object.fromEntries(keys.map((key) => [key, '…'])) });
  return `write ${data} into a FILE and type: ${kubectl} patch secret ${secret.name} --patch-file=FILE`;
}

/** For a local worker: whether they exist. Whether they are valid shows when they are used. */
export function localCredentials(
  environment: Pick<Environment, 'secret' | 'dirs'>,
  files: Pick<Files, 'read'>,
): PhaseResult {
  const read = (key: string) => files.read(join(environment.dirs.WORKER_SECRETS_DIR, key)) ?? '';
  const missing = KEYS.filter((key) => read(key).trim() === '');
  if (missing.length === 0) return { status: 'ok', message: `${KEYS.join(', ')} are there` };
  if (missing.length === KEYS.length) {
    return { status: 'off', message: 'none given: claude and gh use the logins of this machine' };
  }
  return {
    status: 'missing',
    message: `${missing.join(', ')} missing: ${howToBring(environment, missing, [])}`,
  };
}

/** For a pod: checked when they change, and periodically. */
export function createCredentials(
  environment: Environment,
  { clock, files, processes }: Pick<Effects, 'clock' | 'files' | 'processes'>,
): Credentials {
  const { dirs, name } = environment;
  const file = (key: string) => join(dirs.WORKER_SECRETS_DIR, key);
  const read = (key: string) => (files.read(file(key)) ?? '').trim();
  // Without the links with which Kubernetes replaces the whole directory.
  const present = () => files.list(dirs.WORKER_SECRETS_DIR).filter((entry) => !entry.startsWith('..'));
  let seen = '';
  let againAt = 0;

  const fingerprint = () => KEYS.map((key) => files.identity(file(key))).join(' ');

  const writeAuthor = (): void => {
    const user = read('GH_USER').replace(/[^A-Za-z0-9[\]._-]/g, '');
    const author = user === '' ? name : user;
    const path = join(dirs.WORKER_RUN_DIR, 'gitconfig');
    const text = `[user]\n\tname = ${author}\n\temail = ${author}@users.noreply.github.com\n`;
    if (files.read(path) !== text) files.write(path, text);
  };

  const look = async (signal?: AbortSignal): Promise<PhaseResult> => {
    writeAuthor();
    const missing = KEYS.filter((key) => read(key) === '');
    const missed = `${missing.join(', ')} missing: ${howToBring(environment, missing, present())}`;
    if (missing.includes('GH_TOKEN')) return { status: 'missing', message: missed };
    const answer = await processes.run(QUESTION, { timeoutMs: TIMEOUT_MS, ...(signal ? { signal } : {}) });
    const verdict = judgeToken(answer, read('GH_USER'), howToBring(environment, ['GH_TOKEN'], present()));
    if (missing.length === 0 || verdict.status === 'failed') return verdict;
    return { status: 'missing', message: `${verdict.message}; ${missed}` };
  };

  const check = async (signal?: AbortSignal): Promise<PhaseResult> => {
    seen = fingerprint();
    const result = await look(signal);
    againAt = clock.now() + (result.status === 'failed' ? AGAIN_AFTER_FAILURE_MS : AGAIN_MS);
    return result;
  };

  return {
    check,
    maintain: async () =>
      seen !== '' && (seen !== fingerprint() || clock.now() >= againAt) ? check() : null,
  };
}
