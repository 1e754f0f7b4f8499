# shellcheck shell=bash
# Lists what could be cleaned up. Parts: those of a brief probe; worktrees (PROJECT, ISSUE, bytes, uncommitted files, unpushed
# commits, whether it is locked, path); recordings (NAME and bytes); and in a pod docker and docker-images (a JSON object per
# line).
weigh_worktrees() {
  local project issue path changed unpushed locked
  while IFS=$'\t' read -r project issue path; do
    locked=0
    if is_worktree "$path"; then
      look_for_work "$path"
      if [ -e "$(git -C "$path" rev-parse --absolute-git-dir)/locked" ]; then locked=1; fi
    else
      changed=$(find "$path" -type f | wc --lines) unpushed=0
    fi
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' \
      "$project" "$issue" "$(bytes_of "$path")" "$changed" "$unpushed" "$locked" "$path"
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
