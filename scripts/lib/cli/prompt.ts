/**
 * Questions to the operator. One policy: without a terminal nothing is asked, and the error names the flag to give instead.
 * Inquirer moves the cursor, so it gets the unfiltered stream; its questions are filtered beforehand.
 */
import type { Context } from './command.ts';
import { UsageError } from './errors.ts';
import { safe } from './sink.ts';

export interface Choice<T> {
  readonly name: string;
  readonly value: T;
}

type Asking = Pick<Context, 'interactive' | 'stdin' | 'stderr' | 'signal'>;

/**
 * @param flag the flag to give instead, for the error without a terminal
 * @throws UsageError when there is no terminal to ask on
 */
export async function select<T>(
  context: Asking,
  message: string,
  choices: readonly Choice<T>[],
  flag: string,
): Promise<T> {
  const options = requirePerson(context, message, flag);
  const { select: ask } = await import('@inquirer/prompts');
  const shown = choices.map(({ name, value }) => ({ name: safe(name), value }));
  return ask(
    { message: safe(message), choices: shown, loop: false, theme: { indexMode: 'number' } },
    options,
  );
}

/** Asks for text; the same policy as {@link select}. `validate` gives true or what is wrong. */
export async function input(
  context: Asking,
  message: string,
  flag: string,
  validate: (text: string) => true | string,
): Promise<string> {
  const options = requirePerson(context, message, flag);
  const { input: ask } = await import('@inquirer/prompts');
  return ask({ message: safe(message), validate }, options);
}

/** Asks for a secret; the input is shown as asterisks. */
export async function secret(
  context: Asking,
  message: string,
  flag: string,
  validate: (text: string) => true | string,
): Promise<string> {
  const options = requirePerson(context, message, flag);
  const { password: ask } = await import('@inquirer/prompts');
  return ask({ message: safe(message), validate, mask: true }, options);
}

/** Asks yes or no, no being the default; `--yes` answers it without a terminal. */
export async function confirm(context: Asking, message: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  const options = requirePerson(context, message, '--yes');
  const { confirm: ask } = await import('@inquirer/prompts');
  return ask({ message: safe(message), default: false }, options);
}

function requirePerson({ interactive, stdin, stderr, signal }: Asking, message: string, flag: string) {
  if (!interactive) throw new UsageError(`${message} There is no terminal to ask on`, `give ${flag}`);
  // Inquirer writes to stdout unless told otherwise; stdout is data.
  return { input: stdin, output: stderr.raw, signal };
}
