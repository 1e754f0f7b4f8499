/** Two laptops at the same moment. */
import { expect, it } from 'vitest';
import { Operator } from './operator.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import { assertSound, inWorker, queueOf } from './worker.ts';

const ROUNDS = Number(process.env['E2E_ROUNDS'] || 50);
const { worker } = useSite('fwc-race');
const operators = ['ann', 'ben'].map((laptop) => Operator.of([worker], { laptop }));

it(
  `${ROUNDS} rounds: the same issue once, a different one from each, nothing lost and nothing twice`,
  async () => {
    const expected: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const same = 1000 + round;
      const answers = await Promise.all(
        operators.map((operator, index) =>
          operator.dispatch(worker, `${same},${2000 + round * 2 + index}`, '-o', 'json'),
        ),
      );
      expected.push(same, 2000 + round * 2, 2001 + round * 2);
      for (const answer of answers) expect(answer).toExitWith(0);
      const outcomes = answers.map(({ stdout }) => {
        const { outcomes: list } = JSON.parse(stdout) as { outcomes: { issue: number; outcome: string }[] };
        return list.find(({ issue }) => issue === same)?.outcome;
      });
      // One has put it there, the other one hears that it is there.
      expect(outcomes.toSorted()).toEqual(['already', 'queued']);
      if (round === 0)
        saw('two laptops dispatch the same issue', answers.map(({ stdout }) => stdout).join(''));
    }
    expect(await queueOf(worker)).toEqual(expected.toSorted((a, b) => a - b));
    await assertSound(worker);
    // No lock is left held, as a server started under one would hold it.
    expect(await inWorker(worker, 'flock --nonblock /root/.factory/worker/locks/queue echo free')).toBe(
      'free\n',
    );
  },
  ROUNDS * 15_000,
);
