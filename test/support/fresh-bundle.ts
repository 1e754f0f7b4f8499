/** Before the tests: builds dist/ again when it is older than what it is made of. */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../scripts/lib/cli/version.ts';

const SOURCES = ['scripts', 'image/supervisor', 'package.json', 'package-lock.json'];

export function setup(): void {
  const root = packageRoot();
  // A build sets its time last, to the moment at which it began.
  const built = statSync(join(root, 'dist', 'factory-worker.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (SOURCES.every((source) => newest(join(root, source)) < built)) return;
  execFileSync('npm', ['run', 'build', '--silent'], { cwd: root, stdio: 'inherit' });
}

/** The time of the last change below a path, in milliseconds since the epoch. */
function newest(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}
