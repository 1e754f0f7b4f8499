/**
 * What an operator is told to type can be typed: every command line that the code prints as a next step, every example of a
 * help and every line of the README's troubleshooting section names a command that exists, with flags and arguments that it takes.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../scripts/commands.ts';
import { COMMON_FLAGS } from '../../scripts/lib/cli/command.ts';
import { parseFlags } from '../../scripts/lib/cli/flags.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = readdirSync(`${ROOT}/scripts`, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

/** A command line as far as it is known before the program runs. */
interface Line {
  readonly at: string;
  readonly words: readonly string[];
  /** Whether more words may follow that are only known then. */
  readonly open: boolean;
}

/** Stands for what is only known when the program runs: a worker's name, an issue. */
const SOMETHING = '7';

/** `commandLine('why', name)`, `command('queue', …)` and the advice `{ command: ['unstick', …] }` of a file. */
function linesOf(file: string): Line[] {
  // A comment between two arguments may have commas; the lines keep their numbers.
  const text = readFileSync(`${ROOT}/scripts/${file}`, 'utf8').replaceAll(/^[ \t]*\/\/.*$/gm, '');
  return [...text.matchAll(/\bcommand(?:Line)?\(|\bcommand: \[/g)].flatMap(({ index, 0: opening }) => {
    const words = listAt(text, index + opening.length);
    if (!words[0]?.startsWith("'")) return [];
    return {
      at: `scripts/${file}:${text.slice(0, index).split('\n').length}`,
      words: words
        .filter((word) => !word.startsWith('...'))
        .map((word) => /^(['`])([^$]*)\1$/.exec(word)?.[2] ?? SOMETHING),
      open: words.some((word) => word.startsWith('...')),
    };
  });
}

/** The expressions of a list, from behind its opening bracket to the one that closes it. */
function listAt(text: string, from: number): string[] {
  const items = [''];
  let depth = 0;
  let quote = '';
  for (const character of text.slice(from)) {
    if (quote !== '') quote = character === quote ? '' : quote;
    else if (/['"`]/.test(character)) quote = character;
    else if (/[([{]/.test(character)) depth++;
    else if (/[)\]}]/.test(character) && depth-- === 0) break;
    else if (character === ',' && depth === 0) {
      items.push('');
      continue;
    }
    items[items.length - 1] += character;
  }
  return items.map((item) => item.trim()).filter((item) => item !== '');
}

/** @throws when there is no such command, or it does not take these words */
async function check({ words: [name = '', ...args], open }: Line): Promise<void> {
  const load = COMMANDS[name]?.load;
  if (load === undefined) throw new Error(`there is no command ${name}`);
  const command = await load();
  const { positionals } = parseFlags(args, { ...command.flags, ...COMMON_FLAGS }, command.restAfter);
  const required = command.positionals.filter((positional) => positional.required).length;
  const takesMany = command.positionals.at(-1)?.repeat === true;
  const surplus = positionals[command.positionals.length];
  if (surplus !== undefined && !takesMany) throw new Error(`${name} takes no argument ${surplus}`);
  if (positionals.length < required && !open)
    throw new Error(`${name} wants more than "${positionals.join(' ')}"`);
}

async function mistakesIn(lines: readonly Line[]): Promise<string[]> {
  const mistakes: string[] = [];
  for (const line of lines) {
    await check(line).catch((error: Error) => {
      mistakes.push(`${line.at} ${line.words.join(' ')}: ${error.message}`);
    });
  }
  return mistakes;
}

/** Words as a shell splits them, up to a pipe, a redirection or the next command; `…` stands for more of the same. */
function shellWords(text: string): string[] {
  const words = text.match(/'[^']*'|"[^"]*"|[^\s'"]+/g) ?? [];
  const end = words.findIndex((word) => /^(?:\||&&|>|<|2>)/.test(word));
  return words
    .slice(0, end < 0 ? undefined : end)
    .map((word) => word.replace(/^(['"])(.*)\1$/, '$2'))
    .filter((word) => word !== '…');
}

describe('what is printed to be typed', () => {
  it('as a next step', async () => {
    const lines = SOURCES.flatMap(linesOf);
    expect(lines.length).toBeGreaterThan(100);
    expect(await mistakesIn(lines)).toEqual([]);
  });

  it('as an example of a help', async () => {
    const lines: Line[] = [];
    for (const [name, { load }] of Object.entries(COMMANDS)) {
      for (const [example] of (await load()).examples)
        lines.push({ at: `${name} --help`, words: [name, ...shellWords(example)], open: true });
    }
    expect(lines.length).toBeGreaterThan(60);
    expect(await mistakesIn(lines)).toEqual([]);
  });

  it('on the page of what is wrong', async () => {
    const page = readFileSync(`${ROOT}/docs/operating.md`, 'utf8');
    const lines = page
      .split('\n')
      .filter((line) => line.startsWith('Type '))
      .flatMap((line) => [...line.matchAll(/`([^`]+)`/g)].map(([, code = '']) => shellWords(code)))
      .map((words) => ({ at: 'docs/operating.md', words, open: true }));
    expect(lines.length).toBeGreaterThan(30);
    expect(await mistakesIn(lines)).toEqual([]);
  });

  it('of kubectl only what no command of ours does', () => {
    const ours =
      /kubectl(?:Command)?\((?:worker, )?`(?:-n \S+ )?(?:logs|exec|cp|attach|port-forward|scale|rollout)\b/;
    const found = SOURCES.flatMap((file) =>
      readFileSync(`${ROOT}/scripts/${file}`, 'utf8')
        .split('\n')
        .flatMap((line, index) => (ours.test(line) ? [`scripts/${file}:${index + 1}`] : [])),
    );
    expect(found).toEqual([]);
  });
});
