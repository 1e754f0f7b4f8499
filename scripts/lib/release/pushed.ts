/** The image that was pushed from this machine last: what `rollout` takes when none is named. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { replaceFileSync } from '../config/replace-file.ts';
import { releasesDir } from './record.ts';

const fileOf = (env: NodeJS.ProcessEnv) => join(dirname(releasesDir(env)), 'pushed');

/** `repository@sha256:…`, or null. */
export function lastPushed(env: NodeJS.ProcessEnv): string | null {
  try {
    return readFileSync(fileOf(env), 'utf8').trim() || null;
  } catch {
    return null;
  }
}

export function rememberPushed(env: NodeJS.ProcessEnv, image: string): void {
  replaceFileSync(fileOf(env), `${image}\n`);
}
