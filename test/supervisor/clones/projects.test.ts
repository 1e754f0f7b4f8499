import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cloneUrl,
  mergeProjects,
  parseProjects,
  withoutCredentials,
} from '../../../image/supervisor/clones/projects.ts';

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
    ['[3]', 'f [0]: expected an object'],
    ['[{"name":"a"}]', 'f [0]: repo is missing: owner/name or a URL'],
    ['[{"name":"../a","repo":"a/b"}]', 'f [0]: name "../a" is not a valid directory name'],
    ['[{"name":".git","repo":"a/b"}]', 'f [0]: name ".git" is not a valid directory name'],
    [
      '[{"repo":"a/b","config":"../p.yaml"}]',
      'f [0]: config "../p.yaml" is not a path inside the repository',
    ],
    ['[{"repo":"a/b","config":"/etc/p.yaml"}]', 'f [0]: config "/etc/p.yaml" is not a path inside'],
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
    expect(merged.problems).toEqual(['r [2]: expected an object']);
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
