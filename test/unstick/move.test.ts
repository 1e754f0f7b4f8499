/** The order of the rows that wait: which of them have to be added again. */
import { describe, expect, it } from 'vitest';
import { describeMove, parseMove, planMove } from '../../scripts/lib/unstick/move.ts';
import { frame, queueJson, RUNNING, snapshot } from '../worker/samples.ts';

const queue = queueJson([20, 'active'], [21, 'pending'], [22, 'pending'], [23, 'pending'], [9, 'completed']);
const plan = (issues: readonly number[], before: number | null, json = queue) =>
  planMove(snapshot({ queue: json }), { issues, before, worker: 'w' });

describe('a move', () => {
  it.each([
    [[23], null, [23, 21, 22], [21, 22], 'demo#23 comes next, before demo#21'],
    [[22], null, [22, 21, 23], [21, 23], 'demo#22 comes next, before demo#21'],
    [[23], 22, [21, 23, 22], [22], 'demo#23 comes earlier, before demo#22'],
    [[23, 22], null, [23, 22, 21], [22, 21], 'demo#23 and demo#22 come next, before demo#21'],
    [[21], 23, [22, 21, 23], [21, 23], 'demo#21 comes earlier, before demo#23'],
    [[21], null, [21, 22, 23], [], 'demo#21 comes next, before demo#22'],
    [[22], 23, [21, 22, 23], [], 'demo#22 comes earlier, before demo#23'],
  ])('of %j before %j: %j, for which %j are added again', (issues, before, order, again, says) => {
    const made = plan(issues, before);
    expect(made.order.map(({ issue }) => issue)).toEqual(order);
    expect(made.again.map(({ issue }) => issue)).toEqual(again);
    expect(describeMove(issues, made)).toBe(says);
  });

  it.each([
    [[99], null, '#99 is not in the queue of w'],
    [[20], null, 'demo#20 is active: only rows that wait have an order'],
    [[21], 9, 'demo#9 is completed: only rows that wait have an order'],
    [[21], 21, '#21 cannot be before itself'],
  ])('of %j before %j is refused: %s', (issues, before, message) => {
    expect(() => plan(issues, before)).toThrow(expect.objectContaining({ exitCode: 2, message }));
  });

  it('is refused where factory could not tell two rows apart', () => {
    expect(() => plan([22], null, queueJson([21, 'completed'], [21, 'pending'], [22, 'pending']))).toThrow(
      '#21 is in the queue twice',
    );
  });
});

describe('what the worker says', () => {
  const parse = (parts: Parameters<typeof frame>[0]) => () =>
    parseMove(frame({ ...RUNNING, ...parts }), 'AGAIN');
  it.each([
    [{ busy: { rc: 1, text: 'held' } }, 'nothing was changed: held'],
    [{ changed: { rc: 1, text: '' } }, 'nothing was changed: other rows wait by now'],
    [{ moved: { rc: 1, text: 'Error: the disk is full\n' } }, 'not every row was moved: the disk is full'],
    [{}, 'not every row was moved: no answer'],
  ])('%j', (parts, message) => expect(parse(parts)).toThrow(message));

  it('is the queue afterwards', () => {
    expect(parse({ moved: '', queue })().queue).toHaveLength(5);
  });
});
