/** How the user typed a command, so that next steps can be pasted where they stand. */
import { join, relative } from 'node:path';
import { shellQuote } from './text.ts';

/**
 * A command's file as it is typed in a folder: `npx tsx scripts/list.ts` in the checkout, `npx tsx ../checkout/scripts/list.ts`
 * beside it, and the whole path far away.
 *
 * @param folder where the files of the commands are, absolute
 * @param cwd null where the current folder is gone
 */
export function sourceLine(folder: string, cwd: string | null, name: string): string {
  const path = join(folder, `${name}.ts`);
  const near = cwd === null ? path : relative(cwd, path);
  return `npx tsx ${shellQuote(near.length < path.length ? near : path)}`;
}

/** The current folder; null when it was removed. */
export function currentFolder(): string | null {
  try {
    return process.cwd();
  } catch {
    return null;
  }
}
