import { describe, expect, it } from 'vitest';
import { createChore } from '../../image/supervisor/util/chore.ts';
import { settle } from './fakes.ts';

describe('a chore', () => {
  it('does not overlap itself, and looks once more when it was asked for meanwhile', async () => {
    const ends: (() => void)[] = [];
    const start = createChore(
      'x',
      () => new Promise((resolve) => void ends.push(resolve)),
      () => {},
    );
    start();
    start();
    start();
    expect(ends).toHaveLength(1);
    ends[0]?.();
    await settle();
    expect(ends).toHaveLength(2);
    ends[1]?.();
    await settle();
    expect(ends).toHaveLength(2);
    start();
    expect(ends).toHaveLength(3);
  });

  it('complains once about what goes wrong every time, and again after it was well', async () => {
    let trouble: string | null = 'disk full';
    const lines: string[] = [];
    const start = createChore(
      'recording',
      () => {
        if (trouble !== null) throw new Error(trouble);
      },
      (line) => void lines.push(line),
    );
    const beat = async (now: string | null) => {
      trouble = now;
      start();
      await settle();
    };
    for (const now of ['disk full', 'disk full', 'read-only', null, 'read-only']) await beat(now);
    expect(lines).toEqual(['recording: disk full', 'recording: read-only', 'recording: read-only']);
  });
});
