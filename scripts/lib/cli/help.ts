/** The text of `--help`, as a pure function of the command's declaration. */
import type { Flag, Flags } from './flags.ts';

export interface Positional {
  /** As the help shows it: `WORKER`. */
  readonly name: string;
  readonly required: boolean;
  readonly repeat?: boolean;
}

/** What the help says about a command, besides its flags. */
export interface Described {
  readonly summary: string;
  readonly description?: string;
  readonly positionals: readonly Positional[];
  /** What may follow `--`; undefined when nothing may. */
  readonly rest?: string;
  /** Arguments, each with what it does; at least two. */
  readonly examples: readonly (readonly [args: string, why: string])[];
}

/**
 * @param program how the command was typed: `factory-worker list` or `npx tsx scripts/list.ts`
 * @returns the full help text, with a final newline
 */
export function renderHelp(command: Described, flags: Flags, program: string): string {
  const sections = [
    command.summary,
    `Usage:\n  ${usageLine(command, program)}`,
    command.description?.trim() ?? '',
    `Examples:\n${command.examples.map(([line, why]) => `  # ${why}\n  ${program}${line === '' ? '' : ` ${line}`}`).join('\n')}`,
    `Flags:\n${rows(Object.entries(flags).map(([name, flag]) => [flagColumn(name, flag), flagText(flag)]))}`,
    `Exit codes:\n${rows(EXIT_CODES)}`,
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
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

function rows(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([left]) => left.length));
  return pairs.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}
