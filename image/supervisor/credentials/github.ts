/** Evaluates GitHub's answer about the worker's token. */
import type { PhaseResult } from '../boot/run.ts';
import type { RunResult } from '../effects/effects.ts';

/** Required for private clones and pull requests. A fine-grained token has permissions instead of scopes. */
const NEEDED_SCOPE = 'repo';

/** Asks for the token's own account, with the headers that list its scopes. */
export const QUESTION = ['gh', 'api', '--include', 'user'] as const;

/**
 * @param answer of `gh api --include user`
 * @param user GH_USER
 * @param cure how the operator replaces the token
 */
export function judgeToken(answer: RunResult, user: string, cure: string): PhaseResult {
  const said = answer.stderr.trim().split('\n')[0] ?? '';
  if (answer.timedOut || /error connecting|dial tcp|no such host|timeout|EOF/i.test(answer.stderr)) {
    return {
      status: 'failed',
      message: `GitHub cannot be reached (${said || 'no answer'}); the worker continues and tries again`,
    };
  }
  if (/HTTP 401|Bad credentials/.test(answer.stderr)) {
    return { status: 'failed', message: `GitHub refuses GH_TOKEN (401 bad credentials): ${cure}` };
  }
  if (answer.code !== 0)
    return { status: 'failed', message: `GitHub: ${said || `exit code ${answer.code}`}` };
  const [head = '', body = ''] = answer.stdout.split(/\r?\n\r?\n/);
  const login = /"login"\s*:\s*"([^"]+)"/.exec(body)?.[1] ?? 'an unknown account';
  const scopes = /^x-oauth-scopes:[ \t]*(.*)$/im.exec(head)?.[1]?.trim();
  if (scopes !== undefined && scopes !== '' && !scopes.split(/,\s*/).includes(NEEDED_SCOPE)) {
    return {
      status: 'failed',
      message: `GH_TOKEN of ${login} lacks the scope "${NEEDED_SCOPE}" (it has ${scopes}): ${cure}`,
    };
  }
  const other = user !== '' && user !== login ? `; GH_USER says ${user}` : '';
  return { status: 'ok', message: `GitHub knows us as ${login}${scopes ? ` (${scopes})` : ''}${other}` };
}
