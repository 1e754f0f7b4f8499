# shellcheck shell=bash
# Runs the current stage of a pipeline and moves it on: what one check-in does
# to one pipeline, and what `factory pipeline advance N` does alone.
# Source of the facts: the factory contract, section 4.

# advance N: sets ACTION, NEXT, SESSION and MESSAGE. On an error of the stage
# ERROR, returns 1 and leaves the pipeline `pending`. It does not check whether
# another process works on it.
advance() {
  local started=$SECONDS
  ACTION='' NEXT='' SESSION='' MESSAGE=''
  if ! pipeline_get "$1"; then
    ERROR="get pipeline: $ERROR"
    return 1
  fi
  case ${P[status]} in
    completed)
      ACTION=completed MESSAGE='pipeline already completed'
      return
      ;;
    failed | blocked)
      ACTION=failed MESSAGE="pipeline is ${P[status]}"
      return
      ;;
  esac
  project_of_pipeline || return 1
  progress "pipeline #$1: advancing stage \"${P[current_stage]}\" (attempt ${P[current_attempt]})"
  if ! find_stage "${P[current_stage]}"; then
    ERROR="stage \"${P[current_stage]}\" not found in config"
    return 1
  fi
  pipeline_set status in_progress
  if ! stage_run; then
    ERROR="run stage: $ERROR"
    pipeline_set status pending
    return 1
  fi
  SESSION=${P[current_session]}
  if [[ $OUTCOME == rate_limited ]]; then
    ACTION=rate_limited MESSAGE='rate limit detected, the next check-in tries again'
    pipeline_set status rate_limited
    return
  fi
  stage_record $((SECONDS - started))
  if [[ $OUTCOME == success ]]; then
    stage_passed
  else
    stage_failed || return 1
  fi
}

# In dialect b a pipeline has its own config and repository.
project_of_pipeline() {
  [[ -n ${P[config_path]} ]] || return 0
  REPO_DIR=${P[repo_dir]}
  if ! project_read "${P[config_path]}"; then
    ERROR="load pipeline config: $ERROR"
    return 1
  fi
}

# stage_record SECONDS: one entry in stage_history and the attempt's outcome.json.
stage_record() {
  local passed=false entry
  [[ $OUTCOME != success ]] || passed=true
  entry="json_object('stage', '${P[current_stage]}', 'attempt', ${P[current_attempt]}, 'outcome', '$OUTCOME',
    'duration', '$1s', 'fix_rounds', 0, 'checks_first_pass', json('$passed'))"
  pipeline_write "json_insert(j, '\$.stage_history[#]', $entry)"
  json_tool "SELECT $entry;" && write_file "$ATTEMPT_DIR/outcome.json" "$DB_OUT"
}

stage_passed() {
  NEXT=${STAGE[next]}
  if [[ -z $NEXT ]]; then
    ACTION=completed
    progress "pipeline #${P[issue]}: completed"
    pipeline_set status completed
    pipeline_event completed ''
    queue_set_status "${P[issue]}" completed || true
    return
  fi
  ACTION=advanced
  progress "pipeline #${P[issue]}: advancing ${P[current_stage]} → $NEXT"
  pipeline_set status pending current_stage "$NEXT" current_attempt 1 current_fix_round 0 current_session ''
  pipeline_event stage_advanced "from=${STAGE[id]}"
}

# stage_failed: the same stage again, at most twice, unless it has an `on_fail`: another stage is begun anew however often.
stage_failed() {
  local attempt=$((P[current_attempt] + 1)) target=${STAGE[on_fail]}
  SESSION=
  if [[ $target == escalate ]]; then
    ACTION=escalated MESSAGE='stage escalated, human intervention required'
    pipeline_set status blocked
    pipeline_event escalated ''
    return
  fi
  if [[ -n $target && $target != "${STAGE[id]}" ]]; then
    stage_route "$target"
    return
  fi
  if ((attempt > 3)); then
    ACTION=failed MESSAGE="max attempts (3) reached for stage \"${STAGE[id]}\""
    pipeline_set status failed
    pipeline_event max_attempts_reached ''
    queue_set_status "${P[issue]}" failed || true
    return
  fi
  ACTION=retry MESSAGE="stage failed, will retry (attempt $attempt)"
  pipeline_set status pending current_attempt "$attempt" current_fix_round 0 current_session ''
  pipeline_event retry auto
}

# stage_route ID: as after a stage that failed. When there is no such stage ERROR, returns 1.
stage_route() {
  local from=${STAGE[id]}
  if ! find_stage "$1"; then
    ERROR="on_fail target stage \"$1\" not found in config"
    return 1
  fi
  find_stage "$from"
  ACTION=routed NEXT=$1 MESSAGE="stage failed, routing to \"$1\""
  pipeline_set status pending current_stage "$1" current_attempt 1 current_fix_round 0 current_session ''
  pipeline_event on_fail_routed "from=$from"
}

# factory pipeline advance N
pipeline_advance() {
  local stage
  [[ ${ARGS[0]} =~ ^[0-9]+$ ]] || fail "invalid issue number: ${ARGS[0]}"
  project_here
  store_open
  advance "${ARGS[0]}" || fail "$ERROR"
  stage=${STAGE[id]:-}
  if [[ ${FLAG[format]:-text} == json ]]; then
    lit "$ACTION" "$stage" "$SESSION" "$NEXT" "$MESSAGE"
    json_tool "SELECT json_object('issue', ${ARGS[0]}, 'action', a, 'stage', b, 'session', c, 'next_stage', d, 'message', e)
      FROM (SELECT column1 a, column2 b, column3 c, column4 d, column5 e FROM (VALUES ($SQL_LIST)));"
    echo "$DB_OUT"
    return
  fi
  echo "Pipeline #${ARGS[0]}: $ACTION"
  [[ -z $stage ]] || echo "  Stage:     $stage"
  [[ -z $NEXT ]] || echo "  Next:      $NEXT"
  [[ -z $MESSAGE ]] || echo "  Message:   $MESSAGE"
}
