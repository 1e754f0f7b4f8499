import { describe, expect, it } from 'vitest';
import { chooseAction, refuseMisplaced } from '../../scripts/lib/cli/action.ts';

const ACTIONS = ['add', 'remove'] as const;

describe('the action of a command', () => {
  it('is the word that was typed', () => {
    expect(chooseAction('workers', ACTIONS, 'remove')).toBe('remove');
  });

  it.each([
    ['ad', 'workers can add and remove, not "ad"', ['did you mean add?']],
    ['', 'workers can add and remove, not ""', []],
  ])('is refused when it is none: "%s"', (word, message, hints) => {
    expect(() => chooseAction('workers', ACTIONS, word)).toThrow(expect.objectContaining({ message, hints }));
  });
});

describe('a flag of another action', () => {
  const onlyFor = { pod: 'add', yes: 'remove', bin: 'add' } as const;
  const none = { pod: undefined, yes: false, bin: [] };

  it.each([
    [{ ...none, pod: 'p' }, '--pod is only for workers add'],
    [{ ...none, bin: ['dir'] }, '--bin is only for workers add'],
  ])('is refused: %o', (flags, message) => {
    expect(() => refuseMisplaced('workers', 'remove', onlyFor, flags)).toThrow(message);
  });

  it.each([[none], [{ ...none, yes: true }]])('is not looked for where it is at home: %o', (flags) => {
    expect(() => refuseMisplaced('workers', 'remove', onlyFor, flags)).not.toThrow();
  });
});
