#!/usr/bin/env bash
# Runs a program in the worker where it belongs. Arguments: NONCE PROJECT (or empty) COMMAND…
#
# With a NONCE the end of the program is told on stderr, behind all that it wrote there: NUL NONCE SPACE CODE NEWLINE. kubectl
# can report success for a stream that was cut (kubernetes/kubernetes#73056); this line is missing then. Without a NONCE the
# program takes the place of this script, as a terminal and its signals want it.
set -uo pipefail
nonce=$1
project=$2
shift 2

tell_end() {
  local code=$?
  printf '\0%s %d\n' "$nonce" "$code" >&2
}
if [ -n "$nonce" ]; then trap tell_end EXIT; fi

folder=$HOME
if [ -n "$project" ]; then folder=$WORKER_REPOS_DIR/$project; fi
if ! cd "$folder" 2>/dev/null; then
  echo "error: this worker has no project $project; it has: $(cd "$WORKER_REPOS_DIR" && echo *)" >&2
  exit 2
fi
if [ -z "$nonce" ]; then exec "$@"; fi
# `exec` here too, so that COMMAND is a program and never a builtin of bash. What bash itself says of a program that a signal
# ended ("Killed") is not the program's.
{ (
  exec 2>&3 3>&-
  exec "$@"
); } 3>&2 2>/dev/null
