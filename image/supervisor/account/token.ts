/** The token that the next call of claude gets, identified by a fingerprint: we write the token itself to no file. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Files } from '../effects/effects.ts';
import type { Environment } from '../environment.ts';

const KEY = 'CLAUDE_CODE_OAUTH_TOKEN';
/** Other ways for claude to log in, as named in its settings.json. */
const OTHER_LOGIN = /"(?:apiKeyHelper|ANTHROPIC_\w+|CLAUDE_CODE_USE_\w+|CLAUDE_CODE_OAUTH_TOKEN)"/;

/** Empty when there is no token. */
export function fingerprint(token: string): string {
  return token === '' ? '' : createHash('sha256').update(token).digest('hex').slice(0, 16);
}

/** The worker's own, as image/lib/with-secret.sh reads it. */
export function currentToken(secretsDir: string, files: Pick<Files, 'read'>): string {
  return (files.read(join(secretsDir, KEY)) ?? '').replaceAll(/[\r\n]/g, '');
}

/**
 * Whether claude has nothing to log in with.
 *
 * @param env the supervisor's own environment
 */
export function isLoginMissing(
  { dirs }: Pick<Environment, 'dirs'>,
  env: NodeJS.ProcessEnv,
  files: Pick<Files, 'read' | 'exists'>,
): boolean {
  const folder = env['CLAUDE_CONFIG_DIR'];
  if (!folder || env[KEY] || currentToken(dirs.WORKER_SECRETS_DIR, files) !== '') return false;
  return (
    !files.exists(join(folder, '.credentials.json')) &&
    !OTHER_LOGIN.test(files.read(join(folder, 'settings.json')) ?? '')
  );
}
