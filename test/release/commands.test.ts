/** What the commands of a release refuse before anything is started. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { backup } from '../../scripts/backup.ts';
import { buildPushRollout } from '../../scripts/build-push-rollout.ts';
import { releases } from '../../scripts/releases.ts';
import { rollback } from '../../scripts/rollback.ts';
import { fakeExec } from '../support/fake-exec.ts';
import { run } from '../support/run-command.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const scratch = mkdtempSync(join(tmpdir(), 'release-commands-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const file = join(scratch, 'workers.yaml');
writeFileSync(
  file,
  `workers:
  - {name: worker-1, pod: factory-worker-1, namespace: factory, context: do}
  - {name: mine, runtime: local, home: ${scratch}/mine}
`,
);
const IMAGE = `registry.example.com/worker@sha256:${'a'.repeat(64)}`;
const env = { FACTORY_WORKERS: file, XDG_STATE_HOME: join(scratch, 'state') };

describe('a rollout', () => {
  it.each<[string, readonly string[], RegExp]>([
    [
      'without a person and --yes',
      ['rollout', 'worker-1', '--image', IMAGE],
      /no terminal to ask on\n {2}give --yes/,
    ],
    [
      'without a worker',
      ['rollout', '--image', IMAGE, '--yes'],
      /WORKER is missing\n {2}name some, or all: --all/,
    ],
    [
      'of workers and all',
      ['rollout', 'worker-1', '--all', '--image', IMAGE, '--yes'],
      /cannot be used together/,
    ],
    [
      'of a worker on this machine',
      ['rollout', 'mine', '--image', IMAGE, '--yes'],
      /runs on this machine and has no image/,
    ],
    [
      'of an image that was never named',
      ['rollout', 'worker-1', '--yes'],
      /--image is missing, and nothing has been pushed from here/,
    ],
    ['of no image', ['rollout', 'worker-1', '--image', 'A B', '--yes'], /is not a valid image name/],
    ['of a stage that is misspelled', ['rolout'], /no stage "rolout"\n {2}did you mean rollout/],
    [
      'with a restart of a release',
      ['release', 'worker-1', '--restart', '--yes'],
      /--restart belongs to rollout/,
    ],
    [
      'with an import, of a build',
      ['build', '--image', 'r.example.com/w', '--import'],
      /--import belongs to rollout and release/,
    ],
    [
      'with an import, of a restart',
      ['rollout', 'worker-1', '--restart', '--import', '--yes'],
      /--import and --restart cannot be used together/,
    ],
    [
      'with an import, without a drain',
      ['rollout', 'worker-1', '--image', IMAGE, '--import', '--now', '--yes'],
      /--import and --now cannot be used together/,
    ],
    [
      'with no number',
      ['rollout', 'worker-1', '--max-parallel', '0', '--yes'],
      /--max-parallel must be a whole number/,
    ],
  ])('is refused %s: exit 2, and nothing is started', async (_, argv, said) => {
    const exec = fakeExec();
    const { code, stdout, stderr } = await run(buildPushRollout, argv, { exec, env });
    expect([code, stdout, exec.calls]).toEqual([2, '', []]);
    expect(stderr).toMatch(said);
  });

  it('says which Kubernetes object is missing', async () => {
    const exec = fakeExec(() => ({ stdout: '{"items":[]}' }));
    const { code, stderr } = await run(buildPushRollout, ['rollout', 'worker-1', '--image', IMAGE, '--yes'], {
      exec,
      env,
    });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /worker-1 has no Deployment or StatefulSet factory-worker-1 in namespace factory/,
      ),
    ]);
  });
});

describe('a push', () => {
  it('of a checkout with changes is refused before the build', async () => {
    const exec = fakeExec((argv) => ({ stdout: argv.includes('--porcelain') ? ' M file' : 'abc' }));
    const { code, stderr } = await run(buildPushRollout, ['push', '--image', 'r.example.com/w'], {
      exec,
      env,
    });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/uncommitted changes[\s\S]*--allow-dirty/)]);
    expect(exec.calls.every(([program]) => program === 'git')).toBe(true);
  });
});

describe('a rollback', () => {
  it('without a person and --yes is refused: exit 2, and nothing is started', async () => {
    const exec = fakeExec();
    const { code, stderr } = await run(rollback, ['worker-1'], { exec, env });
    expect([code, exec.calls]).toEqual([2, []]);
    expect(stderr).toMatch(/no terminal to ask on\n {2}give --yes/);
  });
});

describe('make rollback', () => {
  // Only printed: nothing is built and nothing is rolled.
  const make = (...words: string[]) =>
    spawnSync('make', ['--dry-run', 'rollback', ...words], {
      cwd: ROOT,
      // `make test` hands its own flags down, and a make below another one says where it works.
      env: { ...process.env, MAKEFLAGS: '', MAKELEVEL: '' },
      encoding: 'utf8',
    });

  it.each([['ALL=1'], ['WORKER=worker-1 worker-2']])('takes one worker; not %s', (given) => {
    const { status, stderr } = make(given);
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining('rollback takes one worker at a time: make rollback WORKER=worker-1'),
    ]);
  });

  it('passes on what rollback takes', () => {
    const { status, stdout } = make('WORKER=worker-1', 'YES=1', 'RELEASE_FLAGS=--revision 4');
    expect([status, stdout]).toEqual([
      0,
      expect.stringMatching(/rollback\.ts +worker-1 --yes --revision 4\n$/),
    ]);
  });
});

describe('a backup', () => {
  it('does not replace a file unasked', async () => {
    const exec = fakeExec();
    const { code, stderr } = await run(backup, ['worker-1', file], { exec, env });
    expect([code, exec.calls]).toEqual([1, []]);
    expect(stderr).toMatch(/already exists\n {2}replace it: --force/);
  });
});

describe('the ledger', () => {
  it('is empty before the first release, and says where it looked', async () => {
    const { code, stdout, stderr } = await run(releases, [], { exec: fakeExec(), env });
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toContain('no release has been made from here');
  });
});
