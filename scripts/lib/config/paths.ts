/** Paths with `~`, and relative to a file. */
import { homedir } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';

/** The home directory from `HOME`, as in a shell; the account's own where that is not set. */
export function homeOf(env: NodeJS.ProcessEnv): string {
  return env['HOME'] || homedir();
}

/** Our folder for what can be made anew, by the XDG Base Directory Specification. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_CACHE_HOME'] || join(homeOf(env), '.cache'), 'factory-worker');
}

/** Expands a leading `~`: a shell does not do it in a file, in a variable or after `--flag=`. */
export function expandHome(path: string, home: string): string {
  if (path === '~') return home;
  return path.startsWith('~/') ? join(home, path.slice(2)) : path;
}

/** Resolves a path found in a file: `~` is the home directory, a relative path is relative to the file's folder. */
export function resolveBeside(file: string, path: string, home: string): string {
  return resolve(dirname(file), expandHome(path, home));
}

/** A path for messages: below the home directory it begins with `~`. */
export function shortPath(path: string, home: string): string {
  return home !== sep && path.startsWith(home + sep) ? `~${path.slice(home.length)}` : path;
}
