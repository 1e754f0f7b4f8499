/** A release from a build with SQLite to one with PostgreSQL, with its queue, and back. */
import { beforeAll, expect, it, vi } from 'vitest';
import { killAt, lastRecord } from '../release/operator.ts';
import { assertServes, podOf, rollout, useRelease } from './releasing.ts';
import { saw } from './seen.ts';
import { finished, inWorker, isDrained, queueOf } from './worker.ts';

// Several releases and what they wait for, on a machine that does other things as well.
vi.setConfig({ testTimeout: 600_000 });

const site = useRelease('fwc-release-import');
const { worker, operator } = site;

const release = (...flags: string[]) =>
  rollout(site.images.postgres, 'one', '--allow-state-migration', ...flags);
/** What SQLite has, whatever factory the worker runs. */
const inSqlite = async () =>
  (
    await inWorker(
      worker,
      `sqlite3 /root/.factory/factory.db ".timeout 10000" "SELECT issue || ' ' || status FROM issue_queue ORDER BY issue"`,
    )
  )
    .trim()
    .split('\n');

// One is done; two wait, since a person has drained the worker.
beforeAll(async () => {
  expect(await operator.dispatch(worker, 30)).toExitWith(0);
  await finished(worker, 30);
  expect(await operator.type('drain', 'one', '--wait')).toExitWith(0);
  expect(await operator.dispatch(worker, 31)).toExitWith(0);
  expect(await operator.dispatch(worker, 32)).toExitWith(0);
});

it('is refused without the flag, before the worker is touched', async () => {
  const before = await podOf(worker);
  const { code, stderr } = await operator.type(...release());
  saw('a release to PostgreSQL while rows are open', stderr);
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/not carried over: demo#31, demo#32[\s\S]*the same command with --import$/m),
  ]);
  expect(await podOf(worker)).toEqual(before);
});

it('carries the open rows over, although it is killed in the middle', async () => {
  await killAt(operator.start(...release('--import')), 'one', 'import');
  expect(lastRecord('one')?.state).toBe('running');
  const again = await operator.type(...release('--import'));
  saw('killed at import, and again', again);
  expect([again.code, again.stderr]).toEqual([0, expect.stringContaining('2 rows imported')]);
  expect(await queueOf(worker)).toEqual([31, 32]);
  expect(await inSqlite()).toEqual(['30 completed', '31 pending', '32 pending']);
  // The drain of a person stays.
  expect(await isDrained(worker)).toBe(true);
  expect(await operator.type('resume', 'one')).toExitWith(0);
  await finished(worker, 31);
  await finished(worker, 32);
  await assertServes(worker, site.images.postgres);
});

it('back again, what was imported is not begun once more', async () => {
  const { code, stderr } = await operator.type('rollback', 'one', '--yes');
  saw('a rollback over an import', stderr);
  expect([code, stderr]).toEqual([
    0,
    expect.stringContaining('SQLite again, without the 2 rows that went on in PostgreSQL'),
  ]);
  expect(await inSqlite()).toEqual(['30 completed']);
  await assertServes(worker, site.images.one);
});
