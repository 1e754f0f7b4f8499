/** With the real git: how a main checkout comes to have what its remote has, and what is told when it cannot. */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Base, follow, type Trouble } from '../../../image/supervisor/clones/follow.ts';
import { describeClone } from '../../../scripts/lib/worker/clones.ts';
import { until } from '../../support/until.ts';
import { type GitWorld, gitWorld } from './real-git.ts';

let world: GitWorld;
beforeEach(() => {
  world = gitWorld();
});
afterEach(() => world.remove());

const look = (options: { branch?: string; listed?: boolean; base?: Base } = {}, signal?: AbortSignal) => {
  const { branch = null, listed = true, base = 'HEAD' } = options;
  const project = { name: 'demo', branch };
  return follow(world.effects, { project, directory: world.clone, listed }, base, signal);
};
/** Types what `why` prints for what was found, and looks again. */
const cure = async (found: readonly Trouble[], at: number) => {
  const fault = {
    project: 'demo',
    since: '',
    cause: '',
    text: '',
    said: '',
    subject: '',
    holds: true,
    ...found[0],
  };
  const line = describeClone(fault, 'w', (name, ...words) => JSON.stringify([name, ...words])).next[at] ?? '';
  const [name, ...words] = JSON.parse(line.slice(line.indexOf('['))) as string[];
  expect([name, ...words.slice(0, 5)]).toEqual(['exec', 'w', '--project', 'demo', '--', 'git']);
  world.git(...words.slice(5));
};
const head = () => world.git('rev-parse', 'HEAD');
const branch = () => world.git('branch', '--show-current');
const setAside = () =>
  world
    .git('for-each-ref', '--format=%(refname) %(objectname)', 'refs/factory-worker/')
    .split('\n')
    .filter(Boolean);
/** A commit that only the clone has; its id. */
const commit = (file = 'mine') =>
  world.sh(
    'repos/demo',
    `echo ${Math.random()} >${file} && git add ${file} && git commit --quiet -m mine && git rev-parse HEAD`,
  );

describe('a main checkout', () => {
  it('has what the remote has, and branches that are gone there are gone here', async () => {
    world.sh('seed', 'git push --quiet origin main:other');
    expect(await look()).toEqual([]);
    world.sh('seed', 'git push --quiet origin :other');
    const id = world.push();
    expect(await look()).toEqual([]);
    expect(head()).toBe(id);
    expect(world.git('branch', '--remotes')).not.toContain('other');
  });

  it('that has no remote is left alone', async () => {
    world.git('remote', 'remove', 'origin');
    const id = commit();
    expect(await look()).toEqual([]);
    expect(head()).toBe(id);
  });

  it('is not known to be up to date when the remote does not answer', async () => {
    world.sh('.', 'mv origin.git away.git');
    expect(await look()).toMatchObject([
      { cause: 'fetch-failed', holds: true, text: 'its remote origin cannot be read' },
    ]);
    expect((await look())[0]?.said).toMatch(/^fatal: .*origin\.git' does not appear to be a git repository/);
    world.sh('.', 'mv away.git origin.git');
    const id = world.push();
    expect(await look()).toEqual([]);
    expect(head()).toBe(id);
  });

  it('follows a default branch that was renamed', async () => {
    world.rename('main', 'trunk');
    const id = world.push('trunk');
    expect(await look()).toEqual([]);
    expect([branch(), head(), world.git('symbolic-ref', 'refs/remotes/origin/HEAD')]).toEqual([
      'trunk',
      id,
      'refs/remotes/origin/trunk',
    ]);
    expect(world.git('rev-parse', '--abbrev-ref', '@{upstream}')).toBe('origin/trunk');
  });

  it('that was committed to does so, too, and the commit is told', async () => {
    const mine = commit();
    world.rename('main', 'trunk');
    expect(await look()).toMatchObject([{ cause: 'set-aside', holds: false }]);
    expect(branch()).toBe('trunk');
    expect(setAside()).toEqual([expect.stringMatching(`^refs/factory-worker/set-aside/main/\\S+ ${mine}$`)]);
  });

  it('follows another default branch while the old one is still there', async () => {
    world.sh('seed', 'git push --quiet origin main:trunk');
    world.sh('origin.git', 'git symbolic-ref HEAD refs/heads/trunk');
    const id = world.push('trunk');
    expect(await look()).toEqual([]);
    expect([branch(), head()]).toEqual(['trunk', id]);
  });

  it('follows the branch that the list names, whatever the default is', async () => {
    world.sh('seed', 'git push --quiet origin main:dev');
    const id = world.push('dev');
    expect(await look({ branch: 'dev' })).toEqual([]);
    expect([branch(), head()]).toEqual(['dev', id]);
  });

  it('whose branch is gone from the remote is told', async () => {
    expect(await look({ branch: 'dev' })).toMatchObject([
      { cause: 'upstream-gone', holds: true, subject: 'dev', text: 'origin has no branch dev' },
    ]);
  });

  it('is checked out again after a checkout of something else', async () => {
    world.git('switch', '--quiet', '--create', 'elsewhere');
    const mine = commit();
    const id = world.push();
    expect(await look()).toEqual([]);
    expect([branch(), head(), world.git('rev-parse', 'elsewhere')]).toEqual(['main', id, mine]);
  });

  it('is there again from no branch at all, and what was committed there is kept', async () => {
    world.git('switch', '--quiet', '--detach');
    const mine = commit();
    expect(await look()).toMatchObject([{ cause: 'set-aside', holds: false }]);
    expect(branch()).toBe('main');
    expect(setAside()).toEqual([expect.stringMatching(`^refs/factory-worker/set-aside/HEAD/\\S+ ${mine}$`)]);
  });
});

describe('a commit made in the main checkout', () => {
  it.each(['ahead', 'diverged'])('is in no issue’s branch, and kept: %s', async (how) => {
    const mine = commit();
    const id = how === 'diverged' ? world.push() : world.git('rev-parse', 'origin/main');
    writeFileSync(join(world.clone, 'notes'), 'not committed');
    const [notice] = await look();
    expect(notice).toMatchObject({
      cause: 'set-aside',
      holds: false,
      text: "1 commit of its main checkout that origin does not have: set aside, in no issue's branch",
    });
    expect(setAside()).toEqual([`${notice?.subject} ${mine}`]);
    expect(head()).toBe(id);
    expect(existsSync(join(world.clone, 'notes'))).toBe(true);
    // On show until the remote has it, or somebody drops it.
    expect(await look()).toEqual([notice]);
    await cure(notice ? [notice] : [], how === 'ahead' ? 1 : 2);
    expect(await look()).toEqual([]);
    expect(setAside()).toEqual([]);
  });

  it('is kept when the remote was rewritten, too', async () => {
    const old = world.push();
    await look();
    world.sh('seed', 'git commit --quiet --amend -m rewritten && git push --quiet --force origin HEAD:main');
    expect(await look()).toMatchObject([{ cause: 'set-aside' }]);
    expect(head()).toBe(world.git('rev-parse', 'origin/main'));
    expect(setAside()[0]).toContain(old);
  });
});

describe('what git would lose is told, and nothing is touched', () => {
  it('a file that was changed, and has changed on the remote', async () => {
    writeFileSync(join(world.clone, 'pipeline.yaml'), 'mine');
    world.push('main', 'pipeline.yaml');
    const found = await look();
    expect(found).toMatchObject([
      {
        cause: 'changed',
        holds: true,
        text: 'its main checkout is 1 commit behind origin/main, and cannot be brought there',
        said: 'error: Your local changes to the following files would be overwritten by merge: pipeline.yaml',
      },
    ]);
    expect(world.git('diff', '--name-only')).toBe('pipeline.yaml');
    await cure(found, 1);
    expect(await look()).toEqual([]);
  });

  it('a new file that the remote has as well', async () => {
    writeFileSync(join(world.clone, 'news'), 'mine');
    world.push('main', 'news');
    const found = await look();
    expect(found).toMatchObject([{ cause: 'changed', holds: true }]);
    world.git('worktree', 'add', '--quiet', '-b', 'feature/issue-7', 'worktrees/issue-7');
    await cure(found, 1);
    expect(await look()).toEqual([]);
    expect(existsSync(join(world.clone, 'worktrees/issue-7/pipeline.yaml'))).toBe(true);
  });

  it('a merge that has begun', async () => {
    world.git('switch', '--quiet', '--create', 'side');
    commit('pipeline.yaml');
    world.git('switch', '--quiet', 'main');
    commit('pipeline.yaml');
    expect(() => world.git('merge', 'side')).toThrow();
    const found = await look();
    expect(found).toMatchObject([{ cause: 'unfinished', subject: 'merge', holds: true }]);
    await cure(found, 1);
    expect(await look()).toMatchObject([{ cause: 'set-aside' }]);
  });

  it('a branch that is checked out in a worktree', async () => {
    world.git('switch', '--quiet', '--create', 'side');
    world.git('worktree', 'add', '--quiet', '../other', 'main');
    expect(await look()).toMatchObject([
      { cause: 'head-moved', holds: true, text: expect.stringContaining('cannot be switched to main') },
    ]);
  });
});

describe('a clone made by hand, which is in no list', () => {
  it('stays on the branch that they have chosen, up to date', async () => {
    world.sh('seed', 'git push --quiet origin main:dev');
    world.git('fetch', '--quiet');
    world.git('switch', '--quiet', 'dev');
    const id = world.push('dev');
    expect(await look({ listed: false })).toEqual([]);
    expect([branch(), head()]).toEqual(['dev', id]);
    world.sh('seed', 'git push --quiet origin :dev');
    expect(await look({ listed: false })).toMatchObject([{ cause: 'upstream-gone', subject: 'dev' }]);
  });

  it('on a branch that follows nothing is told, and left as it is', async () => {
    world.git('switch', '--quiet', '--create', 'mine');
    const found = await look({ listed: false });
    expect(found).toMatchObject([{ cause: 'head-moved', holds: true, subject: 'main' }]);
    expect(branch()).toBe('mine');
    await cure(found, 0);
    expect(await look({ listed: false })).toEqual([]);
    world.git('switch', '--quiet', 'mine');
    await cure(found, 1);
    expect(await look({ listed: false })).toEqual([]);
  });

  it('stays on its branch when another one becomes the default', async () => {
    world.sh('seed', 'git push --quiet origin main:trunk');
    world.sh('origin.git', 'git symbolic-ref HEAD refs/heads/trunk');
    expect(await look({ listed: false })).toEqual([]);
    expect(branch()).toBe('main');
  });

  it('goes along when the default branch was renamed', async () => {
    world.rename('main', 'trunk');
    expect(await look({ listed: false })).toEqual([]);
    expect(branch()).toBe('trunk');
  });
});

describe('a build that begins at origin/main', () => {
  it('has one', async () => expect(await look({ base: 'origin/main' })).toEqual([]));

  it('is told that it begins elsewhere than at the branch that is followed', async () => {
    world.sh('seed', 'git push --quiet origin main:dev');
    expect(await look({ base: 'origin/main', branch: 'dev' })).toMatchObject([
      { cause: 'not-main', holds: false, subject: 'dev' },
    ]);
  });

  it('begins nothing when there is none', async () => {
    world.rename('main', 'trunk');
    const found = await look({ base: 'origin/main' });
    expect(found).toMatchObject([{ cause: 'no-main', holds: true, subject: 'trunk' }]);
    expect(await look({ base: 'HEAD' })).toEqual([]);
    await cure(found, 0);
    expect(await look({ base: 'origin/main' })).toMatchObject([{ cause: 'not-main', holds: false }]);
  });
});

describe('locks', () => {
  it('of a killed git are removed on the way, also those that only the next worktree would meet', async () => {
    const id = world.push();
    for (const name of ['index', 'refs/remotes/origin/main', 'refs/heads/issue-7']) {
      writeFileSync(join(world.clone, `.git/${name}.lock`), '');
    }
    expect(await look()).toEqual([]);
    expect(head()).toBe(id);
    world.git('worktree', 'add', '--quiet', '-b', 'issue-7', 'worktrees/issue-7');
    expect(world.lines.join()).toContain('removed locks of a killed git process: ');
  });

  it('of a git that works are told, and stay', async () => {
    world.push();
    // A commit whose message somebody is writing.
    const git = spawn('git', ['commit', '--all', '--allow-empty'], {
      cwd: world.clone,
      env: { ...world.env, GIT_EDITOR: 'sleep 60; false' },
      stdio: 'ignore',
      detached: true,
    });
    const lock = join(world.clone, '.git/index.lock');
    await until('the lock', () => existsSync(lock));
    expect(await look()).toMatchObject([{ cause: 'locked', holds: true, subject: lock }]);
    process.kill(-(git.pid ?? 0), 'SIGKILL');
    await new Promise((resolve) => git.once('exit', resolve));
    expect(await look()).toEqual([]);
  });
});

describe('submodules', () => {
  const addSubmodule = () =>
    world.sh(
      '.',
      `git init --quiet --bare --initial-branch=main library.git
       git clone --quiet library.git library 2>/dev/null
       cd library && git switch --quiet --create main && echo 1 >code && git add . && git commit --quiet -m code && git push --quiet origin main
       cd ../seed && git submodule --quiet add ../library.git lib && git commit --quiet -m lib && git push --quiet origin HEAD:main`,
    );

  it('are there in the main checkout, up to date, and in a worktree', async () => {
    addSubmodule();
    expect(await look()).toEqual([]);
    expect(existsSync(join(world.clone, 'lib/code'))).toBe(true);
    world.sh(
      '.',
      `cd library && echo 2 >more && git add . && git commit --quiet -m more && git push --quiet origin main
       cd ../seed && git -C lib pull --quiet origin main && git add lib && git commit --quiet -m newer && git push --quiet origin HEAD:main`,
    );
    expect(await look()).toEqual([]);
    expect(existsSync(join(world.clone, 'lib/more'))).toBe(true);
    world.git('worktree', 'add', '--quiet', '-b', 'feature/issue-7', 'worktrees/issue-7');
    expect(existsSync(join(world.clone, 'worktrees/issue-7/lib/more'))).toBe(true);
  });

  it('that cannot be fetched are told, and do not stop the work', async () => {
    addSubmodule();
    world.sh('.', 'mv library.git away.git');
    expect(await look()).toMatchObject([
      { cause: 'submodules', holds: false, said: expect.stringContaining('library.git') },
    ]);
    world.git('worktree', 'add', '--quiet', '-b', 'feature/issue-7', 'worktrees/issue-7');
    expect(existsSync(join(world.clone, 'worktrees/issue-7/pipeline.yaml'))).toBe(true);
  });

  it('leave a hook of the project as it is, and say so', async () => {
    addSubmodule();
    const hook = join(world.clone, '.git/hooks/post-checkout');
    writeFileSync(hook, '#!/bin/sh\n', { mode: 0o755 });
    expect(await look()).toMatchObject([{ cause: 'submodules', holds: false }]);
    expect(world.sh('repos/demo', 'cat .git/hooks/post-checkout')).toBe('#!/bin/sh');
  });
});
