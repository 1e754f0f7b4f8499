/** The small things of the command line that provision and retire need. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defineCommand } from '../../scripts/lib/cli/command.ts';
import { parseFlags } from '../../scripts/lib/cli/flags.ts';
import { entering, readWorkers, removing, writeChange } from '../../scripts/lib/config/enter.ts';
import { WORKER_FLAGS } from '../../scripts/lib/config/flags.ts';
import { provision } from '../../scripts/provision.ts';
import { run } from '../support/run-command.ts';
import { WORKER } from '../support/samples.ts';

it('a value for Helm keeps its commas', () => {
  const { flags } = parseFlags(['w', '--set', 'a={b,c},d=1', '-f', 'x,y.yaml'], provision.flags);
  expect([flags.set, flags.values]).toEqual([['a={b,c},d=1'], ['x,y.yaml']]);
});

it('a printed command has a flag once, also where this one was given it', async () => {
  const printing = defineCommand({
    name: 'printing',
    summary: 'prints',
    positionals: [],
    flags: WORKER_FLAGS,
    examples: [],
    async run(_, { stdout, commandLine }) {
      stdout.write(commandLine('workers', 'add', 'w', '--namespace', 'own'));
    },
  });
  expect((await run(printing, ['-n', 'typed', '--context', 'c'])).stdout).toBe(
    'factory-worker workers add w --namespace own --context c',
  );
});

describe('an entry of workers.yaml', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'enter-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is added to a file that is not there yet, and taken out again', async () => {
    const path = join(folder, 'new', 'workers.yaml');
    const env = { HOME: folder };
    const change = entering(await readWorkers(path, env), WORKER, env);
    expect(change.diff).toContain('+  - name: worker-1\n');
    await writeChange(change);
    const file = await readWorkers(path, env);
    expect(file.workers).toEqual([WORKER]);
    await writeChange(removing(file, 'worker-1', env));
    expect(readFileSync(path, 'utf8')).toBe('workers: []\n');
  });

  it('is not written over what somebody else wrote meanwhile', async () => {
    const path = join(folder, 'workers.yaml');
    const change = entering(await readWorkers(path, {}), WORKER, {});
    writeFileSync(path, 'workers: []\n');
    await expect(writeChange(change)).rejects.toThrow('has changed in the meantime');
  });
});
