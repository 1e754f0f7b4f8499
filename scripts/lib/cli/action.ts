/** Commands with an action word: `workers add`, `queue remove`. */
import { UsageError } from './errors.ts';
import { didYouMean, enumerate } from './text.ts';

/**
 * @param command its name, for the message
 * @throws UsageError when the word is not one of the actions
 */
export function chooseAction<A extends string>(command: string, actions: readonly A[], word: string): A {
  const action = actions.find((candidate) => candidate === word);
  if (action !== undefined) return action;
  const hint = didYouMean(word, actions);
  throw new UsageError(
    `${command} can ${enumerate(actions)}, not "${word}"`,
    ...(hint === null ? [] : [hint]),
  );
}

/**
 * Refuses a flag of another action instead of ignoring it.
 *
 * @param onlyFor flags, each with the one action that takes it
 * @throws UsageError naming the action
 */
export function refuseMisplaced<A extends string>(
  command: string,
  action: A,
  onlyFor: Readonly<Record<string, A>>,
  flags: Readonly<Record<string, unknown>>,
): void {
  for (const [flag, owner] of Object.entries(onlyFor)) {
    if (owner !== action && isGiven(flags[flag])) {
      throw new UsageError(`--${flag} is only for ${command} ${owner}`);
    }
  }
}

function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
}
