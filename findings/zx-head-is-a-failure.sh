#!/usr/bin/env bash
# zx 8.8.5: a pipeline that ends in `head` is rejected, by chance and only for a long input.
#
# zx puts `set -euo pipefail` before each command. When head has its lines it closes the pipe, the program before it dies of
# SIGPIPE, and pipefail makes that the exit code of the whole: 141, although stdout holds what was asked for. With a few lines
# everything was written before head left, and the same command succeeds.
set -Eeuo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . zx@8.8.5
cat >head.mjs <<'JS'
import { $ } from 'zx';
const result = async (n) => {
  const { exitCode, stdout } = await $({ nothrow: true })`seq 1 ${n} | head -n 1`;
  return `seq 1 ${n} | head -n 1: exit code ${exitCode}, stdout ${stdout.trim()}`;
};
console.log(await result(5));
console.log(await result(1000000));
JS
node head.mjs | tee seen.txt

diff seen.txt - <<'SEEN'
seq 1 5 | head -n 1: exit code 0, stdout 1
seq 1 1000000 | head -n 1: exit code 141, stdout 1
SEEN
