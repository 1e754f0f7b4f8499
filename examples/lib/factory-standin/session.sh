# shellcheck shell=bash
# The tmux sessions of the stages and the events that tell their state.
# Source of the facts: the factory contract, sections 5 and 6.
#
# Targets are `-t NAME` and so match by prefix, and the socket is the default
# one of the environment: both are pitfalls of the real program, kept on purpose.

need_tmux() {
  # shellcheck disable=SC2016  # Go's literal words
  command -v tmux >/dev/null || fail 'exec: "tmux": executable file not found in $PATH'
}

tmux_has() {
  tmux has-session -t "$1" 2>/dev/null
}

# session_event NAME ISSUE STAGE EVENT. On failure DB_ERR, returns 1.
session_event() {
  lit "$1" "$3" "$4"
  db "INSERT INTO session_events (issue, session_id, stage, event) VALUES ($2, $SQL_LIST);"
}

# session_last NAME: sets S_ISSUE, S_STAGE, S_STATE and S_SINCE from the latest
# event (issue 0 and empty when there is none).
session_last() {
  quote "$1"
  db "SELECT issue || '$US' || stage || '$US' || event || '$US' || $(time_text timestamp)
      FROM session_events WHERE session_id = $QUOTED ORDER BY id DESC LIMIT 1;" || fail "get session state: $DB_ERR"
  IFS=$US read -r S_ISSUE S_STAGE S_STATE S_SINCE <<<"${DB_OUT:-0$US$US$US}"
}

# session_human NAME: sets HUMAN to whether it is human-driven: the latest `active` has no factory_send shortly before it.
session_human() {
  quote "$1"
  db "SELECT CASE WHEN EXISTS (
        SELECT 1 FROM (SELECT id, timestamp FROM session_events
          WHERE session_id = $QUOTED AND event = 'active' ORDER BY id DESC LIMIT 1) AS a
        WHERE NOT EXISTS (SELECT 1 FROM session_events AS s
          WHERE s.session_id = $QUOTED AND s.event = 'factory_send' AND s.id < a.id
            AND $(seconds_between s.timestamp a.timestamp) <= ${STANDIN_FACTORY_HUMAN_SECONDS:-15}))
      THEN 'true' ELSE 'false' END;" || fail "detect human: $DB_ERR"
  HUMAN=$DB_OUT
}

# type_line SESSION TEXT: types the text and presses Enter.
type_line() {
  tmux send-keys -t "$1" -l -- "$2" && tmux send-keys -t "$1" Enter
}

# session_end NAME: captures the pane into PANE, kills the session, logs `exited`.
# Returns 1 with ERROR when there is no such session.
session_end() {
  if ! tmux_has "$1"; then
    ERROR="session \"$1\" does not exist"
    return 1
  fi
  PANE=$(tmux capture-pane -p -t "$1" -S - 2>/dev/null) || PANE=
  tmux kill-session -t "$1" 2>/dev/null || true
  session_last "$1"
  session_event "$1" "$S_ISSUE" "$S_STAGE" exited || true
}

# session_type NAME EVENT TEXT: logs EVENT (factory_send or steer), then types.
# Returns 1 with ERROR when there is no such session.
session_type() {
  if ! tmux_has "$1"; then
    ERROR="session \"$1\" does not exist"
    return 1
  fi
  session_last "$1"
  session_event "$1" "$S_ISSUE" "$S_STAGE" "$2" || true
  type_line "$1" "$3"
}

# age SECONDS: sets AGE as the program writes durations.
age() {
  if (($1 < 60)); then
    AGE="$1s"
  elif (($1 < 3600)); then
    AGE="$(($1 / 60))m"
  else
    AGE="$(($1 / 3600))h$(($1 / 60 % 60))m"
  fi
}

session_list() {
  local live name issue stage state seconds orphan listed=$'\n' rows=() format='%-20s %-8s %-12s %-10s %-12s %s\n'
  store_open
  need_tmux
  live=$'\n'$(tmux list-sessions -F '#{session_name}' 2>/dev/null || true)$'\n'
  db "SELECT session_id || '$US' || issue || '$US' || stage || '$US' || event || '$US'
        || ($(seconds_between timestamp "$NOW")) FROM session_events
      WHERE id IN (SELECT max(id) FROM session_events GROUP BY session_id)
        AND event IN ('started', 'active', 'idle') ORDER BY id;" || fail "get active sessions: $DB_ERR"
  while IFS=$US read -r name issue stage state seconds; do
    [[ -n $name ]] || continue
    ((${FLAG[issue]:-0} == 0 || FLAG[issue] == issue)) || continue
    listed+="$name"$'\n'
    orphan=
    [[ $live == *$'\n'"$name"$'\n'* ]] || orphan=no-tmux
    AGE=
    # The real program prints nothing there with PostgreSQL.
    [[ $DIALECT == c ]] || age "$seconds"
    rows+=("$name" "$issue" "$stage" "$state" "$AGE" "$orphan")
  done <<<"$DB_OUT"
  while IFS= read -r name; do
    [[ -z $name || $listed == *$'\n'"$name"$'\n'* ]] || rows+=("$name" '' '' '' '' no-db)
  done <<<"$live"
  if ((${#rows[@]} == 0)); then
    echo 'No active sessions.'
    return
  fi
  # shellcheck disable=SC2059  # the format is above
  printf "$format" NAME ISSUE STAGE STATE ELAPSED ORPHAN \
    -------------------- -------- ------------ ---------- ------------ ------ "${rows[@]}"
}

session_peek() {
  local lines=${FLAG[lines]:-50}
  store_open
  need_tmux
  tmux_has "${ARGS[0]}" || fail "session \"${ARGS[0]}\" does not exist"
  tmux capture-pane -p -t "${ARGS[0]}" -S "-${lines#-}"
}

session_status() {
  local alive=dead
  store_open
  session_last "${ARGS[0]}"
  [[ -n $S_STATE ]] || fail "session \"${ARGS[0]}\" not found in database"
  ! tmux_has "${ARGS[0]}" || alive=alive
  db "SELECT $(seconds_between "CAST('$S_SINCE' AS $TIMESTAMP)" "$NOW");" || fail "$DB_ERR"
  age "$DB_OUT"
  printf 'Session:   %s\nState:     %s\nIssue:     %s\nStage:     %s\nSince:     %s (%s ago)\nTmux:      %s\n' \
    "${ARGS[0]}" "$S_STATE" "$S_ISSUE" "$S_STAGE" "$S_SINCE" "$AGE" "$alive"
  [[ ${FLAG[detect-human]:-false} == true ]] || return 0
  session_human "${ARGS[0]}"
  echo "Human:     $HUMAN"
}

session_kill() {
  store_open
  need_tmux
  session_end "${ARGS[0]}" || fail "$ERROR"
  printf 'Session "%s" killed. Captured output:\n%s\n' "${ARGS[0]}" "$PANE"
}

# session_send factory_send|steer
session_send() {
  store_open
  need_tmux
  session_type "${ARGS[0]}" "$1" "${ARGS[*]:1}" || fail "$ERROR"
  if [[ $1 == steer ]]; then
    echo "Steered session \"${ARGS[0]}\""
  else
    echo "Sent prompt to session \"${ARGS[0]}\""
  fi
}

event_log() {
  store_open
  session_event "${FLAG[session]}" "${FLAG[issue]}" "${FLAG[stage]}" "${FLAG[event]}" ||
    fail "log session event: $DB_ERR"
  echo "Logged event: session=${FLAG[session]} event=${FLAG[event]}"
}
