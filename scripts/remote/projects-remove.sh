# shellcheck shell=bash
# Removes a project: its entry in the list made from here, and its clone. Under the locks of the queue and of the list, so that
# no issue of it is dispatched meanwhile. Arguments: BY, NAME, ISSUES (the issues in the queue when it was looked at, as a JSON
# list: a queue with others has to be looked at again), FORCE (yes|no: also with work that is in no other place).
# Part: removed (`yes`; with 1: why not; with 2: the work that would be lost).
by=$1 name=$2 known=$3 force=$4
folder=$WORKER_REPOS_DIR/$name file=$WORKER_STATE_DIR/projects.json

stop_with() {
  emit_part removed "$1" "$2"
  exit 0
}

# What is in no other place: uncommitted files, stashes, and commits that no remote has.
unsaved() {
  local path changed unpushed heads
  [ -e "$folder/.git" ] || return 0
  while IFS= read -r path; do
    [ -d "$path" ] || continue
    look_for_work "$path"
    if [ "$changed" -gt 0 ]; then printf '%s has %d uncommitted files; ' "$path" "$changed"; fi
  done < <(git -C "$folder" worktree list --porcelain 2>/dev/null | sed -n 's/^worktree //p')
  # Also of worktrees that are on no branch.
  mapfile -t heads < <(git -C "$folder" worktree list --porcelain 2>/dev/null | sed -n 's/^HEAD //p')
  unpushed=$(git -C "$folder" rev-list --count --branches --tags "${heads[@]}" --not --remotes 2>/dev/null) || unpushed=1
  if [ "$unpushed" -gt 0 ]; then printf '%d commits are not pushed; ' "$unpushed"; fi
  if git -C "$folder" rev-parse --verify --quiet refs/stash >/dev/null; then printf 'there are stashes; '; fi
}

mkdir -p "$WORKER_STATE_DIR/locks"
exec 9>>"$WORKER_STATE_DIR/locks/queue" 8>>"$WORKER_STATE_DIR/locks/projects"
flock --wait 30 9 || stop_with 1 'another process has held the queue for more than 30s'
flock --wait 10 8 || stop_with 1 'another process has held the list of projects for more than 10s'
rows=$(queue 2>&1 9>&- 8>&-) || stop_with 1 "factory cannot read its queue: $rows"
# shellcheck disable=SC2016  # jq's variables
if ! jq --exit-status --argjson known "$known" '[.[]?.Issue] - $known == []' <<<"$rows" >/dev/null 2>&1; then
  stop_with 1 'its queue has changed meanwhile; type it again'
fi
lost=$(unsaved 9>&- 8>&-)
if [ -n "$lost" ] && [ "$force" = no ]; then stop_with 2 "${lost%; }"; fi
if [ -s "$file" ]; then
  # shellcheck disable=SC2016  # jq's variables
  said=$(jq --arg name "$name" 'map(select(.name != $name))' "$file" 2>&1 >"$file.new" && mv "$file.new" "$file" 2>&1) ||
    stop_with 1 "its list of projects ($file) cannot be changed: $said"
fi
said=$(rm --recursive --force "$folder" 2>&1) || stop_with 1 "$folder cannot be removed: $said"
note_operator "$by" "projects remove $name" 2>/dev/null
emit_part removed 0 yes
