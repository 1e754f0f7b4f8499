/** The text of `--help`, as a pure function of the command's declaration. */
import type { Described } from './command.ts';
import type { Flag, Flags } from './flags.ts';
import { displayWidth } from './width.ts';

export interface HelpOptions {
  /** How the command was typed: `factory-worker list` or `npx tsx scripts/list.ts`. */
  readonly program: string;
  /** Explain the global flags too. */
  readonly all: boolean;
  /** Columns of the terminal; undefined where there is none: then nothing is wrapped. */
  readonly width: number | undefined;
}

/** @returns the full help text, with a final newline */
export function renderHelp(command: Described, flags: Flags, { program, all, width }: HelpOptions): string {
  const named = Object.entries(flags);
  const own = named.filter(([, flag]) => !flag.global);
  const global = named.filter(([, flag]) => flag.global);
  const explain = (list: typeof named) =>
    rows(
      list.map(([name, flag]) => [flagColumn(name, flag), flagText(flag)]),
      width,
    );
  const sections = [
    wrap(command.summary, width),
    `Usage:\n${[usageLine(command, program), ...notesOf(command)].map((line) => `  ${line}`).join('\n')}`,
    wrapParagraphs(command.description?.trim() ?? '', width),
    `Examples:\n${command.examples.map(([line, why]) => `  # ${why}\n  ${program}${line === '' ? '' : ` ${line}`}`).join('\n')}`,
    own.length === 0 ? '' : `Flags:\n${explain(own)}`,
    all ? `Global flags:\n${explain(global)}` : wrap(foldedLine(global), width),
    `Exit codes:\n${rows(EXIT_CODES, width)}`,
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function notesOf({ positionals }: Described): string[] {
  return positionals.flatMap(({ note }) => (note === undefined ? [] : [note]));
}

/** The global flags in one line; they are the same everywhere. */
function foldedLine(flags: readonly (readonly [string, Flag])[]): string {
  return `Global flags: ${flags.map(([name]) => `--${name}`).join(', ')} (--help --all explains them)`;
}

/** One line: `factory-worker dispatch [WORKER] [flags]`. */
export function usageLine(command: Described, program: string): string {
  const words = command.positionals.map(({ name, required, repeat }) => {
    const word = `${name}${repeat ? '…' : ''}`;
    return required ? word : `[${word}]`;
  });
  return [program, ...words, '[flags]', ...(command.rest ? [`[-- ${command.rest}]`] : [])].join(' ');
}

const EXIT_CODES: readonly (readonly [string, string])[] = [
  ['0', 'done'],
  ['1', 'failed'],
  ['2', 'usage error; nothing was done'],
  ['3', 'some of several workers failed'],
  ['4', 'with --exit-code: the operator is needed'],
  ['124', 'timed out'],
  ['127', 'a needed program is missing'],
  ['130', 'interrupted with Ctrl-C'],
];

function flagColumn(name: string, flag: Flag): string {
  const short = flag.short ? `-${flag.short}, ` : '    ';
  return `${short}--${name}${flag.type === 'boolean' ? '' : ` ${flag.value}`}`;
}

function flagText(flag: Flag): string {
  const choices = flag.type === 'string' && flag.choices ? ` (${flag.choices.join('|')})` : '';
  const preset = flag.type === 'string' && flag.default ? ` (default: ${flag.default})` : '';
  const list = flag.type === 'list' ? ' (may be repeated)' : '';
  return `${flag.description}${choices}${preset}${list}`;
}

/** Two columns; where they are wrapped, the right one stays in its place. */
function rows(pairs: readonly (readonly [string, string])[], width: number | undefined): string {
  const left = Math.max(...pairs.map(([text]) => text.length));
  const indent = left + 4;
  return pairs.map(([term, text]) => `  ${term.padEnd(left)}  ${wrap(text, width, indent)}`).join('\n');
}

/** At least this many columns for a text; a narrower terminal wraps it itself. */
const NARROWEST = 20;

/**
 * Wraps a text between words.
 *
 * @param width columns of the terminal; undefined for no wrapping
 * @param indent columns before each line but the first, which begins after as many
 */
export function wrap(text: string, width: number | undefined, indent = 0): string {
  if (width === undefined) return text;
  const room = Math.max(NARROWEST, width - indent);
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1);
    if (line !== undefined && displayWidth(line) + 1 + displayWidth(word) <= room) {
      lines[lines.length - 1] = `${line} ${word}`;
    } else lines.push(word);
  }
  return lines.join(`\n${' '.repeat(indent)}`);
}

/** Each paragraph anew; lines that are indented stay as they are. */
function wrapParagraphs(text: string, width: number | undefined): string {
  const wrapped = (paragraph: string) => (/^\s/m.test(paragraph) ? paragraph : wrap(paragraph, width));
  return text.split('\n\n').map(wrapped).join('\n\n');
}
