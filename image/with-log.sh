#!/usr/bin/env bash
# with-log.sh LOG COMMAND…: runs a command and keeps in a file what it says. Where stderr is a terminal, that is on it, too: the
# command's stdout is passed on to the terminal, so that it can draw its progress there, and stderr goes to both. Elsewhere both
# streams go into the file only. A signal that ends this script ends the command as well: a push must not continue when no one
# waits for it any more.
#
# Also for bash 3.2, as on macOS, which cannot wait for a process substitution: hence a named pipe.
set -Eeuo pipefail
log=$1
shift
mkdir -p "${log%/*}"
pipe=$log.pipe
rm -f "$pipe"
mkfifo "$pipe"
trap 'rm -f "$pipe"' EXIT

# It ignores signals: the last output of the command tells why it ended.
(
  trap '' INT TERM HUP
  if [[ -t 2 ]]; then exec tee "$log" <"$pipe" >&2; else exec cat <"$pipe" >"$log"; fi
) &
keeper=$!
# In the background: otherwise bash would handle no signal before the command ends. bash makes background commands ignore
# Ctrl-C, which this undoes.
(
  trap - INT
  if [[ -t 2 ]]; then exec "$@" >&2 2>"$pipe"; else exec "$@" >"$pipe" 2>&1; fi
) &
command=$!

trap 'kill "$command" 2>/dev/null || true' TERM HUP
# The command has received it from the terminal. Ignored here, not caught: that would end `wait`, and the exit code of a command
# that ends at that very moment is lost to bash.
trap '' INT
code=0
wait "$command" || code=$?
# A signal ends `wait`, but not necessarily the command.
while kill -0 "$command" 2>/dev/null; do
  code=0
  wait "$command" || code=$?
done
wait "$keeper" || true
exit "$code"
