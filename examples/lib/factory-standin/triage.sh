# shellcheck shell=bash
# factory triage run N, and what a check-in does with triages: dialect b only.
# A triage has no row in the queue and no pipeline: one JSON file per issue in
# ~/.factory/triage/OWNER-NAME, and check-ins that check whether its agent has
# written its outcome.
# Source of the facts: the program's source.

declare -gA T # the fields of one triage
TRIAGE_DIR=
TRIAGE_FILE=

# triage_config: reads the repository's triage.yaml into CONFIG, sets TRIAGE_DIR. Returns 1 with ERROR when it has none.
triage_config() {
  if ! project_read "$REPO_DIR/triage.yaml"; then
    ERROR="load triage config: $ERROR"
    return 1
  fi
  TRIAGE_DIR=$HOME/.factory/triage/${CONFIG[triage.repo]//\//-}
}

# triage_load FILE: fills T.
triage_load() {
  local key value
  TRIAGE_FILE=$1 T=()
  quote "$1"
  json_tool "SELECT key || char(31) || value FROM json_each(CAST(readfile($QUOTED) AS TEXT)) WHERE type != 'array';" || return 1
  while IFS=$US read -r key value; do
    T[$key]=$value
  done <<<"$DB_OUT"
}

# triage_set KEY VALUE…: changes the file and T.
triage_set() {
  local changes=''
  while (($# > 0)); do
    T[$1]=$2
    quote "$2"
    changes+=", '\$.$1', $QUOTED"
    shift 2
  done
  quote "$TRIAGE_FILE"
  json_tool "SELECT json_set(CAST(readfile($QUOTED) AS TEXT)$changes);" || fail "write $TRIAGE_FILE: $DB_ERR"
  write_file "$TRIAGE_FILE" "$DB_OUT"
}

triage_run() {
  local issue=${ARGS[0]}
  [[ $issue =~ ^[1-9][0-9]*$ ]] || fail "invalid issue number \"$issue\": must be a positive integer"
  project_here
  store_open
  triage_config || fail "$ERROR"
  fetch_issue "$issue" "$PWD" '' || fail "fetch issue #$issue: $ERROR"
  mkdir -p -- "$TRIAGE_DIR"
  quote "${CONFIG[triage.repo]}"
  TRIAGE_FILE=$TRIAGE_DIR/$issue.json
  write_file "$TRIAGE_FILE" "{\"issue\": $issue, \"status\": \"pending\", \"stage_history\": []}"
  T=([issue]=$issue)
  triage_set repo "${CONFIG[triage.repo]}" current_stage "${CONFIG[stages.0.id]}"
  triage_stage "${CONFIG[stages.0.id]}" || fail "start first stage for issue $issue: $ERROR"
  echo "  → triage #$issue: starting \"${T[current_stage]}\""
}

# triage_index ID: sets index to the number of a stage in the configuration, or to none.
triage_index() {
  for ((index = 0; ; index++)); do
    [[ -v CONFIG[stages.$index.id] ]] || break
    [[ ${CONFIG[stages.$index.id]} != "$1" ]] || return 0
  done
  index=none
}

# triage_stage ID: starts its session and sends the prompt, without waiting for it.
triage_stage() {
  local session=triage-${T[issue]}-$1 key index names=()
  triage_index "$1"
  for key in "${!CONFIG[@]}"; do
    [[ $key != stages."$index".outcomes.* ]] || names+=("${key##*.}")
  done
  P=([issue]=${T[issue]} [current_stage]=$1 [worktree]=$REPO_DIR)
  # shellcheck disable=SC2034  # read by stage.sh
  STAGE=([model]=claude-opus-4-6)
  mkdir -p -- "$TRIAGE_DIR/${T[issue]}"
  session_open "$session" || return 1
  sleep "${STANDIN_FACTORY_BOOT_SECONDS:-1}"
  await_claude "$session"
  paste_prompt "$session" "Triage of issue #${T[issue]}: ${ISSUE_TITLE:-}
Write one of the outcomes ${names[*]} to $TRIAGE_DIR/${T[issue]}/$1.outcome.json" || return 1
  triage_set status in_progress current_stage "$1" current_session "$session"
}

# What a check-in does with each triage in progress in the repository that it is called in.
check_in_triages() {
  local file
  project_here
  triage_config 2>/dev/null || return 0
  for file in "$TRIAGE_DIR"/*.json; do
    if [[ -f $file ]] && triage_load "$file" && [[ ${T[status]} == in_progress ]]; then check_in_triage; fi
  done
}

triage_action() {
  ACTIONS+=("${T[issue]}${US}triage:$1$US$2$US$US$3")
}

check_in_triage() {
  local stage=${T[current_stage]} outcome next index
  session_last "${T[current_session]}"
  case $S_STATE in
    idle | exited) ;;
    *)
      triage_action skip "$stage" "session is $S_STATE"
      return
      ;;
  esac
  quote "$TRIAGE_DIR/${T[issue]}/$stage.outcome.json"
  if ! json_tool "SELECT json_extract(CAST(readfile($QUOTED) AS TEXT), '\$.outcome');" || [[ -z $DB_OUT ]]; then
    triage_action error "$stage" 'read outcome: not found'
    return
  fi
  outcome=$DB_OUT
  triage_index "$stage"
  next=${CONFIG[stages.$index.outcomes.$outcome]:-done}
  if [[ $next == 'done' ]]; then
    triage_set status completed current_session ''
    triage_action completed "$stage" "outcome=$outcome"
  elif triage_set current_stage "$next" && triage_stage "$next"; then
    triage_action advance "$stage" "→ $next (outcome=$outcome)"
  else
    triage_action error "$stage" "start stage $next: $ERROR"
  fi
}
