/** Dialogs of the real claude: what is read of them, and the keys that answer them. */
import { describe, expect, it } from 'vitest';
import {
  isSame,
  isStill,
  parseChoice,
  probeSteps,
  renderDialog,
  stepsFor,
  wantsText,
} from '../../scripts/lib/answer/dialog.ts';
import { type Dialog, readScreen } from '../../scripts/lib/claude/screen.ts';
import { captured } from '../claude/captured.ts';

function dialog(name: string): Dialog {
  const screen = readScreen(captured(name));
  if (screen.kind !== 'dialog') throw new Error(`${name} is ${screen.kind}`);
  return screen;
}

describe('a dialog', () => {
  it.each<[string, string, string[]]>([
    ['question', 'Which colour?', ['Red', 'Blue', 'Type something.', 'Chat about this']],
    ['questions', 'Which parts?', ['[ ] Red', '[ ] Blue', '[ ] Type something', 'Chat about this']],
    [
      'plan',
      'Claude has written up a plan and is ready to execute. Would you like to proceed?',
      ['Yes, and use auto mode', 'Yes, manually approve edits', 'Tell Claude what to change'],
    ],
    ['trust', 'Accessing workspace:', ['No, exit', 'Yes, I trust this folder']],
    [
      'imports',
      'Allow external CLAUDE.md file imports?',
      ['No, disable external imports', 'Yes, allow external imports'],
    ],
    [
      'mcp',
      'New MCP server found in this project: demo',
      [
        'Use this MCP server',
        'Use this and all future MCP servers in this project',
        'Continue without using this MCP server',
      ],
    ],
    [
      'settings-error',
      'Settings Error',
      ['Fix with Claude', 'Exit and fix manually', 'Continue without these settings'],
    ],
  ])('%s is read with its question and choices', (name, question, labels) => {
    const { question: found, choices } = dialog(name);
    expect([found, choices.map(({ label }) => label)]).toEqual([question, labels]);
    expect(choices.filter(({ current }) => current)).toHaveLength(1);
  });

  it('is shown with its choices numbered, whether or not the program numbers them', () => {
    expect(renderDialog(dialog('question'))).toBe(
      '☐ colour?\nWhich colour?\n  1. Red\n     Like fire\n  2. Blue\n     Like the sea\n  3. Type something.\n  4. Chat about this\n',
    );
    expect(renderDialog(dialog('mcp'))).toMatch(/\n {2}1\. Use this MCP server\n {2}2\. /);
  });

  it('is the same while only its cursor has moved', () => {
    const before = dialog('question');
    const moved = {
      ...before,
      choices: before.choices.map((choice) => ({ ...choice, current: !choice.current })),
    };
    expect(isSame(before, moved)).toBe(true);
    expect(isSame(before, dialog('questions'))).toBe(false);
  });

  it('is still there as it was only below the same lines, with its cursor in place', () => {
    const before = dialog('question');
    const later = { ...before, transcript: [...before.transcript, '● Bash(touch x)'] };
    expect(isStill(before, before, '❯ 1. Red')).toBe(true);
    expect(isStill(before, before, '❯ 2. Blue')).toBe(false);
    expect(isStill(before, later, '❯ 1. Red')).toBe(false);
    expect(isStill(before, dialog('questions'), '❯ 1. [ ] Red')).toBe(false);
  });
});

describe('the keys', () => {
  it.each([
    ['question', 1, [{ line: '❯ 1. Red', text: '', keys: ['Enter'], next: '' }]],
    [
      'question',
      2,
      [
        { line: '❯ 1. Red', text: '', keys: ['Down'], next: '❯ 2. Blue' },
        { line: '❯ 2. Blue', text: '', keys: ['Enter'], next: '' },
      ],
    ],
    [
      'question',
      3,
      [
        { line: '❯ 1. Red', text: '', keys: ['Down', 'Down'], next: '❯ 3. Type something.' },
        { line: '❯ 3. Type something.', text: 'Green', keys: ['Enter'], next: '' },
      ],
    ],
    [
      'mcp',
      1,
      [
        {
          line: '❯ Continue without using this MCP server',
          text: '',
          keys: ['Up', 'Up'],
          next: '❯ Use this MCP server',
        },
        { line: '❯ Use this MCP server', text: '', keys: ['Enter'], next: '' },
      ],
    ],
  ])('of %s for choice %i go there by the arrows', (name, choice, steps) => {
    expect(stepsFor(dialog(name), { choices: [choice], text: 'Green' })).toEqual(steps);
  });

  it('tick several, and lead on', () => {
    expect(stepsFor(dialog('questions'), { choices: [1, 2], text: '' })).toEqual([
      { line: '❯ 1. [ ] Red', text: '', keys: ['Enter'], next: '❯ 1. [✔] Red' },
      { line: '❯ 1. [✔] Red', text: '', keys: ['Down'], next: '❯ 2. [ ] Blue' },
      { line: '❯ 2. [ ] Blue', text: '', keys: ['Enter'], next: '❯ 2. [✔] Blue' },
      { line: '❯ 2. [✔] Blue', text: '', keys: ['Tab'], next: '' },
    ]);
  });

  it.each([
    ['question', '❯ 1. Red', ['Down', 'Up'], '❯ 2. Blue'],
    [
      'mcp',
      '❯ Continue without using this MCP server',
      ['Up', 'Down'],
      '❯ Use this and all future MCP servers in this project',
    ],
  ])(
    'that only show whether %s takes keys go to a neighbour and back',
    (name, here, [there, back], beside) => {
      expect(probeSteps(dialog(name))).toEqual([
        { line: here, text: '', keys: [there], next: beside },
        { line: beside, text: '', keys: [back], next: here },
      ]);
    },
  );

  it('of a choice that takes a text have one', () => {
    expect(dialog('question').choices.map(wantsText)).toEqual([false, false, true, false]);
    expect(dialog('plan').choices.map(wantsText)).toEqual([false, false, true]);
  });
});

describe('--choice', () => {
  it.each([
    ['1', 'question', [1]],
    ['1,3', 'questions', [1, 3]],
  ])('%s of %s', (text, name, choices) => expect(parseChoice(text, dialog(name))).toEqual(choices));

  it.each([
    ['0', 'question', /from 1 to 4; not "0"/],
    ['5', 'question', /from 1 to 4; not "5"/],
    ['red', 'question', /not "red"/],
    ['1,2', 'question', /one choice answers this question/],
  ])('%s of %s is refused', (text, name, message) => {
    expect(() => parseChoice(text, dialog(name))).toThrow(message);
  });
});
