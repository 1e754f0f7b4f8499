#!/usr/bin/env bash
# A login shell like in the worker's sessions. Arguments: PROJECT (or empty) TERM.
set -uo pipefail
project=$1 terminal=$2
folder=$HOME
if [ -n "$project" ]; then folder=$WORKER_REPOS_DIR/$project; fi
if ! cd "$folder" 2>/dev/null; then
  echo "error: this worker has no project $project; it has: $(cd "$WORKER_REPOS_DIR" && echo *)" >&2
  exit 2
fi
# Some terminals are newer than the worker's terminfo.
if ! infocmp "${terminal:=dumb}" >/dev/null 2>&1; then terminal=xterm-256color; fi
export TERM=$terminal
exec bash --login
