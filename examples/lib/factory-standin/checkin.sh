# shellcheck shell=bash
# factory orchestrator check-in: one step, in the foreground.
# Source of the facts: the factory contract, section 4.

ACTIONS=() # issue US action US stage US session US message

check_in() {
  local file live=no
  project_here
  store_open
  # The cursor of a chat service, which each check-in writes, wherever DATA_DIR is.
  if [[ $FAMILY == b && -n ${HOME:-} ]]; then
    mkdir -p -- "$HOME/.factory"
    echo '{}' >"$HOME/.factory/discord_cursor.json"
  fi
  pipelines_by_number
  for file in "${PIPELINES[@]}"; do
    pipeline_load "$file" || continue
    [[ ${P[status]} != completed && ${P[status]} != failed ]] || continue
    live=yes
    check_in_pipeline
    # Dialect b handles one pipeline per call, the lowest number; the others handle all.
    [[ $FAMILY != b ]] || break
  done
  [[ $live == yes ]] || check_in_queue
  [[ $FAMILY != b ]] || check_in_triages
  print_actions
}

# Sets PIPELINES to the files in the order of their issue numbers.
pipelines_by_number() {
  pipeline_files
  ((${#PIPELINES[@]} > 0)) || return 0
  json_tool "SELECT path FROM $(pipelines_values) ORDER BY json_extract(j, '\$.issue');" || fail "list pipelines: $DB_ERR"
  mapfile -t PIPELINES <<<"$DB_OUT"
}

# action NAME STAGE SESSION MESSAGE, for the loaded pipeline.
action() {
  ACTIONS+=("${P[issue]}$US$1$US$2$US$3$US$4")
}

# Decides about the loaded pipeline by its status, then by its session's state.
check_in_pipeline() {
  local stage=${P[current_stage]} session=${P[current_session]}
  case $FAMILY:${P[status]} in
    *:blocked) action skip "$stage" '' 'blocked, waiting for human intervention' ;;
    a:in_progress | design:in_progress)
      # This lasts for ever when the process that set it was killed: section 4.
      action skip "$stage" '' 'in_progress, another advance may be running'
      ;;
    b:rate_limited) check_in_advance ;;
    *)
      S_STATE='' HUMAN=false
      if [[ -n $session ]]; then
        session_human "$session"
        session_last "$session"
      fi
      if [[ $HUMAN == true ]]; then
        # Before the session's state, so that a session that has ended is left alone, too.
        action skip "$stage" '' 'human intervention detected, skipping'
        return
      fi
      # Dialect c notices that the session of a state is gone.
      if [[ $DIALECT == c && $S_STATE != human_input ]] && ! tmux_has "$session"; then S_STATE=${S_STATE:+exited}; fi
      case $S_STATE in
        started | active | factory_send | steer) check_in_running ;;
        human_input) action skip "$stage" '' 'human input detected in session, skipping' ;;
        *)
          if [[ $FAMILY == b && -n $S_STATE ]]; then
            # The previous process was killed: its session must be removed first.
            session_end "$session" || true
            pipeline_set current_session '' status pending
          fi
          check_in_advance
          ;;
      esac
      ;;
  esac
}

# A session at work: leave it alone within the time-out, then steer it.
check_in_running() {
  local stage=${P[current_stage]} session=${P[current_session]} steered
  quote "$session"
  # The FIRST started event of that name counts, even when a re-run added another.
  db "SELECT coalesce($(seconds_between 'min(timestamp)' "$NOW"), 0) FROM session_events
      WHERE session_id = $QUOTED AND event = 'started';" || fail "$DB_ERR"
  seconds "${CONFIG[pipeline.defaults.timeout]:-}"
  if ((DB_OUT <= SECONDS_OF)); then
    action skip "$stage" '' 'session active, within timeout'
    return
  fi
  db "SELECT count(*) FROM session_events WHERE session_id = $QUOTED AND event = 'steer'
        AND $(seconds_between timestamp "$NOW") < 600;" || fail "$DB_ERR"
  steered=$DB_OUT
  if ((steered > 0)); then
    action skip "$stage" '' 'session exceeded timeout, steer already sent recently'
  elif session_type "$session" steer 'Please wrap up your current work and finalize changes.'; then
    action steer "$stage" '' 'session exceeded timeout, sent wrap-up steer'
  else
    action skip "$stage" '' "session exceeded timeout, steer failed: $ERROR"
  fi
}

check_in_advance() {
  local stage=${P[current_stage]} file=$PIPELINE_FILE issue=${P[issue]}
  if advance "$issue"; then
    action "$ACTION" "$stage" "$SESSION" "$MESSAGE"
    return
  fi
  # Blocked, so that an error does not repeat for ever.
  pipeline_load "$file" && pipeline_set status blocked
  action escalate "$stage" '' "advance error, escalated: $ERROR"
}

# Starts the next row of the queue: in a separate call, only without a live pipeline.
check_in_queue() {
  local id issue message
  queue_next || return 0
  IFS=$US read -r id issue CONFIG_PATH <<<"${DB_OUT%%$'\n'*}"
  P=([issue]=$issue)
  progress "queue: processing issue #$issue"
  db "SELECT feature_intent FROM issue_queue WHERE id = $id;" || return 0
  INTENT=$DB_OUT
  [[ -n $INTENT ]] || queue_intent "$id" "$issue" || return 0
  queue_set_status "$issue" active || return 0
  if start_pipeline "$issue"; then
    action queue_started '' '' "queue: started pipeline for issue #$issue"
  else
    message="queue: failed to create pipeline: $ERROR"
    queue_set_status "$issue" failed || true
    action fail '' '' "$message"
  fi
}

# The first pending row, in dialect b the first whose dependencies are completed
# or gone (a failed one is never satisfied). Returns 1 when there is none.
queue_next() {
  local ready='' config="''"
  if [[ $FAMILY == b ]]; then
    config=config_path
    ready="AND NOT EXISTS (SELECT 1 FROM $(json_items "coalesce(nullif(q.depends_on, ''), '[]')") AS d
      JOIN issue_queue AS w ON w.issue = CAST(d.value AS BIGINT) AND w.namespace = q.namespace WHERE w.status != 'completed')"
  fi
  db "SELECT id || '$US' || issue || '$US' || $config FROM issue_queue AS q
      WHERE status = 'pending' $ready ORDER BY position LIMIT 1;" || return 1
  [[ -n $DB_OUT ]]
}

# queue_intent ID ISSUE: derives a missing intent. Without one the row is
# skipped every time, and blocks the queue; dialect c goes on without.
queue_intent() {
  if ! fetch_issue "$2" "$PWD" ''; then
    action skip '' '' "queue: failed to fetch issue #$2 for intent derivation: $ERROR"
    return 1
  fi
  if ! derive_intent; then
    action skip '' '' "queue: intent derivation failed for #$2: $ERROR"
    return 1
  fi
  if [[ -z $INTENT && $DIALECT != c ]]; then
    action skip '' '' 'queue: issue missing feature_intent'
    return 1
  fi
  quote "$INTENT"
  db "UPDATE issue_queue SET feature_intent = $QUOTED WHERE id = $1;" || true
}

# start_pipeline N: issue, worktree, setup, pipeline.json, and the issue once more for issue.json, in the order observed in a
# trace of the program. On failure ERROR, returns 1.
start_pipeline() {
  local repo='' worktree branch=feature/issue-$1
  if [[ -n $CONFIG_PATH ]]; then
    if ! project_read "$CONFIG_PATH"; then
      ERROR="load pipeline config $CONFIG_PATH: $ERROR"
      return 1
    fi
    REPO_DIR=${CONFIG_PATH%/*}
    repo=${CONFIG[pipeline.repo]:-}
  fi
  NAMESPACE=
  [[ -z $repo ]] || namespace_of "$repo"
  if ! fetch_issue "$1" "$PWD" "$repo"; then
    ERROR="fetch issue: $ERROR"
    return 1
  fi
  worktree=$REPO_DIR/worktrees/issue-$1
  make_worktree "$worktree" "$branch" || return 1
  run_setup "$worktree" || return 1
  die_if_told setup
  pipeline_create "$1" "$ISSUE_TITLE" "$branch" "$worktree" "${CONFIG[pipeline.stages.0.id]:-}" "$CONFIG_PATH" ||
    {
      git -C "$REPO_DIR" worktree remove --force "$worktree" >/dev/null 2>&1 || true
      return 1
    }
  die_if_told intent
  pipeline_load "$PIPELINE_FILE" && pipeline_set feature_intent "$INTENT"
  die_if_told issue
  # In the directory of the check-in, without --repo; a failure is ignored.
  if fetch_issue "$1" "$PWD" ''; then
    mkdir -p -- "$DATA_DIR/pipelines/$1"
    write_file "$DATA_DIR/pipelines/$1/issue.json" "$ISSUE_JSON"
  fi
  pipeline_event created ''
}

# run_setup WORKTREE: the commands of `setup:`. On failure ERROR, returns 1, and leaves the worktree as it is.
run_setup() {
  local i command
  for ((i = 0; ; i++)); do
    [[ -v CONFIG[pipeline.setup.$i] ]] || return 0
    command=${CONFIG[pipeline.setup.$i]}
    progress "setup: $command"
    if ! ERROR=$(cd -- "$1" && sh -c "$command" 2>&1); then
      ERROR="worktree setup: $command: $ERROR"
      return 1
    fi
  done
}

# make_worktree PATH BRANCH: from the HEAD of the main checkout, in dialect b
# from origin/main. An existing branch is reused as it is.
make_worktree() {
  local base=()
  [[ $FAMILY != b ]] || base=(origin/main)
  if ERROR=$(git -C "$REPO_DIR" worktree add "$1" -b "$2" "${base[@]}" 2>&1); then
    return 0
  fi
  if [[ $ERROR == *'already exists'* ]] && ERROR=$(git -C "$REPO_DIR" worktree add "$1" "$2" 2>&1); then
    return 0
  fi
  ERROR="create worktree: $ERROR"
  return 1
}

print_actions() {
  local entry issue name stage session message rows=() comma=''
  if [[ ${FLAG[format]:-text} == json ]]; then
    if ((${#ACTIONS[@]} == 0)); then
      printf '{\n  "actions": []\n}\n'
      return
    fi
    printf '{\n  "actions": ['
    for entry in "${ACTIONS[@]}"; do
      IFS=$US read -r -d '' issue name stage session message <<<"$entry" || true
      printf '%s\n    {\n      "issue": %s,\n      "action": "%s",\n      "stage": "%s",\n' "$comma" "$issue" "$name" "$stage"
      [[ -z $session ]] || printf '      "session": "%s",\n' "$session"
      json_string "${message%$'\n'}"
      printf '      "message": %s\n    }' "$JSON"
      comma=,
    done
    printf '\n  ]\n}\n'
    return
  fi
  if ((${#ACTIONS[@]} == 0)); then
    echo 'No active pipelines.'
    return
  fi
  rows=("ISSUE${US}ACTION${US}STAGE${US}SESSION${US}MESSAGE")
  for entry in "${ACTIONS[@]}"; do
    IFS=$US read -r -d '' issue name stage session message <<<"$entry" || true
    message=${message%$'\n'}
    ((${#message} <= 60)) || message="${message:0:57}..."
    rows+=("$issue$US$name$US$stage$US$session$US$message")
  done
  print_table "${rows[@]}"
}
