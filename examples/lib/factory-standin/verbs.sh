# shellcheck shell=bash
# factory pipeline retry | fail | abort | cleanup. None of them touches the queue.
# Source of the facts: the factory contract, sections 3 and 4.

# Loads the pipeline the command names.
verb_pipeline() {
  [[ ${ARGS[0]} =~ ^[0-9]+$ ]] || fail "invalid issue number: ${ARGS[0]}"
  project_here
  store_open
  pipeline_get "${ARGS[0]}" || fail "get pipeline: $ERROR"
}

# Only counts an attempt: the pipeline stays `in_progress` and is skipped (dialect a).
pipeline_retry() {
  verb_pipeline
  [[ ${P[status]} != completed ]] || fail "pipeline ${ARGS[0]} is already completed"
  pipeline_set current_attempt $((P[current_attempt] + 1)) current_fix_round 0 current_session '' status in_progress
  pipeline_event retry "manual${FLAG[reason]:+: ${FLAG[reason]}}"
  echo "Pipeline #${ARGS[0]}: retry queued"
}

pipeline_fail() {
  verb_pipeline
  [[ -z ${P[current_session]} ]] || session_end "${P[current_session]}" || true
  pipeline_set status failed
  pipeline_event failed "${FLAG[reason]:-}"
  echo "Pipeline #${ARGS[0]}: marked as failed"
}

pipeline_abort() {
  verb_pipeline
  [[ -z ${P[current_session]} ]] || session_end "${P[current_session]}" || true
  [[ ${FLAG[remove-worktree]:-false} != true ]] || remove_worktree || fail "remove worktree: $ERROR"
  pipeline_set status failed
  pipeline_event aborted ''
  echo "Pipeline #${ARGS[0]}: aborted"
}

# Fails for an unmerged branch after removing the worktree; the second call finds
# no worktree, leaves the branch alone and succeeds.
pipeline_cleanup() {
  verb_pipeline
  [[ ${P[status]} == completed || ${P[status]} == failed ]] ||
    fail "pipeline ${ARGS[0]} has status \"${P[status]}\": only completed or failed pipelines can be cleaned up"
  [[ -z ${P[current_session]} ]] || session_end "${P[current_session]}" || true
  remove_worktree || fail "remove worktree: $ERROR"
  rm -rf -- "${PIPELINE_FILE%/*}" "$DATA_DIR/pipelines/${ARGS[0]:?}"
  echo "Pipeline #${ARGS[0]}: pipeline #${ARGS[0]} cleaned up (worktree + data removed)"
}

# remove_worktree: with its branch, if that is merged. On failure ERROR, returns 1.
remove_worktree() {
  local worktree=${P[worktree]} repo=${P[repo_dir]:-$REPO_DIR}
  [[ -d $worktree && $worktree != "$repo" ]] || return 0
  ERROR=$(git -C "$repo" worktree remove --force "$worktree" 2>&1) || return 1
  ERROR=$(git -C "$repo" branch -d "${P[branch]}" 2>&1) || return 1
}
