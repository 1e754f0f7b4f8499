import { describe, expect, it } from 'vitest';
import type { AgentRecord } from '../../../image/supervisor/account/agents.ts';
import {
  type Asking,
  holdsWriteLock,
  mayChange,
  planQuestion,
} from '../../../image/supervisor/loop/question.ts';
import { pipeline } from './factory-samples.ts';

const NOW = Date.parse('2026-11-22T15:00:00Z');
const agent = (status: string, overrides: Partial<AgentRecord> = {}): AgentRecord => ({
  pid: 23395,
  procStart: '229778',
  sessionId: 'c1bdb925-4b24-4975-9c0c-16fd8640e3aa',
  tmux: '42-build-1:@0.%0',
  status,
  startedAt: NOW - 60_000,
  statusUpdatedAt: NOW - 1_000,
  ...overrides,
});
const WORKS = pipeline(42, { sessionState: 'active' });
const running = (...agents: AgentRecord[]): Asking => ({ stopped: false, session: null, agents });
const stopped = (...agents: AgentRecord[]): Asking => ({ stopped: true, session: '42-build-1', agents });

describe('a check-in that runs', () => {
  it('is stopped when its agent waits for an answer', () => {
    const asking = running(agent('waiting'));
    expect(mayChange(asking)).toBe(true);
    expect(planQuestion(asking, [pipeline(41, { status: 'completed' }), WORKS], NOW)).toBe(WORKS);
  });

  it('also when tmux has changed the name of the session', () => {
    const dotted = pipeline(42, { session: '42-v1.2-1', sessionState: 'active' });
    expect(planQuestion(running(agent('waiting', { tmux: '42-v1_2-1:@0.%0' })), [dotted], NOW)).toBe(dotted);
  });

  it.each<[string, Asking]>([
    ['the agent works', running(agent('busy'))],
    ['the agent has ended its turn', running(agent('idle'))],
    ['there is no agent', running()],
  ])('goes on while %s, without asking the operator', (_case, asking) => {
    expect(mayChange(asking)).toBe(false);
    expect(planQuestion(asking, [WORKS], NOW)).toBeNull();
  });

  it.each<[string, Parameters<typeof pipeline>[1]]>([
    ['its agent has ended its turn, and a person opens a dialog', { sessionState: 'idle' }],
    ['another session asks', { session: '42-build-2', sessionState: 'active' }],
    ['the stage of that session has ended', { status: 'completed', sessionState: 'active' }],
  ])('goes on when %s', (_case, overrides) => {
    expect(planQuestion(running(agent('waiting')), [pipeline(42, overrides)], NOW)).toBeNull();
  });
});

describe('a check-in that is stopped', () => {
  it('stays so while the agent waits, without asking the operator', () => {
    expect(mayChange(stopped(agent('waiting')))).toBe(false);
    expect(planQuestion(stopped(agent('waiting')), [WORKS], NOW)).toBeNull();
  });

  it('and while it works with the answer: the time-out of the stage would hit it', () => {
    expect(mayChange(stopped(agent('busy')))).toBe(true);
    expect(planQuestion(stopped(agent('busy')), [WORKS], NOW)).toBeNull();
  });

  it.each(['idle', 'exited'])('goes on when factory knows the session as %s', (sessionState) => {
    expect(planQuestion(stopped(agent('idle')), [pipeline(42, { sessionState })], NOW)).toBe('go-on');
  });

  it('does not go on before the hook has told the end, and does when it never will', () => {
    expect(planQuestion(stopped(agent('idle')), [WORKS], NOW)).toBeNull();
    const long = agent('idle', { statusUpdatedAt: NOW - 30_000 });
    expect(planQuestion(stopped(long), [WORKS], NOW)).toBe('go-on');
  });

  it('leaves an agent that was killed to the one who ends the check-in', () => {
    expect(planQuestion(stopped(), [WORKS], NOW)).toBeNull();
    expect(planQuestion(stopped(), [pipeline(42, { sessionState: 'human_input' })], NOW)).toBe('go-on');
  });

  it('goes on when its stage was given up', () => {
    expect(planQuestion(stopped(), [pipeline(42, { status: 'failed' })], NOW)).toBe('go-on');
  });

  it('is not kept by a question in another session', () => {
    const other = agent('waiting', { tmux: '43-build-1:@1.%1' });
    expect(mayChange(stopped(other))).toBe(true);
    const done = pipeline(42, { sessionState: 'idle' });
    expect(planQuestion(stopped(other), [done, pipeline(43, { sessionState: 'active' })], NOW)).toBe('go-on');
  });

  it('is judged by all stages at work when it is unknown which one asked', () => {
    const adopted = { ...stopped(agent('waiting')), session: null };
    expect(mayChange(adopted)).toBe(true);
    expect(planQuestion(adopted, [WORKS], NOW)).toBeNull();
    expect(planQuestion({ ...adopted, agents: [] }, [pipeline(42, { sessionState: 'idle' })], NOW)).toBe(
      'go-on',
    );
  });
});

it('tells who writes to a database', () => {
  const locks = `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF
2: POSIX  ADVISORY  READ  4712 08:01:1235 124 124
3: POSIX  ADVISORY  WRITE 4713 08:01:1235 120 120
3: -> POSIX  ADVISORY  WRITE 4714 08:01:1235 120 120
`;
  const found = [471, 4711, 4712, 4713, 4714].filter((pid) => holdsWriteLock(locks, pid));
  expect(found).toEqual([4713]);
});
