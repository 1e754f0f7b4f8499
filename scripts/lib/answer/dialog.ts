/** Renders a dialog of a pane, and turns a decision into the keys that answer it. Pure. */

import type { Choice, Dialog } from '../claude/screen.ts';
import { UsageError } from '../cli/errors.ts';
import { count } from '../cli/text.ts';

/** The operator's decision: choices, counted from 1, and the text for a choice that takes one. */
export interface Decision {
  readonly choices: readonly number[];
  readonly text: string;
}

/** Keys by tmux's names, and the text to type before them. */
export interface Step {
  /** The line with the cursor before the step; it shows that this is still the same dialog. */
  readonly line: string;
  readonly text: string;
  readonly keys: readonly string[];
  /** The line with the cursor after the step; empty when the step may end the dialog. */
  readonly next: string;
}

/** Choices that take a free text. */
const OWN_WORDS = /^(?:\[.\] )?(?:Type something|Tell Claude what to change)/;

export const wantsText = ({ label }: Choice): boolean => OWN_WORDS.test(label);

/**
 * @param text of --choice: `2`, or `1,3` if several may be ticked
 * @throws UsageError naming the valid choices
 */
export function parseChoice(text: string, dialog: Dialog): number[] {
  const most = dialog.choices.length;
  const numbers = text.split(',').map((word) => (/^\s*[1-9]\d?\s*$/.test(word) ? Number(word) : Number.NaN));
  if (numbers.some((number) => !(number <= most))) {
    throw new UsageError(`--choice takes a number from 1 to ${most}; not "${text}"`);
  }
  if (numbers.length > 1 && !dialog.multiple) {
    throw new UsageError(`one choice answers this question; --choice has ${count(numbers.length, 'number')}`);
  }
  return numbers;
}

/** The question and its choices, numbered as --choice takes them. */
export function renderDialog({ text, question, choices }: Dialog): string {
  const head = text.length === 0 ? [question] : text;
  const lines = choices.flatMap(({ label, description }, index) => [
    `  ${index + 1}. ${label}`,
    ...(description === '' ? [] : [`     ${description}`]),
  ]);
  return `${[...head, ...lines].join('\n')}\n`;
}

/** The line of a choice on the pane, trimmed. */
const lineOf = ({ number, label }: Choice) => (number === null ? `❯ ${label}` : `❯ ${number}. ${label}`);

/**
 * The steps that answer a dialog: arrow keys, which every dialog of claude accepts, to the choice, then Enter. If choices are
 * ticked, Tab continues after the last one.
 */
export function stepsFor({ choices, multiple }: Dialog, decision: Decision): Step[] {
  const steps: Omit<Step, 'next'>[] = [];
  let at = choices.findIndex(({ current }) => current);
  let line = lineOf(choices[at] as Choice);
  for (const number of decision.choices) {
    const wanted = number - 1;
    const choice = choices[wanted] as Choice;
    if (wanted !== at) {
      const key = wanted > at ? 'Down' : 'Up';
      steps.push({ line, text: '', keys: Array.from({ length: Math.abs(wanted - at) }, () => key) });
    }
    [at, line] = [wanted, lineOf(choice)];
    const text = wantsText(choice) ? decision.text : '';
    steps.push({ line, text, keys: ['Enter'] });
    line = multiple ? lineOf({ ...choice, label: ticked(choice.label) }) : line;
  }
  if (multiple) steps.push({ line, text: '', keys: ['Tab'] });
  return steps.map((step, index) => ({ ...step, next: steps[index + 1]?.line ?? '' }));
}

/**
 * Steps that move the cursor to a neighbour and back. They answer nothing; since a program handles its keys one after the
 * other, they show what has become of the keys before.
 */
export function probeSteps({ choices, multiple }: Dialog): Step[] {
  const at = choices.findIndex(({ current }) => current);
  // Below the last checkbox there is a line without a number. Elsewhere not up, which brings old prompts back into the box
  // should the dialog end just now.
  const goesDown = multiple ? at === 0 : at + 1 < choices.length;
  const [there, back] = goesDown ? ['Down', 'Up'] : ['Up', 'Down'];
  const here = lineOf(choices[at] as Choice);
  const beside = lineOf(choices[goesDown ? at + 1 : at - 1] as Choice);
  return [
    { line: here, text: '', keys: [there], next: beside },
    { line: beside, text: '', keys: [back], next: here },
  ];
}

const ticked = (label: string) =>
  label.replace(/^\[(.)\]/, (_, mark: string) => (mark === ' ' ? '[✔]' : '[ ]'));

/** Whether the same dialog is shown below the same lines, with the cursor at `line`. */
export function isStill(before: Dialog, after: Dialog, line: string): boolean {
  return (
    isSame(before, after) &&
    before.transcript.join('\n') === after.transcript.join('\n') &&
    after.choices.some((choice) => choice.current && lineOf(choice) === line)
  );
}

/** Whether the same dialog is still shown after it was answered. */
export function isSame(before: Dialog, after: Dialog): boolean {
  const words = ({ text, choices }: Dialog) =>
    JSON.stringify([text.filter((line) => !/^←/.test(line)), choices.map(({ label }) => label)]);
  return words(before) === words(after);
}
