/** From what was found to candidates. */
import { describe, expect, it } from 'vitest';
import {
  issueCandidates,
  parseProgramAnswer,
  sessionCandidates,
} from '../../scripts/lib/completion/candidates.ts';
import { parseSessions } from '../../scripts/lib/worker/sessions.ts';
import type { Snapshot } from '../../scripts/lib/worker/snapshot.ts';
import { pipelinesJson, queueJson, snapshot as worker } from '../worker/samples.ts';

describe('sessions', () => {
  const snapshot = (...names: string[]) =>
    ({
      now: 1_000,
      sessions: parseSessions(names.map((name) => `${name}\t900\t100\t0\t0\t\n`).join('')),
    }) as unknown as Snapshot;

  it('go by their stage too, unless two are at it', () => {
    const words = sessionCandidates(snapshot('23-qa-1', '24-qa-1', '25-implement-1'), '--session=');
    expect(words.map(({ value }) => value)).toEqual([
      '--session=23-qa-1',
      '--session=24-qa-1',
      '--session=25-implement-1',
      '--session=implement',
    ]);
    expect(words[0]?.description).toBe('idle - last output 100s ago');
  });
});

describe('issues', () => {
  it('that need work come first, with what they are at', () => {
    const seen = worker({
      queue: queueJson([22, 'completed'], [23, 'active']),
      pipelines: pipelinesJson({ issue: 23, status: 'blocked' }),
    });
    expect(issueCandidates(seen, '')).toEqual([
      { value: '23', description: 'demo#23 blocked: intent 23' },
      { value: '22', description: 'demo#22 completed: intent 22' },
    ]);
  });
});

describe('the answer of a program built with cobra', () => {
  it.each([
    ['a\tfirst\nb\n:4\n', ['a', 'b'], false],
    [':0\n', [], true],
    ['a\n:2\n', ['a'], true],
    ['a\n:1\n', [], true],
    ['a\n:5\n', [], true],
    ['Error: unknown command "__complete" for "factory"\n', [], true],
    ['', [], true],
  ])('%j', (text, words, files) => {
    const answer = parseProgramAnswer(text);
    expect(answer.candidates.map(({ value }) => value)).toEqual(words);
    expect(answer.files).toBe(files);
  });
});
