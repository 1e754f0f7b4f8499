#!/usr/bin/env bash
# with-log.sh LOG COMMAND…: runs a command; what it prints, both streams, goes to stderr and into a file. What ends this
# script ends the command as well: a push must not go on when nobody waits for it any more.
#
# For bash 3.2 too, as on macOS, which cannot wait for a process substitution: hence a pipe with a name.
set -Eeuo pipefail
log=$1
shift
mkdir -p "${log%/*}"
pipe=$log.pipe
rm -f "$pipe"
mkfifo "$pipe"
trap 'rm -f "$pipe"' EXIT

# It hears no signal: what the command says last is why it ended.
(
  trap '' INT TERM HUP
  exec tee "$log" <"$pipe" >&2
) &
tee=$!
# Not in front: bash would hear of no signal before it ends. A command behind is told to ignore Ctrl-C, which this undoes.
(
  trap - INT
  exec "$@"
) >"$pipe" 2>&1 &
command=$!

trap 'kill "$command" 2>/dev/null || true' TERM HUP
# The command has heard it from the terminal.
trap ':' INT
code=0
wait "$command" || code=$?
# A signal ends the first wait, and not yet the command.
while kill -0 "$command" 2>/dev/null; do
  code=0
  wait "$command" || code=$?
done
wait "$tee" || true
exit "$code"
