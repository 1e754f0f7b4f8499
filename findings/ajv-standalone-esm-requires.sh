#!/usr/bin/env bash
# Ajv 8.20.0: standalone code that was asked for as an ES module calls `require`, and fails where it is run as one.
#
# With `code: { source: true, esm: true }` the exports are `export`, but the helpers of maxLength, uniqueItems, formats … come
# by `require("ajv/dist/runtime/…")`. A schema without such a keyword works, so the failure comes with the first `maxLength`.
# A bundler hides it, as long as it turns `require` into an import.
set -Eeuo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . ajv@8.20.0
cat >compile.cjs <<'JS'
const { writeFileSync } = require('node:fs');
const Ajv = require('ajv').default;
const standalone = require('ajv/dist/standalone').default;
for (const [name, schema] of Object.entries({
  plain: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } },
  limited: { type: 'string', maxLength: 63 },
})) {
  const ajv = new Ajv({ code: { source: true, esm: true } });
  writeFileSync(`${name}.mjs`, standalone(ajv, ajv.compile(schema)));
}
JS
node compile.cjs
{
  for name in plain limited; do
    node --input-type=module --eval "
      import('$work/$name.mjs').then((m) => console.log('$name', m.default({ name: 'x' })), (e) => console.log('$name', String(e).split('\n')[0]))"
  done
} | tee seen.txt

diff seen.txt - <<'SEEN'
plain true
limited ReferenceError: require is not defined in ES module scope, you can use import instead
SEEN
