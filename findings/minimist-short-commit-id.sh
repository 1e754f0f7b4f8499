#!/usr/bin/env bash
# minimist 1.2.8: a short commit id given to a flag that is not declared as a string becomes a number, even Infinity.
#
# Seven hexadecimal digits of which only one is a letter, an e, are a number to it: 1234e12 is 1234000000000000, 12e5678 is
# Infinity, and 0012345 loses its zeros. It holds for positional arguments too, unless `string: ["_"]` is given. About one
# short id in fifty has such an e, so it works in every trial and fails some week later.
set -Eeuo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . minimist@1.2.8
cat >parse.cjs <<'JS'
const minimist = require('minimist');
console.log(minimist(['--tag', '1234e12', '--commit', '12e5678', '0012345']));
console.log(minimist(['--tag', '1234e12', '--commit', '12e5678', '0012345'], { string: ['tag', 'commit', '_'] }));
JS
node parse.cjs | tee seen.txt

diff seen.txt - <<'SEEN'
{ _: [ 12345 ], tag: 1234000000000000, commit: Infinity }
{ _: [ '0012345' ], tag: '1234e12', commit: '12e5678' }
SEEN
