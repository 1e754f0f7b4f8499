/** `local up` of a worker that could do no work, and of one that runs already. */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { local } from '../../scripts/local.ts';
import { start } from '../../scripts/start.ts';
import { run } from '../support/run-command.ts';
import { BIN, makeRoot, makeWorker, removeWorkers } from './worker.ts';

let root: string;
let env: NodeJS.ProcessEnv;
/** What is on PATH anyway, without factory, claude and gh. */
let bare: string;
beforeEach(() => {
  root = makeRoot();
  bare = join(root, 'bare');
  mkdirSync(bare, { recursive: true });
  for (const program of ['git', 'tmux', 'flock', 'bash', 'tail', 'grep']) {
    const found = (process.env['PATH'] ?? '').split(':').find((folder) => existsSync(join(folder, program)));
    symlinkSync(join(found ?? '', program), join(bare, program));
  }
  env = { PATH: bare, HOME: root, FACTORY_WORKERS: join(root, 'workers.yaml') };
});
afterEach(removeWorkers);

it('is refused before anything is made, with the programs that are missing', async () => {
  const { code, stdout, stderr } = await run(local, ['up', 'here', '--home', join(root, 'here')], { env });
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toBe(
    `error: here could do no work without factory, claude and gh: not on its PATH\n` +
      `  name the folder that has them: factory-worker local up here --bin DIR\n` +
      `  its PATH: ${bare}\n`,
  );
  expect([existsSync(join(root, 'here')), existsSync(join(root, 'workers.yaml'))]).toEqual([false, false]);
});

describe('a worker that is there', () => {
  const entered = (dir: string) =>
    writeFileSync(join(root, 'workers.yaml'), `workers: [{name: here, runtime: local, home: ${dir}}]\n`);

  it('is not started without them, and is when --bin names their folder', async () => {
    const worker = makeWorker({ spec: { name: 'here', binDirs: [], callerEnv: { PATH: bare } } });
    entered(worker.dir);
    const refused = 'could do no work without factory, claude and gh';
    expect((await run(start, ['here'], { env })).stderr).toContain(refused);
    expect((await run(local, ['up', 'here'], { env })).stderr).toContain(refused);
    const up = await run(local, ['up', 'here', '--bin', BIN], {
      env: { ...env, PATH: process.env['PATH'] },
    });
    expect(up).toMatchObject({ code: 0, stdout: expect.stringContaining('here is running; ') });
  });

  it('that runs takes no other --bin, and says how it would', async () => {
    const worker = makeWorker({ spec: { name: 'here' } });
    entered(worker.dir);
    const full = { ...env, PATH: process.env['PATH'] };
    await worker.start();
    const before = readFileSync(worker.layout.workerFile, 'utf8');
    const { code, stderr } = await run(local, ['up', 'here', '--bin', bare], { env: full });
    expect([code, stderr]).toEqual([
      1,
      'error: here is running, and its PATH changes only when it starts: --bin has no effect now\n' +
        '  stop it first: factory-worker local down here\n' +
        `  then: factory-worker local up here --bin ${bare}\n`,
    ]);
    expect(readFileSync(worker.layout.workerFile, 'utf8')).toBe(before);
    // The same as it has is no change.
    expect(await run(local, ['up', 'here', '--bin', BIN], { env: full })).toMatchObject({
      code: 0,
      stdout: 'here is running already\n',
    });
  });
});
