/** Plans as they are printed and run. */
import { describe, expect, it } from 'vitest';
import { CliError, InterruptedError } from '../scripts/lib/cli/errors.ts';
import { createSink } from '../scripts/lib/cli/sink.ts';
import { action, changes, type Run, renderPlan, runSteps, step } from '../scripts/lib/plan.ts';
import { Captured } from './support/run-command.ts';

/** @param run what each step does, by its name */
const stepsThat = (run: (name: string) => Run) => [
  step('one', '=', 'is there', action(run('one'), 'never shown')),
  step('two', '+', 'is made\nin two lines', action(run('two'), 'make it'), action(run('and'), 'and this')),
  step('three', '·', 'is waited for', action(run('three'))),
];
const STEPS = stepsThat(() => async () => undefined);

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
    const steps = stepsThat((name) => async () => {
      done.push(name);
      return name === 'two' ? 'well' : undefined;
    });
    await runSteps(steps, () => 'again', { stderr: createSink(stderr) });
    expect(done).toEqual(['two', 'and', 'three']);
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
      const steps = stepsThat(() => async () => {
        throw error;
      });
      const failed = runSteps(
        steps,
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
