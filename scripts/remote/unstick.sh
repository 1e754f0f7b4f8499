# shellcheck shell=bash
# Gets one stuck issue going again, or gives it up, in steps that the laptop has planned (scripts/lib/unstick/plan.ts).
#
# Argument: an UnstickRequest (scripts/lib/unstick/plan.ts).
# Parts: stopped (why not all steps were done), steps (those that were done), then a full probe.
declare -A request
read_request "$1" || exit
issue=${request[issue]} project=${request[project]} standing=${request[standing]}
mapfile -t steps <<<"${request[steps]}"
readonly lock=$WORKER_STATE_DIR/locks/check-in
readonly out=$WORKER_RUN_DIR/unstick-$issue

# In the clone: A takes repository and configuration from the current folder.
enter_project() {
  cd "$(dirname "$WORKER_REPOS_DIR/$project/$(config_of "$project")")" 2>/dev/null || return
}

current_standing() {
  timeout 20 factory status --format json 2>/dev/null |
    jq --raw-output --argjson issue "$issue" 'first(.[]? | select(.issue == $issue)) // {} | "\(.status // "") \(.stage // "") \(.attempt // "")"'
}

# tmux also accepts a prefix of a name; an id is exact.
kill_session() {
  local id name
  while IFS=$'\t' read -r id name; do
    if [ "$name" = "$1" ]; then quietly tmux kill-session -t "$id"; fi
  done < <(tmux list-sessions -F '#{session_id}	#{session_name}' 2>/dev/null)
}

# The stage may take half an hour: runs detached, under the check-in lock, with its progress shown in the orchestrator's pane.
advance() {
  local log=$WORKER_STATE_DIR/logs/orchestrator.log
  rm -f "$out.rc"
  # shellcheck disable=SC2016  # expanded by that bash
  setsid --fork bash -c 'flock --close --wait 5 --conflict-exit-code 75 "$1" factory pipeline advance "$2" >"$3" 2>>"$4"
    echo "$?" >"$3.rc"' advance "$lock" "$issue" "$out" "$log" </dev/null >/dev/null 2>&1 9>&-
  # A failure shows at once.
  for _ in 1 2 3 4 5 6 7 8; do
    sleep 0.5
    if [ -s "$out.rc" ]; then break; fi
  done
  # 75: the supervisor has the lock, and does the same.
  case $(cat "$out.rc" 2>/dev/null) in
    '' | 0 | 75) ;;
    *)
      said=$(tail -n 12 "$log")
      return 1
      ;;
  esac
}

run_step() {
  # shellcheck disable=SC2206  # our own words: names of sessions and stages have no blanks
  local words=($1)
  case ${words[0]} in
    kill-session) kill_session "${words[1]}" ;;
    exited) with_retries factory event log --session "${words[1]}" --issue "$issue" --stage "${words[2]}" --event exited ;;
    retry) with_retries factory pipeline retry "$issue" ;;
    fail) with_retries factory pipeline fail "$issue" ;;
    # The first call removes the worktree and stops at an unmerged branch; the second finishes.
    cleanup) quietly factory pipeline cleanup "$issue" || with_retries factory pipeline cleanup "$issue" ;;
    advance)
      exec 9>&-
      advance
      ;;
  esac
}

said='' steps_done=''
mkdir -p "${lock%/*}"
if [ -n "$project" ] && ! enter_project; then
  emit_part stopped 1 "this worker has no clone of $project"
  probe full
  exit 0
fi
if [ "$(current_standing)" != "$standing" ]; then
  emit_part stopped 1 "#$issue has changed since it was checked: it is now $(current_standing)"
  probe full
  exit 0
fi
note_operator "${request[by]}" "unstick #$issue: ${steps[*]}" 2>/dev/null
# The steps up to `await` run during the check-in that has to end.
patience=5
set -- "${steps[@]}"
if [[ " $* " == *' await '* ]]; then
  patience=75
  while [ "$1" != await ]; do
    run_step "$1"
    steps_done+=$1$'\n'
    shift
  done
  shift
fi
exec 9>>"$lock"
if ! flock --wait "$patience" 9; then
  emit_part stopped 1 "a check-in is at work and did not end within ${patience}s"
  emit_part steps 0 "$steps_done"
  probe full
  exit 0
fi
for step in "$@"; do
  if ! run_step "$step"; then
    emit_part stopped 1 "${step%% *}: $said"
    break
  fi
  steps_done+=$step$'\n'
done
exec 9>&-
emit_part steps 0 "$steps_done"
probe full
