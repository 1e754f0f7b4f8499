/**
 * Parses a pane by its shape: claude draws a box for the prompt between two rules, and a dialog as a list of choices above a
 * line of keys. Words change with every version; shapes did not change from 2.1.185 to 2.1.332. Pure.
 */

/** A list to choose from, as in ` ❯ 1. Yes`; the question is above it. */
export interface Dialog {
  readonly kind: 'dialog';
  /** The lines above the dialog. */
  readonly transcript: readonly string[];
  /** The lines between the rule and the first choice, without the frame; the question among them. */
  readonly text: readonly string[];
  readonly question: string;
  readonly choices: readonly Choice[];
  /** Whether its choices are ticked and then submitted. */
  readonly multiple: boolean;
}

export interface Choice {
  /** Its number on the pane; null in a list without numbers. */
  readonly number: number | null;
  readonly label: string;
  /** The text below the label. */
  readonly description: string;
  /** Whether the cursor is on it. */
  readonly current: boolean;
}

/** claude's box for typing a prompt. */
export interface PromptBox {
  readonly kind: 'box';
  /** The lines above the box. */
  readonly transcript: readonly string[];
  /** The content of the box: typed and not sent, or the program's grey placeholder. */
  readonly input: string;
  /** The lines below the box. */
  readonly status: readonly string[];
  /** Whether the agent is working. */
  readonly busy: boolean;
}

export type Screen = Dialog | PromptBox | { readonly kind: 'other'; readonly last: string };

const RULE = /^─{10,}/;
/** `Enter to select · ↑/↓ to navigate · Esc to cancel`, `Esc to cancel · Tab to amend`. */
const KEYS = /^\s*[^·\s][^·]{0,29} to [^·]{1,40}(?: · [^·]{1,60})*$/;
const DIALOG_KEYS = /\b(?:Enter to (?:select|confirm|submit|continue)|Esc to (?:cancel|exit|go back))\b/i;
const NUMBERED = /^\s*(?:(?<cursor>❯)\s*)?(?<number>\d{1,2})\. (?<label>.*)$/;
/** `[ ] Red`, `[✔] Red`. */
const TICK = /^\[.\] /;
/** Lines below the last choice of a dialog: a description, one or two lines of keys. */
const MOST_BELOW = 5;
/** Lines above the choices; of a longer text, the end. */
const MOST_ABOVE = 30;

/** @param lines of a pane, without blank ones and without blanks at their ends */
export function readScreen(lines: readonly string[]): Screen {
  return readBox(lines) ?? readDialog(lines) ?? { kind: 'other', last: lines.at(-1) ?? '' };
}

/** The box is the last thing that is drawn between two rules. */
function readBox(lines: readonly string[]): PromptBox | null {
  const below = lines.findLastIndex((line) => RULE.test(line));
  const above = lines.findLastIndex((line, index) => index < below && RULE.test(line));
  const [first = '', ...more] = lines.slice(above + 1, below);
  const status = lines.slice(below + 1);
  if (above < 0 || !first.startsWith('❯') || NUMBERED.test(first)) return null;
  // The shell's prompt: claude has ended, or the pane shows a file.
  if (status.some((line) => /^\S/.test(line))) return null;
  const transcript = lines.slice(0, above);
  const busy = [...transcript.slice(-6), ...status].some((line) => /\besc to interrupt\b/.test(line));
  return { kind: 'box', transcript, input: [first.slice(1), ...more].join('\n').trim(), status, busy };
}

function readDialog(lines: readonly string[]): Dialog | null {
  const end = lines.at(-1) ?? '';
  const hasKeys = KEYS.test(end) && DIALOG_KEYS.test(end);
  const found = [numberedChoices(lines), hasKeys ? plainChoices(lines) : null].find(
    (list) => list !== null && isEnd(lines.slice(list.last + 1), hasKeys),
  );
  if (!found) return null;
  const { first, choices } = found;
  const rule = lines.findLastIndex((line, index) => index < first && RULE.test(line));
  const text = lines
    .slice(Math.max(rule + 1, first - MOST_ABOVE), first)
    .map(unframed)
    .filter((line) => line !== '');
  return {
    kind: 'dialog',
    transcript: lines.slice(0, Math.max(rule, 0)),
    text,
    question: text.findLast((line) => line.endsWith('?')) ?? text[0] ?? '',
    choices,
    multiple: choices.some(({ label }) => TICK.test(label)),
  };
}

/** Whether only the rest of a dialog is below its choices. */
function isEnd(below: readonly string[], hasKeys: boolean): boolean {
  if (below.length > MOST_BELOW) return false;
  // The shell's prompt, or anything else that is not part of it: it was answered, or the pane shows a file.
  return hasKeys || !below.some((line) => /^[^\s─]/.test(line) && !KEYS.test(line));
}

interface Found {
  /** Index of the first line, and of the last one that belongs to the choices. */
  readonly first: number;
  readonly last: number;
  readonly choices: readonly Choice[];
}

/** `❯ 1. Yes` and so on, from 1 without a gap, one of them with the cursor. */
function numberedChoices(lines: readonly string[]): Found | null {
  const first = lines.findLastIndex((line) => NUMBERED.exec(line)?.groups?.['number'] === '1');
  if (first < 0) return null;
  const choices: Choice[] = [];
  let last = first;
  let labelColumn = 0;
  for (const [offset, line] of lines.slice(first).entries()) {
    const { cursor, number: digits, label = '' } = NUMBERED.exec(line)?.groups ?? {};
    const previous = choices.at(-1);
    if (digits !== undefined && Number(digits) === choices.length + 1) {
      choices.push({
        number: Number(digits),
        label: unframed(label),
        description: '',
        current: cursor !== undefined,
      });
      labelColumn = line.indexOf(label) + (TICK.exec(label)?.[0].length ?? 0);
    } else if (previous?.description === '' && line.search(/\S/) >= labelColumn && !KEYS.test(line)) {
      choices[choices.length - 1] = { ...previous, description: unframed(line) };
    } else continue;
    last = first + offset;
  }
  return choices.length > 1 && choices.some(({ current }) => current) ? { first, last, choices } : null;
}

/** Lines one below the other, one of them with the cursor: `❯ No, exit`. */
function plainChoices(lines: readonly string[]): Found | null {
  const at = lines.findLastIndex((line) => /^\s*❯ \S/.test(line));
  if (at < 0) return null;
  const column = /^\s*❯ /.exec(lines[at] ?? '')?.[0].length ?? 0;
  const sibling = (index: number) => {
    const line = lines[index] ?? '';
    return line.search(/\S/) === column && !KEYS.test(line);
  };
  let [first, last] = [at, at];
  while (sibling(first - 1)) first--;
  while (sibling(last + 1)) last++;
  const choices = lines.slice(first, last + 1).map((line, index) => ({
    number: null,
    label: unframed(line),
    description: '',
    current: first + index === at,
  }));
  return choices.length > 1 ? { first, last, choices } : null;
}

/** Without the frame that a program draws around its lines. */
export function unframed(line: string): string {
  return line.replaceAll(/^[\s│┃|❯>╌]+|(?<![\s│┃|╌])[\s│┃|╌]+$/g, '');
}
