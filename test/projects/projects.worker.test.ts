import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { projects } from '../../scripts/projects.ts';
import { makeOwnWorker } from '../local/worker.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { run } from '../support/run-command.ts';

describe('projects', () => {
  let worker: HandWorker;
  beforeEach(async () => {
    worker = await handWorker({ projects: ['demo', 'shop', 'own'] });
    for (const name of ['demo', 'shop', 'own']) {
      await worker.bash(
        `cd "$WORKER_REPOS_DIR/${name}" && git remote add origin https://github.com/acme/${name}.git`,
      );
    }
    const entry = (name: string) => ({ name, repo: `acme/${name}`, branch: null, config: 'pipeline.yaml' });
    await writeFile(join(worker.dir, 'config', 'projects.json'), JSON.stringify([entry('demo')]));
    await writeFile(join(worker.state, 'projects.json'), JSON.stringify([entry('shop'), entry('nope.x')]));
  });
  afterEach(() => worker.remove());
  const type = (...args: string[]) => run(projects, ['w', ...args], { env: worker.laptop });
  const requested = () => worker.bash('cat "$WORKER_STATE_DIR/projects.json"');

  it('are listed with where they come from, their open work, and what git says of a clone', async () => {
    await worker.bash('cd "$WORKER_REPOS_DIR/shop" && factory queue add 5 --intent x');
    await worker.bash(
      `echo '{"issue":5,"project":"shop","at":"","by":"t"}' >>"$WORKER_STATE_DIR/dispatch.jsonl"`,
    );
    const boot = JSON.parse(await worker.bash('cat "$WORKER_RUN_DIR/boot.json"')) as object;
    const message = 'demo: ok; nope.x: git clone: no; such repository (tried again at soon); shop: ok';
    const phase = { name: 'clones', status: 'failed', startedAt: new Date().toISOString(), ms: 0, message };
    await worker.bash(`echo '${JSON.stringify({ ...boot, phases: [phase] })}' >"$WORKER_RUN_DIR/boot.json"`);
    const { code, stdout, stderr } = await type();
    expect(code).toBe(0);
    expect(stdout.replaceAll(/ +/g, ' ')).toBe(
      [
        'NAME CLONE FROM OPEN REPO',
        'demo ready release - acme/demo',
        'nope.x failed request - acme/nope.x',
        'own ready hand - https://github.com/acme/own.git',
        'shop ready request shop#5 acme/shop',
        '',
      ].join('\n'),
    );
    expect(stderr).toBe('nope.x: git clone: no; such repository\n');
    expect(JSON.parse((await type('-o', 'json')).stdout)[1]).toEqual({
      name: 'nope.x',
      repo: 'acme/nope.x',
      from: 'request',
      state: 'failed',
      message: 'git clone: no; such repository',
      open: [],
    });
    const busy = await type('remove', 'shop', '--yes');
    expect([busy.code, busy.stderr]).toEqual([
      1,
      expect.stringContaining('error: shop has open work on w: shop#5'),
    ]);
  });

  it.each([
    ['nobody', /w has no project nobody\n {2}its projects: demo, nope\.x, own and shop/],
    ['demo', /demo is in the list that w was installed with, and would be cloned again/],
  ])('%s is not removed', async (name, words) => {
    expect(await type('remove', name, '--yes')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(words),
    });
  });

  it('are removed, unless that would lose work', async () => {
    await writeFile(join(worker.repos, 'shop', 'new.txt'), 'mine');
    const kept = await type('remove', 'shop', '--yes');
    expect([kept.code, kept.stderr]).toEqual([
      1,
      expect.stringMatching(/nothing was removed; this would be lost: \S+\/shop has 1 uncommitted files/),
    ]);
    expect(await requested()).toContain('acme/shop');
    await rm(join(worker.repos, 'shop', 'new.txt'));
    expect(await type('remove', 'shop', '--yes')).toMatchObject({ code: 0, stdout: 'shop is removed\n' });
    expect(await requested()).not.toContain('acme/shop');
    await expect(worker.bash('ls "$WORKER_REPOS_DIR/shop"')).rejects.toThrow('No such file');

    await worker.bash(
      'cd "$WORKER_REPOS_DIR/own" && git checkout -q --detach && git -c user.name=t -c user.email=t@t commit -qm x --allow-empty',
    );
    expect((await type('remove', 'own', '--yes')).stderr).toContain('1 commits are not pushed');
    expect((await type('remove', 'own', '--yes', '--force')).code).toBe(0);
  });
});

it('that cannot be cloned fail at once, are withdrawn, and are tried at once when asked for again', async (test) => {
  const worker = makeOwnWorker(test);
  await worker.start();
  const file = join(worker.dir, 'workers.yaml');
  await writeFile(file, `workers: [{name: w1, runtime: local, home: ${worker.dir}}]\n`);
  const repo = join(worker.dir, '..', 'late.git');
  const add = () => run(projects, ['w1', 'add', repo], { env: { FACTORY_WORKERS: file } });
  const failed = await add();
  expect([failed.code, failed.stdout]).toEqual([1, '']);
  expect(failed.stderr).toMatch(/w1 cannot clone \S+late\.git: .* does not exist; the request is withdrawn/);
  const shown = await run(projects, ['w1'], { env: { FACTORY_WORKERS: file } });
  expect(shown.stdout).not.toContain('late');
  await mkdir(repo);
  await worker.run(
    ['git', 'clone', '--quiet', '--bare', join(worker.dir, '..', 'origin.git'), repo],
    worker.dir,
  );
  expect(await add()).toMatchObject({ code: 0, stdout: 'late is added\n' });
});
