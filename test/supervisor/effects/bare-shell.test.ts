import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isBareShell } from '../../../image/supervisor/effects/bare-shell.ts';
import { fakeFiles } from '../fakes.ts';

const PROCESS = '/proc/7';

const pane = (words: string[], foreground: number) =>
  isBareShell(
    7,
    fakeFiles({
      [join(PROCESS, 'cmdline')]: words.map((word) => `${word}\0`).join(''),
      [join(PROCESS, 'stat')]: `7 (b) (sh) S 1 7 7 34816 ${foreground} 4194304`,
    }),
  );

it.each([[['-bash']], [['/bin/bash', '--login']], [['sh']], [['zsh', '-i']]])(
  'the shell %j waits for a command',
  (words) => {
    expect(pane(words, 7)).toBe(true);
  },
);

it.each<[string, string[], number]>([
  ['its agent runs', ['-bash'], 9],
  ['it is an agent that is a script', ['bash', '/usr/bin/claude'], 7],
  ['it runs a command line', ['bash', '-c'], 7],
  ['it is another program', ['tail', '-F'], 7],
])('not when %s', (_case, words, foreground) => {
  expect(pane(words, foreground)).toBe(false);
});

it('what has ended is none', () => {
  expect(isBareShell(7, fakeFiles())).toBe(false);
});
