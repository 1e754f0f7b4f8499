#!/usr/bin/env bash
# A login shell like in the worker's sessions. Arguments: PROJECT (or empty) TERM WORKER.
set -uo pipefail
project=$1 terminal=$2 worker=$3
# A build of factory for PostgreSQL needs it.
if [ -z "${DATABASE_URL-}" ] && [ -r "${WORKER_RUN_DIR-}/database-url" ]; then
  IFS= read -r DATABASE_URL <"$WORKER_RUN_DIR/database-url"
  export DATABASE_URL
fi

folder=$HOME
if [ -n "$project" ]; then folder=$WORKER_REPOS_DIR/$project; fi
if ! cd "$folder" 2>/dev/null; then
  echo "error: this worker has no project $project; it has: $(cd "$WORKER_REPOS_DIR" && echo *)" >&2
  exit 2
fi
# Some terminals are newer than the worker's terminfo.
if ! infocmp "${terminal:=dumb}" >/dev/null 2>&1; then terminal=xterm-256color; fi
export TERM=$terminal
# The prompt names the worker, whatever the profile makes of it; what is started in the shell does not inherit that.
export PROMPT_COMMAND="declare +x PROMPT_COMMAND; PS1='($worker) '\${PS1#'($worker) '}"
exec bash --login
