import { describe, expect, it } from 'vitest';
import { chooseLeastLoaded } from '../../scripts/lib/dispatch/auto.ts';
import type { Observation } from '../../scripts/lib/health/observe.ts';
import type { Status } from '../../scripts/lib/worker/status.ts';
import { type Parts, pipelinesJson, queueJson, snapshot } from '../worker/samples.ts';

function worker(
  name: string,
  parts: Parts | null,
  fields: { status?: Status; problems?: number } = {},
): Observation {
  const { status = parts === null ? 'unreachable' : 'running', problems = 0 } = fields;
  return {
    worker: { runtime: 'local', name, home: `/${name}` },
    status,
    problems: Array.from({ length: problems }, () => ({
      id: 'x',
      severity: 'warning',
      status: null,
      cause: 'something',
      evidence: [],
      next: [],
    })),
    pod: null,
    snapshot: parts === null ? null : snapshot(parts),
    lastSeen: null,
  };
}
const rows = (...issues: number[]) => ({
  queue: queueJson(...issues.map((issue) => [issue, 'pending'] as const)),
});
const choose = (...observations: Observation[]) => {
  const { worker: chosen, because } = chooseLeastLoaded(observations, 'demo', [23]);
  return [chosen.name, because];
};

describe('dispatch auto chooses', () => {
  it('the one with the fewest open issues', () => {
    expect(choose(worker('a', rows(1, 2)), worker('b', rows(3)), worker('c', rows(4, 5, 6)))).toEqual([
      'b',
      'b: it has 1 open issue; a has 2, c has 3',
    ]);
  });

  it('finished rows do not count, what is worked on without a row does', () => {
    const finished = { queue: queueJson([1, 'completed'], [2, 'failed']) };
    expect(choose(worker('a', { pipelines: pipelinesJson({ issue: 9 }) }), worker('b', finished))[0]).toBe(
      'b',
    );
  });

  it('of equals the one that nothing is wrong with, then the first', () => {
    expect(choose(worker('a', {}, { problems: 1 }), worker('b', {}), worker('c', {}))[0]).toBe('b');
  });

  it.each<[string, Observation]>([
    ['drained', worker('a', {}, { status: 'drained' })],
    ['draining', worker('a', {}, { status: 'draining' })],
    ['stuck', worker('a', {}, { status: 'stuck' })],
    ['out of reach', worker('a', null)],
    ['without the clone', worker('a', { clones: 'other\tu' })],
    [
      'with that number in another project',
      worker('a', { ...rows(23), dispatches: '{"issue":23,"project":"other"}' }),
    ],
    ['whose queue cannot be read', worker('a', { queue: { rc: 1, text: '' } })],
  ])('none that is %s', (_, unfit) => {
    expect(choose(unfit, worker('b', rows(1, 2)))).toEqual([
      'b',
      'b: it has 2 open issues; the only one of 2 that can take demo',
    ]);
    expect(() => choose(unfit)).toThrow('no worker can take demo now; nothing was queued');
  });

  it('the one that has the issue already, whatever its load', () => {
    expect(choose(worker('a', {}), worker('b', rows(1, 2, 23), { status: 'stuck' }))).toEqual([
      'b',
      'b: it has demo#23 already',
    ]);
  });

  it('none while one that cannot be asked was last seen with the issue', () => {
    const lost = {
      ...worker('a', null),
      lastSeen: { schema: 1, at: '2026-03-02T12:00:00Z', items: [{ name: 'demo#23', stage: null }] },
    };
    expect(() => choose(lost, worker('b', {}))).toThrow(/a cannot be reached.*nothing was queued/);
  });
});
