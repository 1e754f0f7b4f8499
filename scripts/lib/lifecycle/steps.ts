/**
 * What a command that changes a worker is going to do, as data: the pure part makes it, `--dry-run` prints it, and the same
 * steps are then done in their order.
 */
import type { Context } from '../cli/command.ts';
import { CliError, InterruptedError } from '../cli/errors.ts';
import { printable } from '../cli/text.ts';

/** `+` is made, `~` is changed, `-` is taken away, `=` is there already, `·` changes nothing. */
export type Mark = '+' | '~' | '-' | '=' | '·';

export interface Step<Name extends string = string> {
  readonly name: Name;
  readonly mark: Mark;
  /** For people; may have several lines. */
  readonly what: string;
  /** What is run for it, as one would type it. */
  readonly commands: readonly string[];
}

export type Plan<Name extends string> =
  | { readonly kind: 'nothing'; readonly why: string; readonly hints?: readonly string[] }
  | { readonly kind: 'refuse'; readonly why: string; readonly hints: readonly string[] }
  | { readonly kind: 'go'; readonly steps: readonly Step<Name>[]; readonly notes: readonly string[] };

/** How command lines are written in a plan: the cluster's own, and ours. */
export interface CommandLines {
  kubectl(...args: string[]): string;
  helm(...args: string[]): string;
  ours(name: string, ...args: string[]): string;
}

/** @param commands whether to show what is run, as `--dry-run` does */
export function renderPlan(
  { steps, notes }: { readonly steps: readonly Step[]; readonly notes: readonly string[] },
  commands: boolean,
): string {
  const width = Math.max(...steps.map(({ name }) => name.length));
  const indent = ' '.repeat(width + 4);
  const lines = steps.flatMap(({ name, mark, what, commands: run }) => [
    `${mark} ${name.padEnd(width)}  ${printable(what).replaceAll('\n', `\n${indent}`)}`,
    ...(commands && mark !== '=' ? run.map((line) => `${indent}$ ${line}`) : []),
  ]);
  return [...lines, ...notes.map((note) => `note: ${printable(note)}`)].map((line) => `${line}\n`).join('');
}

/** Whether anything is changed by the steps. */
export function changes(steps: readonly Step[]): boolean {
  return steps.some(({ mark }) => mark === '+' || mark === '~' || mark === '-');
}

/**
 * Does the steps in their order, those that are there already excepted, and says each on stderr.
 *
 * @param actions what to do for each step; may return a sentence about its outcome
 * @param again how to go on after a failure, asked when there is one: the command line that was typed, as far as it still holds
 * @param giveUp is run after a failure or Ctrl-C, to leave the worker as it was where nothing has been changed yet
 * @throws CliError of the step that failed, with `again` among its hints
 */
export async function runSteps<Name extends string>(
  steps: readonly Step<Name>[],
  actions: Readonly<Record<Name, () => Promise<string | undefined>>>,
  again: () => string,
  { stderr }: Pick<Context, 'stderr'>,
  giveUp: () => Promise<void> = async () => {},
): Promise<void> {
  for (const { name, mark, what } of steps) {
    if (mark === '=') continue;
    stderr.write(`${name}: ${printable(what.split('\n')[0] ?? '')}\n`);
    try {
      const said = await actions[name]();
      if (said) stderr.write(`${name}: ${printable(said)}\n`);
    } catch (error) {
      await giveUp();
      if (error instanceof InterruptedError) {
        throw new InterruptedError(
          `interrupted at: ${name}; it can be typed again: ${again()}`,
          error.exitCode,
        );
      }
      if (!(error instanceof CliError)) throw error;
      throw new CliError(error.message, {
        exitCode: error.exitCode,
        hints: [...error.hints, `then type it again, it goes on from here: ${again()}`],
      });
    }
  }
}
