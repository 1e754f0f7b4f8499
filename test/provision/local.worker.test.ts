/** stop, start and retire on a real worker on this machine. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { local } from '../../scripts/local.ts';
import { retire } from '../../scripts/retire.ts';
import { start } from '../../scripts/start.ts';
import { stop } from '../../scripts/stop.ts';
import {
  atWork,
  makeWorker,
  removeWorkers,
  type TestWorker,
  type TestWorkerOptions,
  until,
} from '../local/worker.ts';
import { run } from '../support/run-command.ts';

let worker: TestWorker;
let file: string;
let env: NodeJS.ProcessEnv;
function use(options: TestWorkerOptions = {}): void {
  worker = makeWorker(options);
  file = join(worker.dir, '..', 'workers.yaml');
  env = { FACTORY_WORKERS: file };
  writeFileSync(
    file,
    `workers:\n  - {name: here, runtime: local, home: ${worker.dir}}\n  - {name: other, runtime: local, home: /x}\n`,
  );
}
beforeEach(() => use());
afterEach(removeWorkers);

it('starts, is left alone, stops, and is left alone', async () => {
  expect(await run(start, ['here'], { env })).toMatchObject({ code: 0, stdout: 'here is running\n' });
  expect(await run(start, ['here'], { env })).toMatchObject({ code: 0, stdout: 'here runs already\n' });
  const plan = await run(stop, ['here', '--dry-run'], { env });
  expect(plan).toMatchObject({ code: 0, stderr: '' });
  expect(plan.stdout).toContain('$ factory-worker local down here --wait --wait-timeout 2700s\n');
  expect(await run(stop, ['here'], { env })).toMatchObject({ code: 0, stdout: 'here is stopped\n' });
  expect(await run(stop, ['here', '-o', 'json'], { env }).then(({ stdout }) => JSON.parse(stdout))).toEqual({
    schema: 1,
    worker: 'here',
    dryRun: false,
    status: 'stopped',
    steps: [],
    notes: ['here is stopped already'],
  });
});

describe('a stage that outlasts the time-out', () => {
  beforeEach(async () => {
    use({ agentWaits: true });
    await worker.start();
    await worker.add(23);
    await until('an agent at work', atWork(worker));
  });

  it.each([
    ['stop', stop, ['here', '--drain-timeout', '1s']],
    ['local down', local, ['down', 'here', '--wait', '--wait-timeout', '1s']],
  ] as const)('%s leaves it running', async (_, command, argv) => {
    const { code, stdout, stderr } = await run(command as typeof stop, argv, { env });
    expect([code, stdout]).toEqual([124, '']);
    expect(stderr).toContain(
      'error: here does not come to rest within 1s: it waits for demo#23 at stage implement',
    );
    expect(stderr).toContain('takes up work again');
    expect(await worker.sessions()).toContain('23-implement-1');
    expect(existsSync(join(worker.layout.dirs.WORKER_STATE_DIR, 'drain'))).toBe(false);
  });

  it.each([
    ['stop --now', stop, ['here', '--now', '--yes']],
    ['local down', local, ['down', 'here']],
  ] as const)('%s says what it interrupts', async (_, command, argv) => {
    const { code, stderr } = await run(command as typeof stop, argv, { env });
    expect(code).toBe(0);
    expect(stderr).toMatch(/demo#23 at stage implement.* is interrupted; the next start resumes it/);
  });

  it('is waited for, and the worker then stops undrained', async () => {
    const { code, stdout } = await run(local, ['down', 'here', '--wait'], {
      env,
      meanwhile: [{ after: 'waits for demo#23', act: worker.letAgentGoOn }],
    });
    expect([code, stdout]).toEqual([0, 'here is stopped\n']);
    expect(existsSync(join(worker.layout.dirs.WORKER_STATE_DIR, 'drain'))).toBe(false);
    await worker.start();
    expect((await worker.rows())[0]?.status).toBe('completed');
  });
});

it('is retired with a backup; its folder stays, or goes when its name is given', async () => {
  await run(start, ['here'], { env });
  const backup = join(worker.dir, '..', 'here.tar.gz');
  const first = await run(retire, ['here', '--backup', backup, '--yes'], { env });
  expect(first).toMatchObject({ code: 0, stdout: 'here is retired\n' });
  expect(first.stderr).toContain(`to delete it: rm -r ${worker.dir}`);
  expect([existsSync(backup), existsSync(worker.dir)]).toEqual([true, true]);
  expect(readFileSync(file, 'utf8')).not.toContain('here');
  expect(readFileSync(file, 'utf8')).toContain('other');

  writeFileSync(file, `workers:\n  - {name: here, runtime: local, home: ${worker.dir}}\n`);
  expect((await run(retire, ['here', '--purge', '--yes'], { env })).code).toBe(2);
  expect(existsSync(worker.dir)).toBe(true);
  const typed = await run(retire, ['here', '--purge'], {
    env,
    tty: true,
    keys: [{ after: "Type the worker's name:", type: 'here\r' }],
  });
  expect(typed).toMatchObject({ code: 0, stdout: 'here is retired\n' });
  expect(existsSync(worker.dir)).toBe(false);
});

it('a folder that is no worker is not deleted', async () => {
  const home = join(worker.dir, '..');
  writeFileSync(file, `workers:\n  - {name: here, runtime: local, home: ${home}}\n`);
  const { code, stderr } = await run(retire, ['here', '--purge', '--confirm', 'here'], { env });
  expect([code, stderr]).toEqual([1, expect.stringContaining('is not the folder of a local worker')]);
  expect(existsSync(file)).toBe(true);
});
