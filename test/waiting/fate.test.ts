import { describe, expect, it } from 'vitest';
import { fates } from '../../scripts/lib/waiting/waiting.ts';
import { heldHeartbeat, type Parts, pipelinesJson, queueJson, snapshot } from '../worker/samples.ts';

const waiting = JSON.stringify([
  { Issue: 1, Status: 'failed' },
  { Issue: 23, Status: 'pending', DependsOn: [1] },
]);

describe('an issue that is waited for', () => {
  it.each<[string, Parts, unknown]>([
    ['waits', { queue: queueJson([23, 'pending']) }, { kind: 'open', stage: null }],
    [
      'is worked on',
      { queue: queueJson([23, 'active']), pipelines: pipelinesJson({ issue: 23, stage: 'qa' }) },
      { kind: 'open', stage: 'qa' },
    ],
    ['is completed', { queue: queueJson([23, 'completed']) }, { kind: 'completed' }],
    [
      'is completed, and its row was cleaned away',
      { pipelines: pipelinesJson({ issue: 23, status: 'completed' }) },
      { kind: 'completed' },
    ],
    [
      'is completed, and its row does not say so',
      {
        queue: queueJson([23, 'active']),
        pipelines: pipelinesJson({ issue: 23, status: 'completed' }),
      },
      { kind: 'completed' },
    ],
    [
      'is blocked, and run again when claude’s account works',
      {
        heartbeat: heldHeartbeat({ sessions: ['23-qa-1'] }),
        queue: queueJson([23, 'active']),
        pipelines: pipelinesJson({ issue: 23, status: 'blocked', stage: 'qa', session: '23-qa-1' }),
      },
      { kind: 'open', stage: 'qa' },
    ],
    ['has failed', { queue: queueJson([23, 'failed']) }, { kind: 'lost', reason: 'has failed' }],
    [
      'was given up by hand, which leaves its row active',
      {
        queue: queueJson([23, 'active']),
        pipelines: pipelinesJson({ issue: 23, status: 'failed', stage: 'qa' }),
      },
      { kind: 'lost', reason: 'has failed at stage qa' },
    ],
    [
      'is blocked',
      {
        queue: queueJson([23, 'active']),
        pipelines: pipelinesJson({ issue: 23, status: 'blocked', stage: 'qa' }),
      },
      { kind: 'lost', reason: 'is blocked at stage qa' },
    ],
    [
      'was taken out',
      { queue: queueJson([24, 'pending']) },
      { kind: 'lost', reason: 'was taken out of the queue' },
    ],
    [
      'waits for one that has failed',
      { queue: waiting },
      { kind: 'lost', reason: 'waits for #1, which has failed' },
    ],
    [
      'is held up by a rate limit',
      { queue: queueJson([23, 'active']), pipelines: pipelinesJson({ issue: 23, status: 'rate_limited' }) },
      { kind: 'open', stage: 'build' },
    ],
  ])('%s', (_, parts, fate) => {
    expect(fates(snapshot(parts))(23)).toEqual(fate);
  });
});
