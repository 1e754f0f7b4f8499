import { describe, expect, it } from 'vitest';
import { describeStep, isReached, type Plan, planUnstick } from '../../scripts/lib/unstick/plan.ts';
import { CLOCK, heldHeartbeat, type Parts, pipelinesJson, queueJson, snapshot } from '../worker/samples.ts';

const help = (...flags: string[]) =>
  `postgres=0\n${flags.map((flag) => `      --${flag} string`).join('\n')}`;
const A = { dialect: help('intent') };
const B = { dialect: help('config', 'depends-on', 'intent') };
const session = (name: string, attached = 0) => ({
  sessions: `${name}\t${CLOCK - 5}\t${CLOCK - 60}\t${attached}\t0\t`,
});

const plan = (parts: Parts, giveUp = false) =>
  planUnstick(snapshot({ queue: queueJson([23, 'active']), ...parts }), { issue: 23, worker: 'w', giveUp });
const at = (status: 'blocked' | 'in_progress' | 'pending' | 'completed' | 'failed' | 'rate_limited') => ({
  pipelines: pipelinesJson({ issue: 23, status }),
});
const steps = (found: ReturnType<typeof plan>) =>
  found.kind === 'go' ? found.steps.map(({ argument }) => argument) : found.because;

describe('what is done about #23 when factory leaves it to a person', () => {
  it.each<[string, Parts, readonly string[]]>([
    [
      'B, in progress',
      { ...B, ...at('in_progress'), ...session('23-build-1') },
      ['kill-session 23-build-1', 'retry'],
    ],
    ['B, its session gone', { ...B, ...at('in_progress') }, ['retry']],
    ['B, pending', { ...B, ...at('pending') }, ['retry']],
    [
      'A, pending',
      { ...A, ...at('pending'), ...session('23-build-1') },
      ['kill-session 23-build-1', 'advance'],
    ],
  ])('%s', (_, parts, expected) => {
    const seen = snapshot({ queue: queueJson([23, 'active']), ...parts });
    expect(steps(planUnstick(seen, { issue: 23, worker: 'w', giveUp: false }, true))).toEqual(expected);
  });
});

it('of a stage that is run again by itself nothing is lost: it is left alone, or given up', () => {
  const held = { ...A, ...at('blocked'), heartbeat: heldHeartbeat() };
  expect(plan(held)).toMatchObject({
    kind: 'nothing',
    fine: true,
    because:
      '#23 is run again by itself; until then: token refused: claude does not accept its token, so no work is taken; claude is asked again at 12:05 UTC',
  });
  expect(steps(plan(held, true))).toContain('fail');
});

describe('what is done about #23', () => {
  it.each<[string, Parts, readonly string[]]>([
    ['A, blocked', { ...A, ...at('blocked') }, ['retry', 'advance']],
    [
      'A, blocked, its session left',
      { ...A, ...at('blocked'), ...session('23-build-1') },
      ['kill-session 23-build-1', 'retry', 'advance'],
    ],
    ['A, interrupted', { ...A, ...at('in_progress') }, ['advance']],
    [
      'A, interrupted, its session alive',
      { ...A, ...at('in_progress'), ...session('23-build-1') },
      ['kill-session 23-build-1', 'advance'],
    ],
    [
      'A, its session not in the pipeline',
      {
        ...A,
        pipelines: pipelinesJson({ issue: 23, status: 'in_progress', session: '' }),
        ...session('23-build-1'),
      },
      ['kill-session 23-build-1', 'advance'],
    ],
    [
      'B, its session not in the pipeline',
      {
        ...B,
        pipelines: pipelinesJson({ issue: 23, status: 'pending', session: '' }),
        ...session('23-build-1'),
      },
      ['kill-session 23-build-1'],
    ],
    ['B, blocked', { ...B, ...at('blocked') }, ['retry']],
    ['B, interrupted', { ...B, ...at('in_progress') }, ['exited 23-build-1 build']],
    [
      'B, interrupted, its session alive',
      { ...B, ...at('in_progress'), ...session('23-build-1') },
      ['kill-session 23-build-1', 'exited 23-build-1 build'],
    ],
    [
      'B, interrupted in a stage without a session',
      { ...B, pipelines: pipelinesJson({ issue: 23, session: '' }) },
      ['retry'],
    ],
    [
      'A, a check-in waiting for a session that is gone',
      { ...A, ...at('in_progress'), locks: 'boot=held\ncheck-in=held' },
      ['exited 23-build-1 build', 'await', 'retry', 'advance'],
    ],
    [
      'a number that two projects use',
      { ...B, ...at('completed'), queue: queueJson([23, 'pending']) },
      ['cleanup'],
    ],
    [
      'a session in the way of the next stage',
      { ...A, ...at('pending'), ...session('23-build-1') },
      ['kill-session 23-build-1'],
    ],
  ])('%s', (_, parts, expected) => {
    expect(steps(plan(parts))).toEqual(expected);
  });

  it.each(['blocked', 'in_progress', 'rate_limited', 'pending'] as const)(
    'given up while %s: only fail, which frees the queue',
    (status) => {
      expect(steps(plan({ ...A, ...at(status) }, true))).toEqual(['fail']);
    },
  );

  it('given up while a check-in works on it: its session first', () => {
    const locks = { locks: 'boot=held\ncheck-in=held' };
    expect(steps(plan({ ...A, ...at('in_progress'), ...session('23-build-1'), ...locks }, true))).toEqual([
      'kill-session 23-build-1',
      'exited 23-build-1 build',
      'await',
      'fail',
    ]);
  });

  it.each<[string, Parts, RegExp, boolean]>([
    [
      'no supervisor runs',
      { ...A, ...at('blocked'), locks: 'boot=free\ncheck-in=free' },
      /no supervisor runs in w/,
      false,
    ],
    [
      'a check-in is at work',
      { ...A, ...at('in_progress'), ...session('23-build-1'), locks: 'boot=held\ncheck-in=held' },
      /a check-in is at work on #23/,
      true,
    ],
    [
      'it is completed',
      { ...A, ...at('completed'), queue: queueJson([23, 'completed']) },
      /is completed/,
      true,
    ],
    ['its row is behind', { ...A, ...at('completed') }, /only its row in the queue still says active/, true],
    ['it has failed', { ...A, ...at('failed') }, /has failed/, true],
    ['a limit', { ...B, ...at('rate_limited') }, /tries again by itself/, true],
    ['it has not begun', { ...A, queue: queueJson([23, 'pending']) }, /waits in the queue$/, true],
    [
      'it is behind a blocked one',
      {
        ...A,
        queue: queueJson([22, 'active'], [23, 'pending']),
        pipelines: pipelinesJson({ issue: 22, status: 'blocked' }),
      },
      /behind #22, which is blocked/,
      false,
    ],
    ['it is unknown', { ...A, queue: 'null' }, /there is no #23/, false],
    ['it failed at once', { ...A, queue: queueJson([23, 'failed']) }, /before its work began/, false],
  ])('nothing when %s', (_, parts, because, fine) => {
    const found = plan(parts);
    expect(found).toMatchObject({ kind: 'nothing', fine, because: expect.stringMatching(because) });
  });

  it('says who is attached to what is ended', () => {
    expect(plan({ ...A, ...at('blocked'), ...session('23-build-1', 1) })).toMatchObject({
      attached: '23-build-1',
      standing: 'blocked build 1',
    });
  });

  it('explains every step', () => {
    for (const parts of [
      { ...A, ...at('blocked') },
      { ...B, ...at('in_progress') },
    ]) {
      const found = plan(parts) as Plan;
      for (const step of found.steps) expect(describeStep(step)).toMatch(/^factory .*: \w/);
    }
  });
});

describe('whether it helped', () => {
  const goal = (name: Plan['goal'], parts: Parts) =>
    isReached({ ...(plan({ ...A, ...at('blocked') }) as Plan), goal: name }, snapshot(parts), 23);
  it.each<[Plan['goal'], Parts, boolean]>([
    ['working', at('in_progress'), true],
    ['working', at('blocked'), false],
    ['working', { pipelines: 'null' }, false],
    ['given-up', at('failed'), true],
    ['given-up', at('in_progress'), false],
    ['forgotten', { pipelines: 'null' }, true],
    ['forgotten', at('completed'), false],
  ])('%s: %o is %s', (name, parts, expected) => {
    expect(goal(name, parts)).toBe(expected);
  });
});
