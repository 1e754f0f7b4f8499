import { describe, expect, it } from 'vitest';
import { CliError } from '../../scripts/lib/cli/errors.ts';
import { fanOut, guarded } from '../../scripts/lib/worker/fan-out.ts';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('several at once', () => {
  it('gives results in the order of the items and tells each as it comes', async () => {
    const told: number[] = [];
    const results = await fanOut(
      [30, 1, 15],
      3,
      (ms) => sleep(ms).then(() => ms),
      (result) => told.push(result),
    );
    expect(results).toEqual([30, 1, 15]);
    expect(told).toEqual([1, 15, 30]);
  });

  it('are never more than allowed, and never fewer than possible', async () => {
    let running = 0;
    let most = 0;
    await fanOut(Array.from({ length: 20 }), 4, async () => {
      most = Math.max(most, ++running);
      await sleep(5);
      running--;
    });
    expect(most).toBe(4);
  });

  it('of nothing is nothing', async () => expect(await fanOut([], 8, async () => 1)).toEqual([]));

  it('fail with the first failure, without waiting for the rest', async () => {
    const started = Date.now();
    const slow = fanOut([1, 2], 2, async (n) => {
      if (n === 1) throw new Error('no');
      await sleep(5_000);
    });
    await expect(slow).rejects.toThrow('no');
    expect(Date.now() - started).toBeLessThan(2_000);
  });

  it('begin nothing new after a failure', async () => {
    const begun: number[] = [];
    const some = fanOut([1, 2, 3, 4], 2, async (n) => {
      begun.push(n);
      await sleep(n === 1 ? 5 : 30);
      if (n === 1) throw new Error('no');
    });
    await expect(some).rejects.toThrow('no');
    await sleep(80);
    expect(begun).toEqual([1, 2]);
  });
});

describe('a worker at whose answer we stumble', () => {
  const fail = async (error: unknown) => {
    throw error;
  };

  it('becomes a row that says so, and the others stay as they are', async () => {
    const action = async (name: string) =>
      name === 'odd' ? fail(new TypeError('x is not iterable')) : 'well';
    const rows = await fanOut(
      ['a', 'odd', 'b'],
      2,
      guarded(action, (name, sentence) => `${name}: ${sentence}`),
    );
    expect(rows).toEqual([
      'well',
      expect.stringMatching(
        /^odd: factory-worker failed unexpectedly .* please report this: TypeError: x is not iterable \(at .+\)$/,
      ),
      'well',
    ]);
  });

  it('is not every failure: what was to be expected ends the command', async () => {
    for (const error of [new CliError('no kubectl'), new DOMException('stop', 'AbortError'), 'word']) {
      await expect(guarded(fail, () => 'row')(error)).rejects.toBe(error);
    }
  });
});
