# shellcheck shell=bash
# What could be cleaned up. Parts: those of a brief probe; worktrees (PROJECT, ISSUE, bytes, files that are changed, commits
# that no remote has, path); recordings (NAME and bytes); and in a pod docker and docker-images (a JSON object in each line).
weigh_worktrees() {
  local project issue path changed unpushed
  while IFS=$'\t' read -r project issue path; do
    # What cannot be told counts as work that would be lost.
    if is_worktree "$path"; then
      changed=$(git -C "$path" status --porcelain 2>/dev/null | wc --lines) || changed=1
      unpushed=$(git -C "$path" rev-list --count HEAD --not --remotes 2>/dev/null) || unpushed=1
    else
      changed=$(find "$path" -type f | wc --lines) unpushed=0
    fi
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$project" "$issue" "$(bytes_of "$path")" "$changed" "$unpushed" "$path"
  done < <(worktrees)
}

weigh_recordings() {
  local file name
  for file in "$WORKER_STATE_DIR"/logs/sessions/*.log; do
    [ -e "$file" ] || continue
    name=$(basename "$file" .log)
    printf '%s\t%s\n' "$name" "$(bytes_of "$file" "$file.1")"
  done
}

probe brief
emit_part worktrees 0 "$(weigh_worktrees)"
emit_part recordings 0 "$(weigh_recordings)"
if [ "${WORKER_RUNTIME-}" = pod ]; then
  part docker timeout 20 docker system df --format '{{json .}}'
  part docker-images timeout 20 docker image ls --filter dangling=true --format '{{json .}}'
fi
