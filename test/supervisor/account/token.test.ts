import { describe, expect, it } from 'vitest';
import { currentToken, fingerprint, isLoginMissing } from '../../../image/supervisor/account/token.ts';
import { DIRS, fakeFiles } from '../fakes.ts';

const SECRET = `${DIRS.WORKER_SECRETS_DIR}/CLAUDE_CODE_OAUTH_TOKEN`;
const missing = (files: Record<string, string>, env: NodeJS.ProcessEnv = {}) =>
  isLoginMissing({ dirs: DIRS }, { CLAUDE_CONFIG_DIR: '/c', ...env }, fakeFiles(files));

describe('claude', () => {
  it.each<[string, Record<string, string>, NodeJS.ProcessEnv]>([
    ['no Secret', {}, {}],
    ['an empty one', { [SECRET]: '\n' }, {}],
    ['settings of its own, without a login', { '/c/settings.json': '{"env":{"EDITOR":"vi"}}' }, {}],
  ])('has nothing to log in with: %s', (_case, files, env) => {
    expect(missing(files, env)).toBe(true);
  });

  it.each<[string, Record<string, string>, NodeJS.ProcessEnv]>([
    ['the worker’s Secret', { [SECRET]: 'a-made-up-token' }, {}],
    ['the environment', {}, { CLAUDE_CODE_OAUTH_TOKEN: 'a-made-up-token' }],
    ['a login of its own', { '/c/.credentials.json': '{}' }, {}],
    ['a program that gives a key', { '/c/settings.json': '{"apiKeyHelper":"/bin/key"}' }, {}],
    ['another provider', { '/c/settings.json': '{"env":{"CLAUDE_CODE_USE_BEDROCK":"1"}}' }, {}],
    ['CLAUDE_CONFIG_DIR is empty', {}, { CLAUDE_CONFIG_DIR: '' }],
  ])('may have: %s', (_case, files, env) => {
    expect(missing(files, env)).toBe(false);
  });

  it('is known by a fingerprint of its token, whose line end does not count', () => {
    const token = (text: string) =>
      fingerprint(currentToken(DIRS.WORKER_SECRETS_DIR, fakeFiles({ [SECRET]: text })));
    expect(token('a-made-up-token\n')).toBe(token('a-made-up-token'));
    expect(token('a-made-up-token')).toMatch(/^[0-9a-f]{16}$/);
    expect(token('')).toBe('');
  });
});
