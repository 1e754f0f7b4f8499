import { expect, it } from 'vitest';
import { type Miss, outagesOf } from '../../scripts/lib/health/outages.ts';
import type { EventKind, WatchEvent } from '../../scripts/lib/watching/events.ts';
import { fold } from '../../scripts/lib/watching/events.ts';
import { WORKER } from '../support/samples.ts';

const miss = (name: string, context: string, reason: string | null): Miss => ({
  worker: { ...WORKER, name, context },
  status: 'unreachable',
  reason,
  next: ['test it'],
});
const event = (worker: string, kind: EventKind, subject: string, text: string): WatchEvent => ({
  at: 'now',
  worker,
  event: kind,
  subject,
  text,
  next: [],
});
const lost = (worker: string) => event(worker, 'worker-trouble', 'unreachable', `unreachable: ${worker}`);
const shown = (events: readonly WatchEvent[]) => events.map(({ worker, text }) => `${worker} ${text}`);

it('is one event for the workers that one cluster’s failure hits', () => {
  const outages = outagesOf([
    ...['a', 'b', 'c'].map((name) => miss(name, 'prod', 'connection refused')),
    miss('d', 'other', 'connection refused'),
    miss('e', 'prod', null),
  ]);
  const blocked = event('a', 'issue-blocked', '#1', '#1 is blocked');
  const events = fold([lost('a'), blocked, lost('b'), lost('d'), lost('c'), lost('e')], outages);
  expect(shown(events)).toEqual([
    '3 workers unreachable (context prod, namespace factory): connection refused',
    'a #1 is blocked',
    'd unreachable: d',
    'e unreachable: e',
  ]);
  expect(events[0]?.workers).toEqual(['a', 'b', 'c']);
});

it('is one event when they are back', () => {
  const back = (name: string) =>
    event(name, 'worker-recovered', 'running', 'running again; it was unreachable');
  expect(shown(fold([back('a'), back('b')], []))).toEqual(['2 workers running again; they were unreachable']);
  expect(shown(fold([back('a')], []))).toEqual(['a running again; it was unreachable']);
});
