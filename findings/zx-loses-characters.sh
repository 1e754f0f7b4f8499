#!/usr/bin/env bash
# zx 8.8.5: characters of a long output turn into U+FFFD, and `buffer()` does not give the bytes that were printed.
#
# zx decodes every chunk that arrives for itself, so a character whose bytes come in two chunks is lost at each border, in
# stdout, text() and lines(). `buffer()` encodes that decoded text again, with stderr mixed in: what is not UTF-8, such as an
# archive, comes out longer and broken. Short output is right, as is output that happens to be ASCII. The bytes can be had
# from the `store` option, which takes the chunks as they came.
set -Eeuo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . zx@8.8.5
cat >print.cjs <<'JS'
// One byte, then characters of two bytes: a pipe's chunks have an even number of bytes, so each border splits one.
const { writeSync } = require('node:fs');
if (process.argv[2] === 'text') process.stdout.write(`x${'é'.repeat(200_000)}`);
else writeSync(1, Buffer.from([0xff, 0xfe, 0x00]));
JS
cat >read.mjs <<'JS'
import { $ } from 'zx';
$.quiet = true;
const text = await $`node print.cjs text`;
console.log('characters lost:', text.stdout.includes('\ufffd'));
const bytes = await $`node print.cjs bytes`;
console.log('printed: ff fe 00, buffer():', [...bytes.buffer()].map((byte) => byte.toString(16).padStart(2, '0')).join(' '));
const store = { stdout: [], stderr: [], stdall: [] };
await $({ store })`node print.cjs text`;
console.log('by the store, whole:', Buffer.concat(store.stdout).toString() === `x${'é'.repeat(200_000)}`);
JS
node read.mjs | tee seen.txt

diff seen.txt - <<'SEEN'
characters lost: true
printed: ff fe 00, buffer(): ef bf bd ef bf bd 00
by the store, whole: true
SEEN
