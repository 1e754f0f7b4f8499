#!/usr/bin/env bash
# Runs a program in the worker where it belongs. Arguments: PROJECT (or empty) COMMAND…
set -uo pipefail
project=$1
shift
folder=$HOME
if [ -n "$project" ]; then folder=$WORKER_REPOS_DIR/$project; fi
if ! cd "$folder" 2>/dev/null; then
  echo "error: this worker has no project $project; it has: $(cd "$WORKER_REPOS_DIR" && echo *)" >&2
  exit 2
fi
exec "$@"
