/** Paths as people write them. */
import { homedir } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';

/** The home directory by `HOME`, as a shell sees it; the account's own where that is not set. */
export function homeOf(env: NodeJS.ProcessEnv): string {
  return env['HOME'] || homedir();
}

/** Replaces a leading `~`: no shell does it in a file, in a variable or after `--flag=`. */
export function expandHome(path: string, home: string): string {
  if (path === '~') return home;
  return path.startsWith('~/') ? join(home, path.slice(2)) : path;
}

/** A path found inside a file: `~` is the home directory, a relative path starts at the file's folder. Absolute. */
export function resolveBeside(file: string, path: string, home: string): string {
  return resolve(dirname(file), expandHome(path, home));
}

/** A path for messages: what lies under the home directory begins with `~`. */
export function shortPath(path: string, home: string): string {
  return home !== sep && path.startsWith(home + sep) ? `~${path.slice(home.length)}` : path;
}
