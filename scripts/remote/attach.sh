#!/usr/bin/env bash
# Runs in the worker, on the operator's terminal: attaches to an existing session and reports by its exit code how that ended.
# A lost connection ends it in some other way, so every other code means: connection lost.
#
# Arguments: SESSION MODE(read-write|read-only) TERM ID BY HINT NESTED(yes|no)
# HINT is shown in the status line of this client; empty for none. A client in the operator's own tmux has another one.
set -uo pipefail
session=$1 mode=$2 terminal=$3 id=$4 by=$5 hint=$6 nested=$7

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

# tmux has one status line for all clients of a session, but expands it for each: ours are told by their process ids. Options
# whose names begin with @ mean nothing to tmux and factory.
readonly hint_format='#{?#{m:*:#{client_pid}:*,#{@attach_clients}},#{@attach_hint},#{?#{m:*:#{client_pid}:*,#{@attach_nested_clients}},#{@attach_nested_hint},#{E:@attach_status}}}'

# The option with our client in it; empty while it shows no hint.
clients=

# show_hint CLIENT: shows the hint in the status line of this client; the others keep theirs.
show_hint() {
  local kind=@attach own status
  # A session without a status line would lose a row to it, and of several lines the others would vanish.
  if [ -z "$hint" ] || [ "$(tmux display-message -p -t "$target" '#{status}')" != on ]; then return; fi
  own=$(tmux show-options -v -t "$target" 'status-format[0]')
  if [ -n "$own" ] && [ "$own" != "$hint_format" ]; then return; fi
  status=$(tmux show-options -g -v 'status-format[0]')
  if [ "$nested" = yes ]; then kind=@attach_nested; fi
  clients=${kind}_clients
  tmux set-option -t "$target" @attach_status "$status" ';' \
    set-option -t "$target" "${kind}_hint" "$hint" ';' \
    set-option -a -t "$target" "$clients" ":$1:" ';' \
    set-option -t "$target" 'status-format[0]' "$hint_format"
}

# hide_hint CLIENT: takes this client off the list, and all of it away after the last one.
hide_hint() {
  local option cleanup=
  if [ -z "$clients" ]; then return; fi
  for option in status-format @attach_{status,clients,hint} @attach_nested_{clients,hint}; do
    cleanup+="set-option -q -u -t '$target' $option ; "
  done
  tmux set-option -F -t "$target" "$clients" "#{s/:$1://:$clients}" ';' \
    if-shell -F -t "$target" '#{@attach_clients}#{@attach_nested_clients}' '' "${cleanup% ; }"
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
trap 'kill -HUP "$client" 2>/dev/null; wait "$client"; rm -f "$former"; hide_hint "$client" 2>/dev/null; exit 1' HUP TERM
# For detach.sh, in case we do not notice the end.
{ mkdir -p "${former%/*}" && echo "$client" >"$former"; } 2>/dev/null
show_hint "$client" 2>/dev/null
code=0
wait "$client" || code=$?
rm -f "$former"
hide_hint "$client" 2>/dev/null

if [ "$(session_id)" = "$target" ]; then
  if [ "$code" -eq 0 ]; then exit "$detached"; else exit "$failed"; fi
fi
# If its server is gone, the worker is being stopped: its successor may have the session again.
if [ "$code" -eq 0 ]; then exit "$ended"; else exit 1; fi
