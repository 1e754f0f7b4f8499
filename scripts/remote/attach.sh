#!/usr/bin/env bash
# Runs in the worker, on the operator's terminal: attaches to an existing session and reports by its exit code how that ended.
# A lost connection ends it in some other way, so every other code means: connection lost.
#
# Arguments: SESSION MODE(read-write|read-only) TERM ID BY
set -uo pipefail
session=$1 mode=$2 terminal=$3 id=$4 by=$5

readonly detached=80 ended=81 absent=82 starting=83 failed=84

# Some terminals are newer than the worker's terminfo: ghostty, kitty and others are compatible with xterm.
known_terminal() {
  case $terminal in
    '' | dumb) echo vt100 ;;
    *) if infocmp "$terminal" >/dev/null 2>&1; then echo "$terminal"; else echo xterm-256color; fi ;;
  esac
}

# The id of the session with exactly this name: tmux would also accept a prefix, and take a dollar sign for an id.
session_id() {
  # tmux falls back to /tmp when its own folder is gone, where it finds sessions of others.
  [ -d "${TMUX_TMPDIR:-/tmp}" ] || return 0
  tmux list-sessions -F '#{session_id} #{session_name}' 2>/dev/null | while IFS= read -r line; do
    # Split once: a name may begin or end with a blank.
    if [ "${line#* }" = "$session" ]; then echo "${line%% *}"; fi
  done
}

booted() {
  jq --exit-status '.finishedAt != null' "$WORKER_RUN_DIR/boot.json" >/dev/null 2>&1
}

audit() {
  jq --null-input --compact-output --arg by "$by" --arg session "$session" --arg mode "$mode" --arg id "$id" \
    '{at: (now | todate), by: $by, session: $session, mode: $mode, id: $id}' >>"$WORKER_STATE_DIR/attach.jsonl"
}

# First of all: on an unknown terminal tmux does not even list its sessions.
TERM=$(known_terminal)
export TERM

target=$(session_id)
# Never created: an operator who wants to join an agent must not end up in an empty shell (gastownhall/gascity#4079).
if [ -z "$target" ]; then
  if ! booted; then exit "$starting"; fi
  # The boot may have created it since: a session is only known to be absent after the boot has ended.
  target=$(session_id)
  if [ -z "$target" ]; then exit "$absent"; fi
fi
audit 2>/dev/null

options=()
if [ "$mode" = read-only ]; then options+=(-r); fi
unset TMUX
# UTF-8 whatever the locale is here, since the operator's terminal uses it. In the background, since bash notices a closed
# terminal only between two programs: the client would stay behind for ever.
tmux -u attach-session "${options[@]}" -t "$target" <&0 &
client=$!
former=$WORKER_RUN_DIR/attach/$id
trap 'kill -HUP "$client" 2>/dev/null; wait "$client"; rm -f "$former"; exit 1' HUP TERM
# For detach.sh, in case we do not notice the end.
{ mkdir -p "${former%/*}" && echo "$client" >"$former"; } 2>/dev/null
code=0
wait "$client" || code=$?
rm -f "$former"

if [ "$(session_id)" = "$target" ]; then
  if [ "$code" -eq 0 ]; then exit "$detached"; else exit "$failed"; fi
fi
# If its server is gone, the worker is being stopped: its successor may have the session again.
if [ "$code" -eq 0 ]; then exit "$ended"; else exit 1; fi
