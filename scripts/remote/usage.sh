# shellcheck shell=bash
# The disk and memory usage of a worker. Parts: disk (of its volume); sizes (KIND, NAME and bytes, separated by tabs); and in a
# pod docker-disk, memory (worker.sh) and docker (a JSON object per line).
measure_worktrees() {
  local project issue path
  while IFS=$'\t' read -r project issue path; do
    printf 'worktree\t%s#%s\t%s\n' "$project" "$issue" "$(bytes_of "$path")"
  done < <(worktrees)
}

# A clone without the worktrees inside it.
measure_clones() {
  local clone
  for clone in "$WORKER_REPOS_DIR"/*/; do
    [ -e "$clone/.git" ] || continue
    printf 'clone\t%s\t%s\n' "$(basename "$clone")" \
      "$(nice -n 10 du --summarize --block-size=1 --one-file-system --exclude=worktrees -- "$clone" 2>/dev/null | cut --fields=1)"
  done
}

measure_folders() {
  local root=${WORKER_STATE_DIR%/*}
  printf 'logs\t\t%s\n' "$(bytes_of "$WORKER_STATE_DIR/logs")"
  printf 'backups\t\t%s\n' "$(bytes_of "$WORKER_STATE_DIR/backups")"
  printf 'agents\t\t%s\n' "$(bytes_of "$WORKER_STATE_DIR/claude")"
  if [ -n "${DATABASE_URL-}" ]; then
    printf 'database\t\t%s\n' "$(query_server 'SELECT pg_database_size(current_database())' 2>/dev/null)"
  fi
  printf 'pipelines\t\t%s\n' "$(bytes_of "$root/pipelines" "$root"/factory.db*)"
}

part disk df --portability --block-size=1 "$WORKER_STATE_DIR"
emit_part sizes 0 "$(measure_worktrees; measure_clones; measure_folders)"
if [ "${WORKER_RUNTIME-}" = pod ]; then
  part docker-disk df --portability --block-size=1 /var/lib/docker
  part memory memory
  part docker timeout 20 docker system df --format '{{json .}}'
fi
