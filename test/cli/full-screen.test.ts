import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type FullScreen, fullScreen } from '../../scripts/lib/cli/full-screen.ts';
import { createSink } from '../../scripts/lib/cli/sink.ts';
import { Captured } from '../support/run-command.ts';

/** What is written by each of some actions on a screen of its own. */
async function written(...actions: ((screen: FullScreen) => unknown)[]): Promise<string[]> {
  const stream = new Captured(true);
  const stdout = createSink(stream);
  const texts: string[] = [];
  await fullScreen(
    { stdin: new PassThrough() as unknown as NodeJS.ReadStream, stdout },
    () => {},
    async (screen) => {
      for (const action of actions) {
        const before = stream.text.length;
        await action(screen);
        texts.push(stream.text.slice(before));
      }
    },
  );
  return texts;
}

describe('lines on the whole screen', () => {
  it('are written where they changed, and nowhere else', async () => {
    const [first, second, same, fewer] = await written(
      (screen) => screen.draw(['a', 'b', 'c']),
      (screen) => screen.draw(['a', 'x', 'c']),
      (screen) => screen.draw(['a', 'x', 'c']),
      (screen) => screen.draw(['a']),
    );
    expect(first).toBe('\u001b[1;1H\u001b[2Ka\u001b[2;1H\u001b[2Kb\u001b[3;1H\u001b[2Kc');
    expect(second).toBe('\u001b[2;1H\u001b[2Kx');
    expect(same).toBe('');
    expect(fewer).toBe('\u001b[2;1H\u001b[J');
  });

  it('are all written on a screen that was cleared, or lent', async () => {
    const draw = (screen: FullScreen) => screen.draw(['a']);
    const [first, , cleared, , lent] = await written(
      draw,
      (screen) => screen.clear(),
      draw,
      (screen) => screen.lend(async () => draw(screen)),
      draw,
    );
    expect([cleared, lent]).toEqual([first, first]);
  });

  it('are not written while it is lent', async () => {
    const [text] = await written((screen) => screen.lend(async () => screen.draw(['a'])));
    expect(text).not.toContain('a\u001b');
    expect(text).toBe('\u001b[0m\u001b[?25h\u001b[?1049l\u001b[?1049h\u001b[?25l\u001b[H\u001b[2J');
  });

  it('have nothing but text and colours in them', async () => {
    const token = `ghp_${'a1B2'.repeat(9)}`;
    const [text] = await written((screen) => screen.draw([`\u001b[31mred\u001b[9A ${token}`]));
    expect(text).toContain('\u001b[31mred ');
    expect(text).not.toContain('\u001b[9A');
    expect(text).not.toContain(token);
  });
});
