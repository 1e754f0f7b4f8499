/** Whether the bundle in dist/ is older than its sources: after a `git pull`, the linked program would still be the old one. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Folders of scripts/ that are not in the bundle: what is sent to workers is read from its files. */
const APART = ['remote', 'build'];

/**
 * @param root the folder of package.json
 * @returns a sentence with what to type; null when dist/ is up to date, or this is not a checkout
 */
export function staleBundle(root: string): string | null {
  const built = statSync(join(root, 'dist', 'factory-worker.js'), { throwIfNoEntry: false })?.mtimeMs;
  if (built === undefined || !existsSync(join(root, '.git'))) return null;
  if (!hasNewer(join(root, 'scripts'), built, APART)) return null;
  return `dist/ is older than the sources in scripts/; build it again: make -C ${root} build`;
}

function hasNewer(folder: string, since: number, except: readonly string[] = []): boolean {
  return readdirSync(folder, { withFileTypes: true }).some((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return !except.includes(entry.name) && hasNewer(path, since);
    return /\.(?:ts|json)$/.test(entry.name) && statSync(path).mtimeMs > since;
  });
}
