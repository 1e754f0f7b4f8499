#!/usr/bin/env bash
# Runs in a separate pod with the new image, on the worker's node, before the worker is touched: checks whether the image runs
# there, and what its factory would do with the state. On success the last line is `RESULT {build, schema, postgres, help}`.
set -euo pipefail
said=$(factory-worker-selfcheck 2>&1) || {
  printf '%s\n' "$said"
  exit 1
}
HOME=$(mktemp -d)
export HOME
help=$(factory queue add --help 2>/dev/null) || help=''
postgres=false
if grep --quiet --text --fixed-strings github.com/jackc/pgx "$(readlink --canonicalize "$(command -v factory)")"; then postgres=true; fi
schema=null
if [ "$postgres" = false ] && factory queue list --format json >/dev/null 2>&1 && [ -e "$HOME/.factory/factory.db" ]; then
  schema=$(sqlite3 -batch -init /dev/null -readonly "$HOME/.factory/factory.db" 'SELECT max(version) FROM schema_version') || schema=null
fi
jq --raw-output --null-input --slurpfile build /etc/factory-worker/build.json --argjson schema "${schema:-null}" --argjson postgres "$postgres" \
  --arg help "$help" '"RESULT " + ({build: $build[0], schema: $schema, postgres: $postgres, help: $help} | tojson)'
