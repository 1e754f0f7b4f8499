/** What a release does with the state of a worker: another factory's schema, its drain, its backup. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { assertServes, otherImage, podOf, rollout, useReleases } from './releasing.ts';
import { saw } from './seen.ts';
import { finished, inWorker, isDrained, queueOf } from './worker.ts';

const run = promisify(execFile);
// Two releases and what they wait for, on a machine that does other things as well.
vi.setConfig({ testTimeout: 600_000 });

const site = useReleases('fwc-release-state');
const { w1, w2, operator } = site;

describe('another factory', () => {
  // factory makes its database with the first row.
  beforeAll(async () => {
    expect(await operator.dispatch(w1, 23)).toExitWith(0);
    await finished(w1, 23);
  });

  const schema = async () =>
    (
      await inWorker(
        w1,
        'sqlite3 /root/.factory/factory.db ".timeout 10000" "SELECT max(version) FROM schema_version"',
      )
    ).trim();

  it('is refused without --allow-state-migration, before the worker is touched', async () => {
    const before = await podOf(w1);
    const { code, stderr } = await operator.type(...rollout(site.images.newer, 'one'));
    saw('an image that migrates the state', stderr);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /migrates the state of one: its factory has schema version 8, the worker's database has 3.*--allow-state-migration/s,
      ),
    ]);
    expect(await podOf(w1)).toEqual(before);
  });

  it('migrates with it; a rollback restores the backup', async () => {
    const { image } = await podOf(w1);
    const rows = await queueOf(w1);
    expect(await operator.type(...rollout(site.images.newer, 'one', '--allow-state-migration'))).toExitWith(
      0,
    );
    expect(await schema()).toBe('8');
    const back = await operator.type('rollback', 'one', '--yes');
    saw('a rollback over a migration', back.stdout + back.stderr);
    expect([back.code, back.stderr]).toEqual([
      0,
      expect.stringContaining('the state from before the migration is restored'),
    ]);
    expect(await schema()).toBe('3');
    expect(await queueOf(w1)).toEqual(rows);
    await assertServes(w1, image);
  });

  it('is noticed after the roll where nothing was looked at before it, and undone with the state of before', async () => {
    const { image } = await podOf(w1);
    const rows = await queueOf(w1);
    const { code, stderr } = await operator.type(...rollout(site.images.newer, 'one', '--no-prepull'));
    saw('an image that migrates the state, without a pre-pull', stderr);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /the state from before the migration is restored[\s\S]*rolled back to [\s\S]*migrates the state of one: its factory speaks dialect B[\s\S]*--allow-state-migration/,
      ),
    ]);
    expect(await schema()).toBe('3');
    expect(await queueOf(w1)).toEqual(rows);
    await assertServes(w1, image);
  });

  it('stays when issues were added since', async () => {
    expect(await operator.type(...rollout(site.images.newer, 'one', '--allow-state-migration'))).toExitWith(
      0,
    );
    expect(await operator.dispatch(w1, 50)).toExitWith(0);
    const before = await podOf(w1);
    const { code, stderr } = await operator.type('rollback', 'one', '--yes');
    saw('a rollback over a migration, with issues added since', stderr);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/cannot undo the migration of .* everything added since would be lost/),
    ]);
    expect(await podOf(w1)).toEqual(before);
    expect(await queueOf(w1)).toContain(50);
  });
});

describe('drain, resume, backup', () => {
  it('a drain of somebody else is lifted by force only', async () => {
    const drained = await operator.type('drain', 'two', '--wait', '--reason', 'node upgrade');
    saw('drain --wait', drained.stdout + drained.stderr);
    expect(drained, drained.stderr).toMatchObject({ code: 0, stdout: 'two is drained, and nothing runs\n' });
    expect(await operator.row(w2)).toMatchObject({ status: 'drained' });
    await inWorker(w2, `sed -i 's/"host":"[^"]*"/"host":"elsewhere"/' /root/.factory/worker/drain`);
    const refused = await operator.type('resume', 'two');
    saw('resume of another’s drain', refused.stderr);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/is drained by .*@elsewhere .*: node upgrade\n.*--force/),
    ]);
    // A release takes its turn, and leaves the drain as it is.
    const image = await otherImage(site, w2);
    const released = await operator.type(...rollout(image, 'two'));
    expect([released.code, released.stderr]).toEqual([0, expect.stringContaining('stays drained, as')]);
    expect(await isDrained(w2)).toBe(true);
    expect(await operator.type('resume', 'two', '--force')).toExitWith(0);
    await assertServes(w2, image);
  });

  it('a backup is the database as SQLite copies it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'e2e-backup-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const target = join(folder, 'one.tar.gz');
    const { code, stdout, stderr } = await operator.type('backup', 'one', target);
    saw('backup', stdout + stderr);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/rows, integrity ok\n$/)]);
    expect(existsSync(`${target}.part`)).toBe(false);
    await run('tar', ['--extract', `--file=${target}`, `--directory=${folder}`]);
    const ask = async (sql: string) =>
      (await run('sqlite3', [join(folder, 'factory.db'), sql])).stdout.trim();
    expect(await ask('PRAGMA integrity_check')).toBe('ok');
    const issues = (await ask('SELECT issue FROM issue_queue ORDER BY issue')).split('\n');
    expect(issues.map(Number)).toEqual(await queueOf(w1));
    expect(await operator.type('backup', 'one', target)).toExitWith(1);
  });
});
