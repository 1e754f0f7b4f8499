#!/usr/bin/env bash
# Runs a program in the worker, in the right directory. Arguments: NONCE PROJECT (or empty) COMMAND…
#
# With a NONCE the end of the program is reported on stderr, after all its output there: NUL NONCE SPACE CODE NEWLINE. kubectl
# can report success for a truncated stream (kubernetes/kubernetes#73056); this line is missing then. Without a NONCE the
# program replaces this script, as a terminal and its signals require.
set -uo pipefail
nonce=$1
project=$2
shift 2

tell_end() {
  local code=$?
  printf '\0%s %d\n' "$nonce" "$code" >&2
}
if [ -n "$nonce" ]; then trap tell_end EXIT; fi

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
if [ -z "$nonce" ]; then exec "$@"; fi
# `exec` here too, so that COMMAND is a program and never a builtin of bash. bash's own message about a program that a signal
# ended ("Killed") is not output of the program.
{ (
  exec 2>&3 3>&-
  exec "$@"
); } 3>&2 2>/dev/null
