import { describe, expect, it } from 'vitest';
import { childEnvironment, readEnvironment } from '../../image/supervisor/environment.ts';
import { DIRS, fakeEnvironment } from './fakes.ts';

describe('the environment', () => {
  it('names everything that is missing at once', () => {
    expect(() => readEnvironment({ HOME: '/h', ...DIRS, WORKER_RUN_DIR: '' }, 1, 'h')).toThrow(
      'PATH, WORKER_NAME, WORKER_RUN_DIR, TMUX_TMPDIR not set',
    );
  });

  it.each([
    ['pod', 1, true],
    ['pod', 4711, false],
    ['local', 1, false],
    [undefined, 1, false],
  ])('runtime %s with parent %s: pod-only steps %s', (runtime, parent, pod) => {
    expect(fakeEnvironment({ WORKER_RUNTIME: runtime }, parent).pod).toBe(pod);
  });

  it('a pod may use tmux’s own folder, a local worker must not', () => {
    const env = { HOME: '/h', PATH: '/bin', WORKER_NAME: 'w', ...DIRS };
    expect(readEnvironment({ ...env, WORKER_RUNTIME: 'pod' }, 1, 'h').tmuxDir).toBeNull();
    expect(() => readEnvironment({ ...env, WORKER_RUNTIME: 'pod' }, 2, 'h')).toThrow('TMUX_TMPDIR');
  });

  it.each([
    'TMUX',
    'TMUX_PANE',
    'GH_TOKEN',
    'GH_HOST',
    'GITHUB_TOKEN',
    'CLAUDE_CODE_OAUTH_TOKEN',
    'CLAUDECODE',
    'ANTHROPIC_API_KEY',
    'FACTORY_DATA_DIR',
    'GIT_DIR',
    'SSH_PRIVATE_KEY',
    'SSH_AUTH_SOCK',
    'NPM_TOKEN',
    'DB_PASSWORD',
    'KUBERNETES_SERVICE_HOST',
    'NODE_OPTIONS',
  ])('%s reaches no child', (name) => {
    expect(childEnvironment({ [name]: 'canary', PATH: '/bin' })).toEqual({
      PATH: '/bin',
      WORKER_PATH: '/bin',
    });
  });

  it.each([
    'DATABASE_URL',
    'CLAUDE_CONFIG_DIR',
    'GIT_SSL_CAINFO',
    'HTTPS_PROXY',
    'TMUX_TMPDIR',
    'WORKER_SECRETS_DIR',
  ])('%s does', (name) => expect(childEnvironment({ [name]: 'x' })).toEqual({ [name]: 'x' }));
});
