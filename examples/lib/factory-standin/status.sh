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

# The SQL of one session state: the latest event of the pipeline's session.
readonly SESSION_STATE="(SELECT event FROM session_events
  WHERE session_id = json_extract(j, '\$.current_session') ORDER BY id DESC LIMIT 1)"

# status_json EMPTY OPEN CLOSE: prints PIPELINES as JSON, EMPTY if there are none.
status_json() {
  local nl="',' || char(10)" field="json_quote(json_extract(j, '\$.%s'))" sql=''
  local names=(issue title status stage:current_stage attempt:current_attempt session:current_session) name
  if ((${#PIPELINES[@]} == 0)); then
    echo "$1"
    return
  fi
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
  db "SELECT coalesce('$2' || char(10) || group_concat(row, ',' || char(10)) || char(10) || '$3', '$1') FROM (
        SELECT '  {' || char(10) || $sql || char(10) || '  }' AS row
        FROM $(pipelines_values) ORDER BY json_extract(j, '\$.issue'));" || fail "list pipelines: $DB_ERR"
  echo "$DB_OUT"
}

# status_rows: sets ROWS, one record per pipeline with the fields of the tables.
status_rows() {
  ROWS=
  ((${#PIPELINES[@]} > 0)) || return 0
  db "SELECT json_extract(j, '\$.issue') || char(31) || json_extract(j, '\$.status') || char(31)
        || json_extract(j, '\$.current_stage') || char(31) || json_extract(j, '\$.current_attempt') || char(31)
        || json_extract(j, '\$.current_session') || coalesce('(' || $SESSION_STATE || ')', '') || char(31)
        || json_extract(j, '\$.branch') || char(31) || json_extract(j, '\$.title') || char(30)
      FROM $(pipelines_values) ORDER BY json_extract(j, '\$.issue');" || fail "list pipelines: $DB_ERR"
  ROWS=$DB_OUT
}

status_table() {
  local issue status stage attempt session title rows=("ISSUE${US}STATUS${US}STAGE${US}ATTEMPT${US}SESSION${US}TITLE")
  local format='%-8s %-12s %-14s %-4s %-20s %s\n'
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

# Text only, and the one command that needs neither a project nor sessions.
pipeline_list() {
  local issue status stage attempt session branch title format='%-8s %-12s %-14s %-30s %s\n'
  if [[ $DIALECT == pg ]]; then
    echo 'No pipelines found.'
    return
  fi
  store_open
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
