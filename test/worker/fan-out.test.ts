import { describe, expect, it } from 'vitest';
import { CliError } from '../../scripts/lib/cli/errors.ts';
import { fanOut, guarded } from '../../scripts/lib/worker/fan-out.ts';

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('several at once', () => {
  it('gives results in the order of the items and tells each as it comes', async () => {
    const told: string[] = [];
    const gates = { last: gate(), first: gate(), middle: gate() };
    const results = fanOut(
      ['last', 'first', 'middle'] as const,
      3,
      (name) => gates[name].opened.then(() => name),
      (name) => told.push(name),
    );
    for (const name of ['first', 'middle', 'last'] as const) {
      gates[name].open();
      await new Promise(setImmediate);
    }
    expect(await results).toEqual(['last', 'first', 'middle']);
    expect(told).toEqual(['first', 'middle', 'last']);
  });

  it('are never more than allowed, and never fewer than possible', async () => {
    let running = 0;
    let most = 0;
    await fanOut(Array.from({ length: 20 }), 4, async () => {
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      running--;
    });
    expect(most).toBe(4);
  });

  it('of nothing is nothing', async () => expect(await fanOut([], 8, async () => 1)).toEqual([]));

  it('fail with the first failure, without waiting for the rest', async () => {
    const slow = fanOut([1, 2], 2, async (n) => {
      if (n === 1) throw new Error('no');
      await new Promise(() => {});
    });
    await expect(slow).rejects.toThrow('no');
  });

  it('begin nothing new after a failure', async () => {
    const begun: number[] = [];
    const second = gate();
    const some = fanOut([1, 2, 3, 4], 2, async (n) => {
      begun.push(n);
      if (n === 1) throw new Error('no');
      await second.opened;
    });
    await expect(some).rejects.toThrow('no');
    second.open();
    // A third would begin in the turn in which the second ends.
    await new Promise(setImmediate);
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
