/** Plans as they are printed and done, and the small things of the command line that they need. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defineCommand } from '../../scripts/lib/cli/command.ts';
import { CliError, InterruptedError } from '../../scripts/lib/cli/errors.ts';
import { parseFlags } from '../../scripts/lib/cli/flags.ts';
import { createSink } from '../../scripts/lib/cli/sink.ts';
import { entering, readWorkers, removing, writeChange } from '../../scripts/lib/config/enter.ts';
import { WORKER_FLAGS } from '../../scripts/lib/config/flags.ts';
import { changes, renderPlan, runSteps, type Step } from '../../scripts/lib/lifecycle/steps.ts';
import { provision } from '../../scripts/provision.ts';
import { Captured, run } from '../support/run-command.ts';
import { WORKER } from '../support/samples.ts';

const STEPS: readonly Step<'one' | 'two' | 'three'>[] = [
  { name: 'one', mark: '=', what: 'is there', commands: ['never shown'] },
  { name: 'two', mark: '+', what: 'is made\nin two lines', commands: ['make it', 'and this'] },
  { name: 'three', mark: '·', what: 'is waited for', commands: [] },
];

describe('a plan', () => {
  it('shows its command lines to --dry-run, and none of what is there', () => {
    expect(renderPlan({ steps: STEPS, notes: ['mind'] }, true)).toBe(`= one    is there
+ two    is made
         in two lines
         $ make it
         $ and this
· three  is waited for
note: mind
`);
  });

  it('changes something or not', () => {
    expect([changes(STEPS), changes(STEPS.filter(({ mark }) => mark !== '+'))]).toEqual([true, false]);
  });

  it('is done in its order, without what is there', async () => {
    const done: string[] = [];
    const stderr = new Captured();
    const action = (name: string) => async () => {
      done.push(name);
      return name === 'two' ? 'well' : undefined;
    };
    await runSteps(STEPS, { one: action('one'), two: action('two'), three: action('three') }, () => 'again', {
      stderr: createSink(stderr),
    });
    expect(done).toEqual(['two', 'three']);
    expect(stderr.text).toBe('two: is made\ntwo: well\nthree: is waited for\n');
  });

  it.each([
    [
      new CliError('no', { exitCode: 124, hints: ['a'] }),
      'no',
      ['a', 'then type it again, it goes on from here: again'],
      124,
    ],
    [new InterruptedError('x', 143), 'interrupted at: two; it can be typed again: again', [], 143],
  ])(
    'that fails says how to go on, and gives up what it holds: %s',
    async (error, message, hints, exitCode) => {
      let gaveUp = 0;
      const action = async () => {
        throw error;
      };
      const failed = runSteps(
        STEPS,
        { one: action, two: action, three: action },
        () => 'again',
        { stderr: createSink(new Captured()) },
        async () => {
          gaveUp += 1;
        },
      );
      await expect(failed).rejects.toMatchObject({ message, hints, exitCode });
      expect(gaveUp).toBe(1);
    },
  );
});

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
    await expect(writeChange(change)).rejects.toThrow('has changed meanwhile');
  });
});
