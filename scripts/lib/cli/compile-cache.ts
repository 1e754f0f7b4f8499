/** Node's compile cache (22.1 and later): a command starts in 0.85 of the time when its code is compiled already. */
import module from 'node:module';

type Enable = (folder: string) => unknown;

/**
 * What is imported after this is kept compiled.
 *
 * @param folder of this user alone: where others may write, as in Node's default, they could put code there. When it cannot be
 *   written, nothing is kept
 */
export function cacheCompiledCode(
  folder: string,
  env: NodeJS.ProcessEnv,
  enable = (module as { readonly enableCompileCache?: Enable }).enableCompileCache,
): void {
  // The operator's own folder, for all programs, is used by Node already.
  if (!env['NODE_COMPILE_CACHE']) enable?.(folder);
}
