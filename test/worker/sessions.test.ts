import { describe, expect, it } from 'vitest';
import {
  chooseSession,
  describeSession,
  isActive,
  parseSessions,
  parseStageName,
  renderSessions,
  type Session,
  shortNames,
  workSessions,
} from '../../scripts/lib/worker/sessions.ts';
import { CLOCK } from './samples.ts';

const line = (name: string, activity = CLOCK, dead = '', code = '', pane = '%1') =>
  [name, activity, CLOCK - 100, 0, dead === '' ? 0 : dead, code, pane].join('\t');
const sessions = (...names: string[]) => parseSessions(names.map((name) => line(name)).join('\n'));
const only = (text: string) => parseSessions(text)[0] as Session;

describe('the sessions of a worker', () => {
  it('are one for each name, with the last output of any window', () => {
    const text = [line('a', CLOCK - 50), line('a', CLOCK - 5), line('a', CLOCK - 70), line('b', CLOCK)].join(
      '\n',
    );
    expect(parseSessions(text).map(({ name, activityAt }) => [name, activityAt])).toEqual([
      ['a', CLOCK - 5],
      ['b', CLOCK],
    ]);
  });

  it.each(['with space', 'it’s', `it's "quoted"`, 'a_b', 'ünïcode', '#{x}', '%H', '$1', '-x'])(
    'may be called %s',
    (name) => {
      expect(sessions(name)[0]?.name).toBe(name);
    },
  );

  it('have exited with the pane that they were made with, not with another', () => {
    const dead = line('a', CLOCK, '1', '3', '%7');
    expect(only(`${line('a', CLOCK, '', '', '%12')}\n${dead}`).exited).toBe(3);
    expect(only(`${dead}\n${line('a', CLOCK, '', '', '%12')}`).exited).toBe(3);
    expect(only(`${dead}\n${line('a', CLOCK, '', '', '%2')}`).exited).toBeNull();
  });

  it('are none for an empty answer', () => expect(parseSessions('')).toEqual([]));

  it.each([
    ['23-qa-1', { issue: 23, stage: 'qa', attempt: 1 }],
    ['23-qa-1-fix-2', { issue: 23, stage: 'qa', attempt: 1 }],
    ['7-code-review-12', { issue: 7, stage: 'code-review', attempt: 12 }],
    ['7-stage-2-1', { issue: 7, stage: 'stage-2', attempt: 1 }],
    ['orchestrator', null],
    ['23-qa', null],
    ['triage-23-qa', null],
    ['x23-qa-1', null],
    ['23-qa-1-fix-', null],
  ])('%s tells of its stage: %j', (name, stage) => {
    expect(parseStageName(name)).toEqual(stage);
  });

  it.each([
    [0, 'active - last output 0s ago', true],
    [30, 'active - last output 30s ago', true],
    [59, 'active - last output 59s ago', true],
    [60, 'idle - last output 60s ago', false],
    [7200, 'idle - last output 2h ago', false],
    [-86_400, 'active - last output 0s ago', true],
  ])('%i s after their last output are described in these words', (ago, text, active) => {
    const session = only(line('23-qa-1', CLOCK - ago));
    expect(describeSession(session, CLOCK)).toBe(text);
    expect(isActive(session, CLOCK)).toBe(active);
  });

  it('whose program has ended say with what, also before tmux knows', () => {
    expect(describeSession(only(line('a', CLOCK, '1', '2')), CLOCK)).toBe('exited with 2');
    expect(describeSession(only(line('a', CLOCK, '1', '')), CLOCK)).toBe('exited');
    expect(isActive(only(line('a', CLOCK, '1', '')), CLOCK)).toBe(false);
  });

  it('are listed with the orchestrator first, then stages, and the boot only while it is all there is', () => {
    const names = (...given: string[]) => workSessions(sessions(...given)).map(({ name }) => name);
    expect(names('zsh', 'boot', '23-qa-1', 'orchestrator', '22-qa-1')).toEqual([
      'orchestrator',
      '22-qa-1',
      '23-qa-1',
      'zsh',
    ]);
    expect(names('boot')).toEqual(['boot']);
  });

  it('have short names where those say enough', () => {
    const names = (...given: string[]) => shortNames(sessions(...given));
    expect(names('orchestrator', '23-qa-1')).toEqual(['orchestrator', 'qa']);
    expect(names('22-qa-1', '23-qa-1', '23-docs-1')).toEqual(['22-qa-1', '23-qa-1', 'docs']);
    expect(names('qa', '23-qa-1')).toEqual(['qa', '23-qa-1']);
  });

  it('are numbered for people', () => {
    expect(
      renderSessions(
        parseSessions(`${line('orchestrator', CLOCK - 90)}\n${line('23-qa-1', CLOCK - 30)}`),
        CLOCK,
      ),
    ).toBe(
      'Available sessions:\n  1. orchestrator  (idle - last output 90s ago)\n  2. 23-qa-1       (active - last output 30s ago)\n',
    );
  });
});

describe('the session a person means', () => {
  const given = sessions(
    'orchestrator',
    '4-build-1',
    '42-build-1',
    '42-qa-1-fix-1',
    'docs',
    '9-docs-1',
    'a b',
  );

  it.each([
    ['orchestrator', 'orchestrator'],
    ['4-build-1', '4-build-1'],
    ['qa', '42-qa-1-fix-1'],
    ['docs', 'docs'],
    ['a b', 'a b'],
  ])('%s is %s', (wanted, name) => {
    expect(chooseSession(given, wanted).name).toBe(name);
  });

  it.each([
    ['a stage of two', 'build', /several sessions are at stage build/, /give one of: 4-build-1, 42-build-1/],
    ['a prefix, which tmux would take', '42-b', /there is no session 42-b/, /sessions now: orchestrator, /],
    ['a prefix of the orchestrator', 'orch', /there is no session orch/, /did you mean orchestrator\?/],
    ['a slip', 'quality', /there is no session quality/, /sessions now/],
    ['nothing', '', /there is no session/, /sessions now/],
  ])('%s is no session: exit 2 with the candidates', (_, wanted, message, hint) => {
    const choose = () => chooseSession(given, wanted);
    expect(choose).toThrow(message);
    expect(choose).toThrow(
      expect.objectContaining({ exitCode: 2, hints: expect.arrayContaining([expect.stringMatching(hint)]) }),
    );
  });

  it('is none where there are none', () => {
    expect(() => chooseSession([], 'qa')).toThrow(
      expect.objectContaining({ hints: ['the worker has no sessions now'] }),
    );
  });

  it('among 500 is named without printing all of them', () => {
    const many = sessions(...Array.from({ length: 500 }, (_, n) => `${n + 1}-qa-1`));
    try {
      chooseSession(many, 'nope');
      expect.unreachable();
    } catch (error) {
      expect((error as { hints: string[] }).hints.join('').length).toBeLessThan(1_000);
    }
  });
});
