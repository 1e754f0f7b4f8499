#!/usr/bin/env bash
# zx 8.8.5: cannot be loaded, and cannot start a program, in a folder that has been deleted; Node's spawn can.
#
# A shell or a tmux pane may outlive the folder it stands in, such as a checkout that was removed. Programs still start there,
# and `node` and its `spawn` do, too. zx asks for the name of the folder when it is imported and again at each start, even if
# `cwd` is given, and throws ENOENT. The way out is to replace `process.cwd` before zx is loaded.
set -Eeuo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . zx@8.8.5
cat >import.mjs <<'JS'
import { spawn } from 'node:child_process';
import { once } from 'node:events';
console.log('spawn: exit code', (await once(spawn('true'), 'close'))[0]);
await import('zx');
JS
cat >start.mjs <<'JS'
const { cwd } = process;
process.cwd = () => '/';
const { $ } = await import('zx');
console.log('with another process.cwd: exit code', await $`true`.exitCode);
process.cwd = cwd;
try {
  await $({ cwd: '/' })`true`;
} catch ({ code, syscall }) {
  console.log('with cwd: / alone:', code, syscall);
}
JS
mkdir gone
(
  cd gone
  rmdir ../gone
  if node "$work/import.mjs" 2>"$work/error.txt"; then exit 1; fi
  grep '^Error' "$work/error.txt"
  node "$work/start.mjs"
) | tee seen.txt

diff seen.txt - <<'SEEN'
spawn: exit code 0
Error: ENOENT: no such file or directory, uv_cwd
with another process.cwd: exit code 0
with cwd: / alone: ENOENT uv_cwd
SEEN
