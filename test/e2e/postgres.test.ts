/** Workers whose factory keeps its queue in PostgreSQL, each with a server of its own: their work, their end, their backup. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SCRATCH, until } from './cluster.ts';
import { killContainer } from './faults.ts';
import { install, WITH_POSTGRES, WORKING, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { saw } from './seen.ts';
import { useNamespace } from './site.ts';
import {
  assertSound,
  atWork,
  finished,
  inWorker,
  isDrained,
  LIST_SESSIONS,
  pipelineOf,
  query,
  queueOf,
  restarted,
  rowsOf,
  setStandins,
  type TestWorker,
} from './worker.ts';

const NAMESPACE = 'fwc-postgres';
const folder = join(SCRATCH, 'postgres');
const one = workerIn(NAMESPACE, 'one');
const two = workerIn(NAMESPACE, 'two');
const operator = Operator.of([one, two]);

useNamespace(NAMESPACE);
beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  const values = { ...WORKING, ...WITH_POSTGRES, database: { kind: 'postgres' } };
  await Promise.all([one, two].map((worker) => install(worker, values)));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const dispatch = (worker: TestWorker, ...issues: number[]) => operator.dispatch(worker, issues.join(','));

/** The stages of an issue that have ended, each as often as it did. */
const stagesOf = async (worker: TestWorker, issue: number) =>
  (await pipelineOf(worker, issue))?.stage_history?.map(({ stage }) => stage);

const STAGES = ['implement', 'qa', 'review'];
/** Stages of a few seconds; until the container ends. */
const quicken = (worker: TestWorker, ...more: string[]) =>
  setStandins(worker, 'STANDIN_FACTORY_GREETING_SECONDS=1', 'STANDIN_CLAUDE_WORK_SECONDS=1', ...more);

it('an issue is finished by itself, once, although the container is killed in a stage', async () => {
  await quicken(one, 'STANDIN_CLAUDE_STAY=implement');
  expect(await dispatch(one, 1)).toExitWith(0);
  await atWork(one, 1);
  await restarted(one, await killContainer(one));
  await quicken(one);
  await finished(one, 1);
  expect(await stagesOf(one, 1)).toEqual(STAGES);
  expect(await queueOf(one)).toEqual([1]);
  await assertSound(one);
});

describe('a backup, restored into another worker', () => {
  const archive = join(folder, 'one.tar.gz');
  const ROWS = 'SELECT * FROM issue_queue ORDER BY id';

  it('has every row, one in the middle of its stages and one that waits among them', async () => {
    await quicken(one, 'STANDIN_CLAUDE_STAY=qa');
    expect(await dispatch(one, 2, 3)).toExitWith(0);
    await until('#2 is in its second stage', 90, async () =>
      (await inWorker(one, LIST_SESSIONS)).includes('2-qa-1'),
    );
    const saved = await operator.type('backup', one.name, archive);
    saw('backup of a worker with PostgreSQL, at work', saved);
    expect([saved.code, saved.stdout]).toEqual([0, expect.stringMatching(/ 3 rows, integrity ok\n$/)]);

    // So that it begins nothing before it has been compared.
    expect(await operator.type('drain', two.name, '--wait')).toExitWith(0);
    expect(await rowsOf(two)).toEqual([]);
    const restored = await operator.type('restore', archive, two.name, '--yes');
    saw('restore into another worker with PostgreSQL', restored);
    expect([restored.code, restored.stdout]).toEqual([
      0,
      'two has 3 rows in the queue, 2 pipelines again, counted on both ends; integrity ok\n',
    ]);
    const rows = await query(two, ROWS);
    expect(rows).toBe(await query(one, ROWS));
    expect(rows.split('\n')).toHaveLength(3);
    expect((await rowsOf(two)).map(({ Issue, Status }) => [Issue, Status])).toEqual([
      [1, 'completed'],
      [2, 'active'],
      [3, 'pending'],
    ]);
  });

  it('goes on there with the stage it was in, and what waited', async () => {
    expect(await isDrained(two)).toBe(true);
    await quicken(two);
    expect(await operator.type('resume', two.name)).toExitWith(0);
    for (const issue of [2, 3]) {
      await finished(two, issue);
      expect(await stagesOf(two, issue)).toEqual(STAGES);
    }
    const log = await inWorker(two, 'git -C /root/.factory/repos/demo log --format=%s main..feature/issue-2');
    expect(log.match(/^issue #2: implement /gm)).toHaveLength(1);
    expect(await queueOf(two)).toEqual([1, 2, 3]);
    await assertSound(two);
  });
});
