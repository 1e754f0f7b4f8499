#!/usr/bin/env bash
# Runs in the worker, on the operator's terminal: attaches to a session that exists and tells by its exit code how that
# ended. A cut connection ends it in some other way, so that every other code means: lost.
#
# Arguments: SESSION MODE(read-write|read-only) TERM ID BY
set -uo pipefail
session=$1 mode=$2 terminal=$3 id=$4 by=$5

readonly detached=80 ended=81 absent=82 starting=83 failed=84

# Terminals come faster than the worker's terminfo: ghostty, kitty and others speak what xterm speaks.
known_terminal() {
  case $terminal in
    '' | dumb) echo vt100 ;;
    *) if infocmp "$terminal" >/dev/null 2>&1; then echo "$terminal"; else echo xterm-256color; fi ;;
  esac
}

# The id of the session of exactly this name; of a name tmux would take a prefix, or a dollar sign for an id.
session_id() {
  # tmux takes /tmp when its own folder is gone, where it finds somebody else's sessions.
  [ -d "${TMUX_TMPDIR:-/tmp}" ] || return 0
  tmux list-sessions -F '#{session_id} #{session_name}' 2>/dev/null | while IFS= read -r line; do
    # Cut once: a name may begin or end with a blank.
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

# Before anything is asked: on a terminal it does not know tmux does not even list its sessions.
TERM=$(known_terminal)
export TERM

target=$(session_id)
# Never made anew: an operator who wants to join an agent must not sit in an empty shell (gastownhall/gascity#4079).
if [ -z "$target" ]; then
  if ! booted; then exit "$starting"; fi
  # The boot may have made it since we looked: only a look after the boot's end proves a session absent.
  target=$(session_id)
  if [ -z "$target" ]; then exit "$absent"; fi
fi
audit 2>/dev/null

options=()
if [ "$mode" = read-only ]; then options+=(-r); fi
unset TMUX
# UTF-8 whatever the locale says here; the operator's terminal has it. In the background, since bash hears of a closed
# terminal only between two programs: the client would stay behind, for ever.
tmux -u attach-session "${options[@]}" -t "$target" <&0 &
client=$!
former=$WORKER_RUN_DIR/attach/$id
trap 'kill -HUP "$client" 2>/dev/null; wait "$client"; rm -f "$former"; exit 1' HUP TERM
# For detach.sh, in case that we do not hear of it.
{ mkdir -p "${former%/*}" && echo "$client" >"$former"; } 2>/dev/null
code=0
wait "$client" || code=$?
rm -f "$former"

if [ "$(session_id)" = "$target" ]; then
  if [ "$code" -eq 0 ]; then exit "$detached"; else exit "$failed"; fi
fi
# With its server gone, the worker is being stopped: what comes next may have the session again.
if [ "$code" -eq 0 ]; then exit "$ended"; else exit 1; fi
