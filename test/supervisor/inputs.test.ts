/** What comes from outside: environment, settings, lists of projects, the drain file. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drainReason } from '../../image/supervisor/drain.ts';
import { childEnvironment, readEnvironment } from '../../image/supervisor/environment.ts';
import {
  cloneUrl,
  mergeProjects,
  parseProjects,
  withoutCredentials,
} from '../../image/supervisor/projects.ts';
import { parseSettings } from '../../image/supervisor/settings.ts';
import { DEFAULT_SETTINGS } from '../../scripts/lib/contract.ts';
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

describe('settings.json', () => {
  it('is optional, and so is each of its fields', () => {
    expect(parseSettings(null)).toEqual(DEFAULT_SETTINGS);
    expect(parseSettings('{}')).toEqual(DEFAULT_SETTINGS);
    expect(parseSettings('{"schema":1,"orchestrator":{"intervalSeconds":5},"new":{"field":1}}')).toEqual({
      ...DEFAULT_SETTINGS,
      orchestrator: { enabled: true, intervalSeconds: 5 },
    });
    expect(parseSettings('{"docker":{"registryMirrors":["https://m"],"mtu":1400}}').docker).toEqual({
      ...DEFAULT_SETTINGS.docker,
      registryMirrors: ['https://m'],
      mtu: 1400,
    });
  });

  it.each([
    ['{', 'not JSON'],
    ['{"orchestrator":{"intervalSeconds":0}}', 'orchestrator.intervalSeconds is 0, a number from 1 on'],
    ['{"orchestrator":{"intervalSeconds":"5"}}', 'orchestrator.intervalSeconds is "5"'],
    ['{"shutdown":{"waitForStageSeconds":-1}}', 'shutdown.waitForStageSeconds is -1'],
  ])('%s is refused', (text, message) => expect(() => parseSettings(text)).toThrow(message));
});

describe('lists of projects', () => {
  it('fills in what is left out', () => {
    expect(
      parseProjects('f', '[{"repo":"acme/demo"},{"repo":"git@h:a/b.git","branch":"","config":"ci/p.yaml"}]'),
    ).toEqual({
      projects: [
        { name: 'demo', repo: 'acme/demo', branch: null, config: 'pipeline.yaml' },
        { name: 'b', repo: 'git@h:a/b.git', branch: null, config: 'ci/p.yaml' },
      ],
      problems: [],
    });
    expect(parseProjects('f', null)).toEqual({ projects: [], problems: [] });
  });

  it.each([
    ['{}', 'f is not a JSON list of projects'],
    ['[', 'f is not a JSON list of projects'],
    ['[3]', 'f [0]: an object is expected'],
    ['[{"name":"a"}]', 'f [0]: repo is missing: owner/name or a URL'],
    ['[{"name":"../a","repo":"a/b"}]', 'f [0]: name "../a" is no directory name'],
    ['[{"name":".git","repo":"a/b"}]', 'f [0]: name ".git" is no directory name'],
    ['[{"repo":"a/b","config":"../p.yaml"}]', 'f [0]: config "../p.yaml" is no path inside the repository'],
    ['[{"repo":"a/b","config":"/etc/p.yaml"}]', 'f [0]: config "/etc/p.yaml" is no path inside'],
  ])('%s: %s', (text, problem) => {
    const { problems, projects } = parseProjects('f', text);
    expect(problems).toEqual([expect.stringContaining(problem)]);
    expect(projects).toEqual([]);
  });

  it('one bad entry does not cost the others', () => {
    const { problems, projects } = parseProjects('f', '[{"repo":""},{"repo":"a/b"},{"repo":"c/b"}]');
    expect(projects.map(({ repo }) => repo)).toEqual(['a/b']);
    expect(problems).toHaveLength(2);
  });

  it('the chart wins where both lists name a project', () => {
    const chart = parseProjects('c', '[{"repo":"chart/a"},{"repo":"chart/b"}]');
    const requested = parseProjects('r', '[{"repo":"laptop/b"},{"repo":"laptop/c"}, 1]');
    const merged = mergeProjects(chart, requested);
    expect(merged.projects.map(({ repo }) => repo)).toEqual(['chart/a', 'chart/b', 'laptop/c']);
    expect(merged.problems).toEqual(['r [2]: an object is expected']);
  });

  it('whatever a name is, no directory outside repos/ is meant', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        for (const project of parseProjects('f', JSON.stringify([{ name, repo: 'a/b' }])).projects) {
          expect(project.name).toBe(name);
          expect(name).toMatch(/^[^./\\-][^/\\]*$/);
          expect(new URL(`file:///repos/${name}`).pathname).toBe(`/repos/${name}`);
        }
      }),
    );
  });

  it.each([
    ['acme/demo', 'https://github.com/acme/demo.git'],
    ['acme/demo.git', 'https://github.com/acme/demo.git'],
    ['https://h/a/b.git', 'https://h/a/b.git'],
    ['git@github.com:a/b.git', 'git@github.com:a/b.git'],
    ['/srv/git/demo', '/srv/git/demo'],
    ['./a/b', './a/b'],
    ['a/b/c', 'a/b/c'],
  ])('%s is cloned from %s', (repo, url) => expect(cloneUrl(repo)).toBe(url));
});

it('no password of a URL is repeated, wherever it stands', () => {
  const word = fc.stringMatching(/^[A-Za-z0-9._~!$&'()*+,;=%-]+$/);
  fc.assert(
    fc.property(
      fc.string(),
      word,
      word,
      fc.constantFrom('https', 'ssh', 'git+http'),
      (text, user, secret, scheme) => {
        const said = withoutCredentials(`${text}\n${scheme}://${user}:canary${secret}@example.com/a.git`);
        expect(said).not.toContain('canary');
        expect(said).toContain(`${scheme}://example.com/a.git`);
      },
    ),
  );
});

describe('the drain file', () => {
  it.each([
    [null, null],
    [
      '{"schema":1,"by":"ann","host":"mac","since":"2026-11-22T15:00:00Z","reason":"release","release":null}',
      'drained by ann on mac since 2026-11-22T15:00:00Z: release',
    ],
    ['{"schema":2,"by":"ann"}', 'drained by ann'],
    ['', 'drained (the drain file says neither by whom nor why)'],
    ['not json', 'drained (the drain file says neither by whom nor why)'],
    ['[]', 'drained (the drain file says neither by whom nor why)'],
  ])('%s → %s', (text, reason) => expect(drainReason(text)).toBe(reason));

  it('whatever is in it, it drains', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => drainReason(text) !== null));
  });
});
