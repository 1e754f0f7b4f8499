/** What becomes of a queue when the worker's volume is full: a small file system of its own, filled for real. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { stopLocalWorker } from '../../scripts/lib/local/stop.ts';
import { isRoot, needs } from '../support/needs.ts';
import { makeRoot, makeWorker, removeWorkers, type TestWorker, until } from './worker.ts';

const mounted: string[] = [];
afterEach(async () => {
  for (const dir of mounted.splice(0)) {
    await stopLocalWorker(dir);
    execFileSync('umount', ['--lazy', join(dir, 'home', '.factory')]);
  }
  await removeWorkers();
});

/** Its `~/.factory` is a volume of its own, as in a pod. */
function makeWorkerOnVolume(dialect: 'a' | 'b'): TestWorker {
  const dir = makeRoot();
  const volume = join(dir, 'home', '.factory');
  mkdirSync(volume, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', volume]);
  mounted.push(dir);
  return makeWorker({ dir, dialect, setup: ['head --bytes=6M /dev/zero >installed'] });
}

const ballast = ({ layout }: TestWorker) => join(layout.home, '.factory', 'ballast');

/** Leaves room for factory's database, also when the worker writes for a while on a busy machine, and none for a worktree. */
async function fill(worker: TestWorker): Promise<void> {
  await worker.run(['sh', '-c', `cat /dev/zero >"$1"; truncate --size=-3M "$1"`, 'sh', ballast(worker)]);
}

const statuses = async (worker: TestWorker) => (await worker.rows()).map(({ status }) => status);

describe.each(['a', 'b'] as const)('a volume that is full, dialect %s', (dialect) => {
  it('keeps the queue as it is, and goes on when there is room', needs(isRoot, 'root'), async () => {
    const worker = makeWorkerOnVolume(dialect);
    const drain = join(worker.layout.dirs.WORKER_STATE_DIR, 'drain');
    await worker.start();
    writeFileSync(drain, '{"schema":1,"by":"test","reason":"a pause"}');
    for (const issue of [1, 2]) await worker.add(issue);
    await fill(worker);
    rmSync(drain);
    // What is written meanwhile takes of what is left.
    const says = /^the state volume is full \([0-3] MB left\) and no work is taken; /;
    await until(
      'the reason',
      () => worker.heartbeat()?.reason ?? '',
      (reason) => says.test(reason),
    );
    expect(worker.heartbeat()?.state).toBe('refused');
    expect(await statuses(worker)).toEqual(['pending', 'pending']);
    rmSync(ballast(worker));
    await until(
      'everything completed',
      () => statuses(worker),
      (rows) => rows.every((row) => row === 'completed'),
    );
  });
});
