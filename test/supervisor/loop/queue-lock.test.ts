/** What the supervisor does about the queue while nothing else changes it, with the real flock. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Clock, Effects } from '../../../image/supervisor/effects/effects.ts';
import { createProcesses } from '../../../image/supervisor/effects/processes.ts';
import type { Environment } from '../../../image/supervisor/environment.ts';
import { createFactory } from '../../../image/supervisor/loop/factory.ts';

const dir = mkdtempSync(join(tmpdir(), 'queue-lock-'));
afterAll(() => rmSync(dir, { recursive: true }));

const queueLock = join(dir, 'queue');
const isFree = () => spawnSync('flock', ['--nonblock', queueLock, 'true']).status === 0;

/** @param sleep its clock's: how long ten seconds take */
function factory(sleep: Clock['sleep']) {
  const processes = createProcesses({ PATH: process.env['PATH'] ?? '' });
  const environment = { home: dir, path: '', paths: { queueLock } } as unknown as Environment;
  return createFactory(environment, { processes, clock: { sleep } } as unknown as Effects);
}

it('is done under the lock, which is free afterwards, also when it fails', async () => {
  const { alone } = factory(() => new Promise(() => {}));
  expect(await alone(dir, async () => isFree())).toBe(false);
  await expect.poll(isFree).toBe(true);
  const failing = alone(dir, async () => {
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  await expect.poll(isFree).toBe(true);
});

it('is not done while another process has the lock', async () => {
  let done = false;
  await factory(() => new Promise(() => {})).alone(dir, async () => {
    const { alone } = factory(async () => {});
    const waiting = alone(dir, async () => {
      done = true;
    });
    await expect(waiting).rejects.toThrow('the queue has been locked for 10 s');
  });
  expect(done).toBe(false);
});
