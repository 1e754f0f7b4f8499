/** Where this package is, and its version. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json: the checkout or the installed package, both from source and from the bundle. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new Error('factory-worker: its own package.json is missing; install it again');
    folder = parent;
  }
  return folder;
}

/** Whether the program runs from its TypeScript files, not from the bundle. */
export function runsFromSource(): boolean {
  return import.meta.url.endsWith('.ts');
}

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}
