import { describe, expect, it } from 'vitest';
import { findPrompt } from '../../scripts/lib/claude/prompts.ts';
import { readScreen } from '../../scripts/lib/claude/screen.ts';
import { SCREENS } from '../agents/screens.ts';
import { captured } from './captured.ts';
import { ordinaryPanes } from './ordinary-panes.ts';

describe('what a pane waits for', () => {
  it.each(SCREENS)('is told from the screen $name', ({ name, id }) => {
    expect(findPrompt(captured(name))?.id ?? null).toBe(id);
  });

  it.each<[string, string, string | null]>([
    ['a name for GitHub', "Username for 'https://github.com': ", 'password'],
    ['a passphrase', "Enter passphrase for key '/root/.ssh/id_ed25519': ", 'password'],
    ['an unknown host', 'Are you sure you want to continue connecting (yes/no/[fingerprint])?', 'password'],
    ['yes or no', 'Overwrite? [y/N] ', 'question'],
    ['nothing: an agent at work', '● Editing notes/issue-23.md', null],
  ])('is told from the last line: %s', (_, line, id) => {
    expect(findPrompt(['● before', line])?.id ?? null).toBe(id);
    expect(findPrompt([line, 'after'])).toBeNull();
  });

  it('is told of a dialog whose words nobody knows', () => {
    const lines = [
      '─'.repeat(80),
      '  Something new',
      '  ❯ Go on',
      '    Go back',
      '  Enter to confirm · Esc to cancel',
    ];
    expect(findPrompt(lines)).toEqual({
      id: 'question',
      says: 'asks a question',
      line: 'Something new',
      takes: 'choice',
    });
    const numbered = ['─'.repeat(80), '  Shall it go on?', '  ❯ 1. Yes', '    2. No'];
    expect(findPrompt(numbered)).toMatchObject({ id: 'question', line: 'Shall it go on?' });
  });

  it('is told of the dialog, not of a list further up', () => {
    const above = [
      '● I would show this:',
      '  ❯ 1. Yes',
      '    2. No',
      '',
      '● And then that.',
      '  One',
      '  Two',
      '  Three',
    ];
    const found = readScreen([...above.filter((line) => line !== ''), ...captured('mcp')]);
    expect(found.kind === 'dialog' && found.choices[0]?.label).toBe('Use this MCP server');
  });

  it('is not told of an error that an agent has gone on after', () => {
    const lines = captured('token-invalid');
    const box = lines.findIndex((line) => line.startsWith('───'));
    const later = [...lines.slice(0, box), '● Going on.', ...lines.slice(box)].map((line) =>
      line.replace('Once fixed, resend your message', ''),
    );
    expect(findPrompt(later)).toBeNull();
  });

  it.each(['credit-balance', 'token-invalid', 'limit-choices'])(
    'is told from %s also where, as in older versions, the turn then ends',
    (name) => {
      const lines = captured(name);
      const error = lines.findLastIndex((line) => /^\s*(?:⎿|●)/.test(line));
      const older = [...lines.slice(0, error + 1), '✻ Crunched for 1m 2s', ...lines.slice(error + 1)];
      expect(findPrompt(older)).toEqual(findPrompt(lines));
      expect(findPrompt(lines)).not.toBeNull();
    },
  );

  it('is not told of a limit that is over', () => {
    const lines = captured('limit-5-hour').filter((line) => !/limit resets|Continuing/.test(line));
    const box = lines.findIndex((line) => line.startsWith('───'));
    const over = [
      ...lines.slice(0, box),
      '● Usage limit reset · Continuing automatically',
      ...lines.slice(box),
    ];
    expect(findPrompt(lines)?.id).toBe('rate-limit');
    expect(findPrompt(over)).toBeNull();
  });

  it.each([' ', '│ ', '❯', '❯ ', '1. ', ' to ', ' · ', 'x  ', '(y/n) x', '[ ] '])(
    'is looked for in time that grows with the pane alone: %j without end',
    (piece) => {
      const line = piece.repeat(200_000);
      expect(findPrompt([line, `${line}x`, '❯ 1. Yes', line])).toBeNull();
    },
  );

  it('is nothing on ordinary panes, whatever they speak of', () => {
    const panes = ordinaryPanes(SCREENS.map(({ name }) => captured(name)));
    expect(panes.length).toBeGreaterThan(200);
    const told = panes.flatMap(({ name, lines }) => {
      const prompt = findPrompt(lines);
      return prompt === null ? [] : [`${name}: ${prompt.id} by ${prompt.line}`];
    });
    expect(told).toEqual([]);
  });
});
