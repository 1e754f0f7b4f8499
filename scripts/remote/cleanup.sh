# shellcheck shell=bash
# Removes what was chosen, after checking again: an issue may have been queued again before the operator answered. Under the
# queue's lock, so that this does not happen meanwhile.
#
# Argument: a CleanupRequest (scripts/lib/housekeeping/cleanup.ts).
# Parts: busy, or outcomes (a line of JSON for each item: CleanupOutcome of scripts/lib/contract.ts).
declare -A request
read_request "$1" || exit

# Issues that are being worked on or waiting: their pipeline is live, they are in the queue, or one of their sessions runs.
# Not one that was named, was taken and not begun, and that no check-in can be starting now.
live_issues() {
  local queue pipelines
  queue=$(queue 2>/dev/null) && pipelines=$(pipelines 2>/dev/null) || return 1
  jq --null-input --raw-output --argjson queue "${queue:-null}" --argjson pipelines "${pipelines:-null}" \
    --arg named "${request[named]}" --arg lock "$(lock_state "$WORKER_STATE_DIR/locks/check-in")" '
    [$pipelines[]? | .issue] as $begun
    | def abandoned: $lock == "free" and .Status == "active" and (.Issue | IN($begun[]) | not)
        and (.Issue | tostring | IN($named | split("\n")[]));
    [$pipelines[]? | select(.status == "completed" or .status == "failed") | .issue] as $ended
    | ($pipelines[]? | select(.status != "completed" and .status != "failed") | .issue),
      ($queue[]? | select(abandoned | not)
        | select(.Status == "pending" or (.Status == "active" and (.Issue | IN($ended[]) | not))) | .Issue)' &&
    # Without a server there are no sessions.
    { sessions 2>/dev/null || true; } | sed -nE 's/^([0-9]+)-.*/\1/p'
}

# is_named ISSUE: whether its unsaved work may be removed, too.
is_named() {
  grep --quiet --line-regexp --fixed-strings -- "$1" <<<"${request[named]}"
}

is_live() {
  grep --quiet --line-regexp --fixed-strings -- "$1" <<<"$live"
}

# Each sets $fate and $why.
remove_worktree() {
  local path=$1 project issue found='' force=() changed unpushed
  while IFS=$'\t' read -r project issue found; do
    if [ "$found" = "$path" ]; then break; fi
    found=''
  done < <(worktrees)
  if [ -z "$found" ]; then fate='done' why='it is gone already' && return; fi
  if is_live "$issue"; then fate='kept' why="#$issue is being worked on, or waits in the queue" && return; fi
  if ! is_worktree "$path"; then
    remove_folder "$path"
    return
  fi
  look_for_work "$path"
  if is_named "$issue"; then
    # Twice: also when it is locked.
    force=(--force --force)
  elif [ "$unpushed" != 0 ]; then
    fate='kept' why='it has commits that no remote has' && return
  elif [ "$changed" = 0 ] && [ -n "$(git -C "$path" submodule --quiet foreach 'echo one' 2>/dev/null)" ]; then
    # Otherwise git removes no worktree with submodules, whatever is in them.
    force=(--force)
  fi
  # Without --force git itself refuses when a file is modified or untracked.
  if quietly git -C "$WORKER_REPOS_DIR/$project" worktree remove "${force[@]}" "$path"; then
    fate='done' why=''
  else
    fate='failed' why=$said
  fi
}

# A folder in the place of a worktree that is not one.
remove_folder() {
  if ! is_named "$issue" && [ -n "$(find "$1" -type f -print -quit)" ]; then
    fate='kept' why='it has files that git does not know' && return
  fi
  if quietly rm --recursive --force "$1"; then fate='done' why=''; else fate='failed' why=$said; fi
}

remove_log() {
  local name=$1 issue=${1%%-*}
  if is_live "$issue"; then fate='kept' why="#$issue is being worked on, or waits in the queue" && return; fi
  if quietly rm -f -- "$WORKER_STATE_DIR/logs/sessions/$name.log" "$WORKER_STATE_DIR/logs/sessions/$name.log.1"; then
    fate='done' why=''
  else
    fate='failed' why=$said
  fi
}

# Build cache and images without a name. Never volumes or named images.
prune_docker() {
  if quietly timeout 300 docker "$1" prune --force; then
    fate='done' why=$(tail -n 1 <<<"$said")
  else
    fate='failed' why=$said
  fi
}

said='' outcomes='' fate='' why='' json=''
take_queue_lock 30 || exit 0
if ! live=$(live_issues 9>&-); then
  emit_part busy 1 'factory cannot tell which issues are being worked on'
  exit 0
fi
mapfile -t items <<<"${request[items]}"
for item in "${items[@]}"; do
  case $item in
    'worktree '*) remove_worktree "${item#worktree }" ;;
    'log '[0-9]*-*) if [[ $item == */* ]]; then fate='failed' why='not the name of a session'; else remove_log "${item#log }"; fi ;;
    'docker builder' | 'docker image')
      # They come last and take minutes, during which a dispatch must not have to wait.
      exec 9>&-
      prune_docker "${item#docker }"
      ;;
    *) fate='failed' why='not something that cleanup removes' ;;
  esac
  if [ "$fate" = 'done' ]; then note_operator "${request[by]}" "cleanup $item" 2>/dev/null; fi
  to_json "$item"
  printf -v line '{"id":%s,"fate":"%s","why":' "$json" "$fate"
  to_json "$why"
  outcomes+=$line$json$'}\n'
done
emit_part outcomes 0 "$outcomes"
