# shellcheck shell=bash
# factory status, orchestrator status, pipeline list, pipeline status
# Source of the facts: the factory contract, section 3.

# status_all text|orchestrator: all pipelines of the store, for any project of
# the directory; the two commands differ only in the table.
status_all() {
  project_here
  store_open
  pipeline_files
  if [[ ${FLAG[format]:-text} == json ]]; then
    status_json null '[' ']'
  else
    status_table "$1"
  fi
}

# session_states: sets SESSION_STATE, the SQL of the state of a pipeline's session: its latest event.
session_states() {
  local name event rows='(NULL, NULL)'
  db "SELECT session_id || '$US' || event FROM session_events
      WHERE id IN (SELECT max(id) FROM session_events GROUP BY session_id);" || fail "list pipelines: $DB_ERR"
  while IFS=$US read -r name event; do
    [[ -n $name ]] || continue
    lit "$name" "$event"
    rows+=", ($SQL_LIST)"
  done <<<"$DB_OUT"
  SESSION_STATE="(SELECT column2 FROM (VALUES $rows) WHERE column1 = json_extract(j, '\$.current_session'))"
}

# status_json EMPTY OPEN CLOSE: prints PIPELINES as JSON, EMPTY if there are none.
status_json() {
  local nl="',' || '$NL'" field="json_quote(json_extract(j, '\$.%s'))" sql=''
  local names=(issue title status stage:current_stage attempt:current_attempt session:current_session) name
  if ((${#PIPELINES[@]} == 0)); then
    echo "$1"
    return
  fi
  session_states
  for name in "${names[@]}"; do
    # shellcheck disable=SC2059  # the format is above
    sql+="'    \"${name%:*}\": ' || $(printf "$field" "${name#*:}") || $nl || "
  done
  sql+="coalesce('    \"session_state\": \"' || $SESSION_STATE || '\"' || $nl, '') || "
  # shellcheck disable=SC2059
  sql+="'    \"branch\": ' || $(printf "$field" branch) || $nl || '    \"fix_round\": ' || $(printf "$field" current_fix_round)"
  sql+=" || CASE WHEN json_array_length(j, '\$.stage_history') > 0
           THEN $nl || '    \"stage_history\": ' || json_extract(j, '\$.stage_history') ELSE '' END"
  sql+=" || CASE WHEN json_extract(j, '\$.goal_gates') != '{}'
           THEN $nl || '    \"goal_gates\": ' || json_extract(j, '\$.goal_gates') ELSE '' END"
  json_tool "SELECT coalesce('$2' || '$NL' || group_concat(line, ',' || '$NL') || '$NL' || '$3', '$1') FROM (
        SELECT '  {' || '$NL' || $sql || '$NL' || '  }' AS line
        FROM $(pipelines_values) ORDER BY json_extract(j, '\$.issue'));" || fail "list pipelines: $DB_ERR"
  echo "$DB_OUT"
}

# status_rows: sets ROWS, one record per pipeline with the fields of the tables. Without session_states no session has a state.
status_rows() {
  ROWS=
  ((${#PIPELINES[@]} > 0)) || return 0
  json_tool "SELECT json_extract(j, '\$.issue') || '$US' || json_extract(j, '\$.status') || '$US'
        || json_extract(j, '\$.current_stage') || '$US' || json_extract(j, '\$.current_attempt') || '$US'
        || json_extract(j, '\$.current_session') || coalesce('(' || ${SESSION_STATE:-NULL} || ')', '') || '$US'
        || json_extract(j, '\$.branch') || '$US' || json_extract(j, '\$.title') || '$RS'
      FROM $(pipelines_values) ORDER BY json_extract(j, '\$.issue');" || fail "list pipelines: $DB_ERR"
  ROWS=$DB_OUT
}

status_table() {
  local issue status stage attempt session title rows=("ISSUE${US}STATUS${US}STAGE${US}ATTEMPT${US}SESSION${US}TITLE")
  local format='%-8s %-12s %-14s %-4s %-20s %s\n'
  session_states
  status_rows
  if [[ -z $ROWS ]]; then
    echo 'No pipelines found.'
    return
  fi
  # shellcheck disable=SC2059  # the format is above
  [[ $1 != text ]] || printf "$format$format" ISSUE STATUS STAGE ATT SESSION TITLE \
    -------- ------------ -------------- ---- -------------------- -----
  while IFS=$US read -r -d "$RS" issue status stage attempt session _ title; do
    issue=${issue#$'\n'}
    ((${#title} <= 40)) || title="${title:0:37}..."
    if [[ $1 == text ]]; then
      # shellcheck disable=SC2059  # the format is above
      printf "$format" "$issue" "$status" "$stage" "$attempt" "$session" "$title"
    else
      rows+=("$issue$US$status$US$stage$US$attempt$US$session$US$title")
    fi
  done <<<"$ROWS"
  [[ $1 == text ]] || print_table "${rows[@]}"
}

# Text only, and the one command that needs neither a project nor, in dialect c, the database.
pipeline_list() {
  local issue status stage attempt session branch title format='%-8s %-12s %-14s %-30s %s\n'
  if [[ $DIALECT == c ]]; then data_dir; else store_open; fi
  pipeline_files
  status_rows
  if [[ -z $ROWS ]]; then
    echo 'No pipelines found.'
    return
  fi
  # shellcheck disable=SC2059  # the format is above
  printf "$format$format" ISSUE STATUS STAGE BRANCH TITLE \
    -------- ------------ -------------- ------------------------------ -----
  # shellcheck disable=SC2034  # attempt and session are read to skip them
  while IFS=$US read -r -d "$RS" issue status stage attempt session branch title; do
    [[ -z ${FLAG[status]:-} || $status == "${FLAG[status]}" ]] || continue
    # shellcheck disable=SC2059
    printf "$format" "${issue#$'\n'}" "$status" "$stage" "$branch" "$title"
  done <<<"$ROWS"
}

pipeline_status() {
  [[ ${ARGS[0]} =~ ^[0-9]+$ ]] || fail "invalid issue number: ${ARGS[0]}"
  project_here
  store_open
  pipeline_get "${ARGS[0]}" || fail "get pipeline: $ERROR"
  if [[ ${FLAG[format]:-text} == json ]]; then
    PIPELINES=("$PIPELINE_FILE")
    status_json null '' ''
    return
  fi
  db "SELECT event FROM session_events WHERE session_id = '${P[current_session]}' ORDER BY id DESC LIMIT 1;" || DB_OUT=
  printf 'Pipeline #%s: %s\n  Status:        %s\n  Branch:        %s\n  Current Stage: %s (attempt %s)\n' \
    "${P[issue]}" "${P[title]}" "${P[status]}" "${P[branch]}" "${P[current_stage]}" "${P[current_attempt]}"
  [[ -z ${P[current_session]} ]] || printf '  Session:       %s (%s)\n' "${P[current_session]}" "$DB_OUT"
}
