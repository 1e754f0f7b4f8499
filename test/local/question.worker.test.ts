/** A question that outlasts every limit of `factory`, with the stand-in for claude, in dialects A and B. */
import { describe, expect, it } from 'vitest';
import { answer } from '../../scripts/answer.ts';
import { stopLocalWorker } from '../../scripts/lib/local/stop.ts';
import { run } from '../support/run-command.ts';
import { laptopOf } from './interrupted-queue.ts';
import { makeAskingWorker, playQuestion } from './question.ts';
import { until } from './worker.ts';

describe.concurrent.each(['a', 'b'] as const)('an agent that asks, dialect %s', (dialect) => {
  it('gets its answer after every limit has passed', { timeout: 240_000 }, async (test) => {
    await playQuestion(makeAskingWorker(test, dialect));
  });

  it('of a worker that is stopped asks again after its start', { timeout: 240_000 }, async (test) => {
    const worker = makeAskingWorker(test, dialect);
    const laptop = laptopOf(worker);
    const asked = async () => (await run(answer, ['w1'], laptop)).stdout;
    await worker.start();
    await worker.add(9);
    await until('the check-in is stopped', () => worker.heartbeat()?.asks === '9-implement-1');
    expect(await stopLocalWorker(worker.dir)).toEqual({ wasRunning: true, swept: 0 });
    expect(worker.log()).toMatch(/stop end the check-in \S+: ended in the middle of a stage/);
    await worker.start();
    await until('the question', asked, (seen) => seen.includes('Which colour?'));
    expect(await run(answer, ['w1', '--choice', '1'], laptop)).toMatchObject({ code: 0, stderr: '' });
    await until(
      'completed',
      () => worker.rows(),
      ([row]) => row?.status === 'completed',
    );
  });
});
