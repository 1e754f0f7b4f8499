/** stop, start and retire on a real worker on this machine. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { retire } from '../../scripts/retire.ts';
import { start } from '../../scripts/start.ts';
import { stop } from '../../scripts/stop.ts';
import { makeWorker, removeWorkers, type TestWorker } from '../local/worker.ts';
import { run } from '../support/run-command.ts';

let worker: TestWorker;
let file: string;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
  worker = makeWorker();
  file = join(worker.dir, '..', 'workers.yaml');
  env = { FACTORY_WORKERS: file };
  writeFileSync(
    file,
    `workers:\n  - {name: here, runtime: local, home: ${worker.dir}}\n  - {name: other, runtime: local, home: /x}\n`,
  );
});
afterEach(removeWorkers);

it('starts, is left alone, stops, and is left alone', async () => {
  expect(await run(start, ['here'], { env })).toMatchObject({ code: 0, stdout: 'here is running\n' });
  expect(await run(start, ['here'], { env })).toMatchObject({ code: 0, stdout: 'here runs already\n' });
  const plan = await run(stop, ['here', '--dry-run'], { env });
  expect(plan).toMatchObject({ code: 0, stderr: '' });
  expect(plan.stdout).toContain('$ factory-worker local down here --wait 2700s\n');
  expect(await run(stop, ['here'], { env })).toMatchObject({ code: 0, stdout: 'here is stopped\n' });
  expect(await run(stop, ['here', '-o', 'json'], { env }).then(({ stdout }) => JSON.parse(stdout))).toEqual({
    worker: 'here',
    dryRun: false,
    status: 'stopped',
    steps: [],
    notes: ['here is stopped already'],
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
