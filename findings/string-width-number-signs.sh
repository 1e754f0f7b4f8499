#!/usr/bin/env bash
# string-width 8.1.0: throws for a string that is only an Arabic number sign (U+0600 to U+0605, U+06DD, U+070F).
#
# The documentation promises a number of columns for any string. A text of nothing but such a sign is a TypeError; between
# letters the same sign counts as nothing. So a table of names that people choose can end in an exception for one of them.
set -Eeuo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . string-width@8.1.0
cat >width.mjs <<'JS'
import stringWidth from 'string-width';
const width = (text) => {
  try {
    return stringWidth(text);
  } catch (error) {
    return String(error);
  }
};
for (const text of ['\u0600', '\u06dd', '\u070f', 'a\u0600b']) {
  console.log([...text].map((c) => `U+${c.codePointAt(0).toString(16).padStart(4, '0')}`).join(' '), width(text));
}
JS
node width.mjs | tee seen.txt

diff seen.txt - <<'SEEN'
U+0600 TypeError: Expected a code point, got `undefined`.
U+06dd TypeError: Expected a code point, got `undefined`.
U+070f TypeError: Expected a code point, got `undefined`.
U+0061 U+0600 U+0062 2
SEEN
