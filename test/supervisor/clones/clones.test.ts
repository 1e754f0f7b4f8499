import { describe, expect, it } from 'vitest';
import {
  type Attempt,
  asFaults,
  backoffMs,
  createClones,
  isDue,
  planClones,
  removePartialClones,
  summarize,
} from '../../../image/supervisor/clones/clones.ts';
import type { RunResult } from '../../../image/supervisor/effects/effects.ts';
import type { Project } from '../../../scripts/lib/contract.ts';
import { DIRS, fakeClock, fakeEnvironment, fakeFiles, fakeLog, fakeProcesses, settle } from '../fakes.ts';

function project(name: string, overrides: Partial<Project> = {}): Project {
  return { name, repo: `acme/${name}`, branch: null, config: 'pipeline.yaml', ...overrides };
}

function attempt(overrides: Partial<Attempt> = {}): Attempt {
  return { source: 'acme/a ', running: false, failures: 1, nextAt: 1_000, message: 'no', ...overrides };
}

describe('which clones are due', () => {
  const a = project('a');
  it.each([
    ['never tried', undefined, 0, true],
    ['being cloned', attempt({ running: true }), 5_000, false],
    ['failed, not yet time', attempt(), 999, false],
    ['failed, time', attempt(), 1_000, true],
    ['failed, but the list names another repository now', attempt({ source: 'acme/old ' }), 0, true],
  ])('%s', (_case, past, now, due) => {
    const attempts = new Map(past ? [['a', past]] : []);
    expect(planClones([a], attempts, now)).toEqual(due ? [a] : []);
  });

  it('at most three at once', () => {
    const wanting = ['a', 'b', 'c', 'd', 'e'].map((name) => project(name));
    expect(planClones(wanting, new Map(), 0).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    const running = new Map([['a', attempt({ running: true })]]);
    expect(planClones(wanting, running, 0).map(({ name }) => name)).toEqual(['b', 'c']);
  });

  it('backs off to ten minutes', () => {
    expect([1, 2, 3, 7, 50].map(backoffMs)).toEqual([10_000, 20_000, 40_000, 600_000, 600_000]);
  });
});

describe('the state of all clones in one sentence', () => {
  const clone = (name: string, state: 'ready' | 'cloning' | 'failed', message = '') => ({
    name,
    state,
    message,
    directory: '',
  });
  it.each([
    [[], [], 'off', 'no projects yet: dispatch with --clone owner/name adds one'],
    [[clone('a', 'ready')], [], 'ok', 'a: ok'],
    [[clone('a', 'ready'), clone('b', 'cloning', 'being cloned')], [], 'running', 'a: ok; b: being cloned'],
    [[clone('a', 'cloning', 'x'), clone('b', 'failed', 'no access')], [], 'failed', 'a: x; b: no access'],
    [[clone('a', 'ready')], ['projects.json is not JSON'], 'failed', 'projects.json is not JSON; a: ok'],
    [[], ['projects.json is not JSON'], 'failed', 'projects.json is not JSON'],
  ])('%j %j → %s', (clones, problems, status, message) => {
    expect(summarize(clones, problems)).toEqual({ status, message });
  });
});

/** Clones in a world where git does what the test says. */
function world(git: (verb: string, target: string) => Partial<RunResult> | Promise<Partial<RunResult>>) {
  const clock = fakeClock();
  const files = fakeFiles();
  const { log, lines } = fakeLog();
  const stop = new AbortController();
  const processes = fakeProcesses(files, {
    run(argv) {
      const words: readonly string[] = argv;
      const verb = words[1] === '-C' ? (words[3] ?? '') : (words[1] ?? '');
      return git(verb, words.at(-1) ?? '');
    },
  });
  let changes = 0;
  const clones = createClones(
    fakeEnvironment(),
    { clock, files, log, processes },
    () => {
      changes += 1;
    },
    stop.signal,
  );
  const list = (...projects: unknown[]) =>
    files.write(`${DIRS.WORKER_CONFIG_DIR}/projects.json`, JSON.stringify(projects));
  const request = (...projects: unknown[]) =>
    files.write(`${DIRS.WORKER_STATE_DIR}/projects.json`, JSON.stringify(projects));
  return { clock, clones, files, lines, list, processes, request, stop, changes: () => changes };
}

/** What a clone of the repository would bring. */
function bring(files: ReturnType<typeof fakeFiles>, target: string, ...names: string[]) {
  for (const name of ['.git/HEAD', ...names]) files.write(`${target}/${name}`, 'x');
  return {};
}

describe('cloning', () => {
  it('is done aside and moved into place whole', async () => {
    const there: string[] = [];
    const it_ = world((_verb, target) => {
      there.push(target);
      return bring(it_.files, target, 'pipeline.yaml');
    });
    it_.list({ name: 'demo', repo: 'acme/demo', branch: 'dev' });
    it_.clones.refresh();
    expect(it_.clones.summary().status).toBe('running');
    await settle();
    expect(there).toEqual(['/w/repos/.cloning-demo']);
    expect(it_.processes.calls).toEqual([
      'git clone --quiet --branch dev -- https://github.com/acme/demo.git /w/repos/.cloning-demo',
    ]);
    expect(it_.clones.look()).toEqual([
      { name: 'demo', state: 'ready', message: '', directory: '/w/repos/demo' },
    ]);
    expect(it_.files.list('/w/repos')).toEqual(['demo']);
    expect(it_.changes()).toBe(1);
  });

  it('that fails says why, without credentials, and is tried again later', async () => {
    const it_ = world(() => ({
      code: 128,
      stderr: "Cloning into 'x'...\nfatal: unable to access 'https://me:hunter2@example.com/a.git/': 403\n",
    }));
    it_.list({ name: 'demo', repo: 'https://me:hunter2@example.com/a.git' });
    it_.clones.refresh();
    await settle();
    expect(it_.clones.summary()).toEqual({
      status: 'failed',
      message:
        "demo: fatal: unable to access 'https://example.com/a.git/': 403 (tried again at 2026-11-22T15:12:25Z)",
    });
    expect(it_.lines.join()).not.toContain('hunter2');
    await it_.clock.advance(9_999);
    it_.clones.refresh();
    await settle();
    expect(it_.processes.calls).toHaveLength(1);
    await it_.clock.advance(1);
    it_.clones.refresh();
    await settle();
    expect(it_.processes.calls).toHaveLength(2);
  });

  it('that a stop interrupts leaves nothing', async () => {
    const it_ = world((_verb, target) => {
      bring(it_.files, target);
      return new Promise(() => {});
    });
    it_.list({ name: 'demo', repo: 'acme/demo' });
    it_.clones.refresh();
    await settle();
    it_.stop.abort();
    await settle();
    expect(it_.files.list('/w/repos')).toEqual([]);
  });

  it('never touches what is there and is no clone', async () => {
    const it_ = world(() => ({}));
    it_.files.write('/w/repos/demo/notes.txt', 'mine');
    it_.list({ name: 'demo', repo: 'acme/demo' });
    it_.clones.refresh();
    await settle();
    expect(it_.processes.calls).toEqual([]);
    expect(it_.clones.summary().message).toBe('demo: repos/demo is not a git clone: move it away');
  });

  it('goes on asking for a configuration that has not been pushed yet', async () => {
    let pushed = false;
    const it_ = world((verb, target) => {
      if (verb === 'clone') return bring(it_.files, target);
      if (verb === 'merge' && pushed) it_.files.write('/w/repos/demo/pipeline.yaml', 'x');
      if (verb === 'remote') return { stdout: 'origin\n' };
      if (verb === 'ls-remote') return { stdout: 'ref: refs/heads/main\tHEAD\n' };
      if (verb === 'symbolic-ref') return { stdout: 'main' };
      if (verb === 'rev-list') return { stdout: target === 'HEAD' ? '1' : '0' };
      return {};
    });
    it_.list({ name: 'demo', repo: 'acme/demo' });
    it_.clones.refresh();
    await settle();
    expect(it_.clones.summary().message).toMatch(/^demo: no pipeline.yaml in the clone: push one/);
    pushed = true;
    await it_.clock.advance(10_000);
    it_.clones.refresh();
    await settle();
    expect(it_.clones.summary()).toEqual({ status: 'ok', message: 'demo: ok' });
  });

  it('counts a clone that is in no list, and the laptop’s requests after the chart’s', async () => {
    const it_ = world((_verb, target) => bring(it_.files, target, 'pipeline.yaml', 'ci/pipeline.yaml'));
    bring(it_.files, '/w/repos/found', 'pipeline.yaml');
    bring(it_.files, '/w/repos/somebodys');
    it_.files.write('/w/repos/notes/a.txt', 'x');
    it_.list({ name: 'demo', repo: 'acme/chart', config: 'ci/pipeline.yaml' });
    it_.request({ name: 'demo', repo: 'acme/laptop' }, { name: 'extra', repo: 'acme/extra' });
    it_.clones.refresh();
    await settle();
    expect(it_.clones.look().map(({ name, directory, state }) => [name, directory, state])).toEqual([
      ['demo', '/w/repos/demo/ci', 'ready'],
      ['extra', '/w/repos/extra', 'ready'],
      ['found', '/w/repos/found', 'ready'],
    ]);
    expect(it_.processes.calls.join('\n')).not.toContain('laptop');
  });

  it('the leavings of a killed supervisor go, nothing else', async () => {
    const files = fakeFiles({ '/w/repos/.cloning-a/x': '', '/w/repos/a/x': '', '/w/repos/.mine/x': '' });
    await removePartialClones(files, '/w/repos');
    expect(files.list('/w/repos')).toEqual(['a', '.mine']);
  });
});

describe('when a remote is asked while there is nothing to do', () => {
  const fault = { project: 'a', cause: 'changed', text: '', said: '', subject: '', since: '', holds: true };
  it.each([
    ['never asked', undefined, 0, true],
    ['all well', { at: 0, faults: [] }, 599_999, false],
    ['all well, ten minutes ago', { at: 0, faults: [] }, 600_000, true],
    ['something to know', { at: 0, faults: [{ ...fault, holds: false }] }, 599_999, false],
    ['no row is taken', { at: 0, faults: [fault] }, 59_999, false],
    ['no row is taken, a minute ago', { at: 0, faults: [fault] }, 60_000, true],
  ])('%s', (_case, followed, now, due) => expect(isDue(followed, now)).toBe(due));

  it('what is found again has been so since the first time', () => {
    const trouble = { cause: 'fetch-failed' as const, text: 'x', said: 'y', subject: '', holds: true };
    const first = asFaults('a', [trouble], [], 'then');
    expect(asFaults('a', [{ ...trouble, said: 'z' }], first, 'now')).toEqual([
      { project: 'a', ...trouble, said: 'z', since: 'then' },
    ]);
    expect(asFaults('a', [{ ...trouble, subject: 'other' }], first, 'now')[0]?.since).toBe('now');
  });
});
