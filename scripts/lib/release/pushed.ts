/** The image that was pushed from this machine last: what `rollout` takes when none is named. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
  mkdirSync(dirname(fileOf(env)), { recursive: true, mode: 0o700 });
  writeFileSync(fileOf(env), `${image}\n`, { mode: 0o600 });
}
