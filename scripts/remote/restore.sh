# shellcheck shell=bash
# Replaces the worker's state with what restore-unpack.sh has unpacked: database, pipelines, records, worktrees. Only in a
# drained worker with nothing running; a failure leaves everything as it was.
# Arguments: FOLDER (its name in the folder of backups), FORCE (yes: also while sessions of stages exist), IMPORT (yes: the open
# rows of SQLite are added to PostgreSQL, one by one).
# Parts: restored (a word, or why not), imported (a line of JSON for each open row), state (of the restored database), notes (one
# per line).
work=$WORKER_STATE_DIR/backups/${1##*/} force=$2 import=$3
home=${WORKER_STATE_DIR%/*}
notes=''

clean_up() {
  rm --recursive --force "$work"
}

give_up() {
  clean_up
  emit_part restored 1 "$1"
  exit 0
}

note() {
  notes+=$1$'\n'
}

refuse_at_work() {
  local running
  [ -e "$WORKER_STATE_DIR/drain" ] || give_up 'the worker is not drained'
  [ "$(lock_state "$WORKER_STATE_DIR/locks/check-in")" = free ] || give_up 'a stage is running'
  running=$(tmux list-sessions -F '#{session_name}' 2>/dev/null | grep --extended-regexp '^[0-9]+-' | paste --serial --delimiters ' ')
  if [ -n "$running" ] && [ "$force" != yes ]; then give_up "sessions of stages are there: $running"; fi
}

# bring_pipelines_home: what comes from a worker with another HOME leads to that worker's clones, and agents would work in them
# where they exist. The same folders of our own take their place; a path to anything else stays. Part of swap.
bring_pipelines_home() {
  local file ours
  while IFS= read -r -d '' file; do
    # shellcheck disable=SC2016  # jq's variables
    ours=$(jq --arg repos "$WORKER_REPOS_DIR/" '. as $was | objects
      | with_entries(if (.key | IN("worktree", "config_path", "repo_dir")) and (.value | type == "string")
        then .value |= sub("^/(.*?/)?[.]factory/repos/"; $repos) else . end)
      | select(. != $was)' "$file" 2>/dev/null)
    if [ -n "$ours" ]; then printf '%s\n' "$ours" >"$file.new" && mv "$file.new" "$file" || return; fi
  done < <(find "$home/pipelines" -name pipeline.json -type f -print0 2>/dev/null)
}

# bring_rows_home: the same for the paths in the database. Part of swap.
bring_rows_home() {
  local columns table column at find=strpos change=query_server repos="'${WORKER_REPOS_DIR//\'/\'\'}'"
  if [ "$(database_kind)" = sqlite ]; then
    find=instr change=change_file
    columns=$(query_database "$home/factory.db" "SELECT 'issue_queue ' || name FROM pragma_table_info('issue_queue') WHERE name = 'config_path'") || return
  else
    columns=$(query_server "SELECT table_name || ' ' || column_name FROM information_schema.columns WHERE table_schema = 'public'
      AND (table_name, column_name) IN (('issue_queue', 'config_path'), ('repos', 'config_path'), ('repos', 'local_path'))") || return
  fi
  while read -r table column; do
    [ -n "$table" ] || continue
    at="$find($column, '/.factory/repos/')"
    "$change" "UPDATE $table SET $column = $repos || substr($column, $at + length('/.factory/repos'))
      WHERE $at > 0 AND substr($column, 1, 1) = '/'" || return
  done <<<"$columns"
}

# change_file SQL: changes the worker's own database in SQLite, which a backup has just filled: query_database says what -safe is for.
change_file() {
  sqlite3 -batch -init /dev/null -safe "$home/factory.db" '.timeout 10000' 'PRAGMA trusted_schema = OFF' "$1"
}

# Moves the old ones aside and the new ones in place.
swap() {
  local name
  for name in pipelines worker/dispatch.jsonl worker/repairs.jsonl; do
    mkdir --parents "$work/old/worker"
    if [ -e "$home/$name" ]; then mv "$home/$name" "$work/old/$name" || return; fi
    if [ -e "$work/new/$name" ]; then mv "$work/new/$name" "$home/$name" || return; fi
  done
  bring_pipelines_home || return
  if [ -e "$work/new/factory.db" ] || [ -e "$work/new/factory.pgdump" ]; then
    save_database "$(database_kind)" "$work/old" || return
    if [ "$import" = yes ]; then
      import_rows "$work/new" "$home" "$work/imported"
      return
    fi
    restore_database "$work/new" || return
    bring_rows_home || return
    # Checks that this worker's program can read the state, which another version may have written.
    timeout 30 factory queue list --format json >/dev/null || return
    [ "$(state | grep --extended-regexp '^(rows|newest|integrity)=')" = \
      "$(grep --extended-regexp '^(rows|newest|integrity)=' "$work/new/state")" ] || return
  fi
}

swap_back() {
  local name
  for name in pipelines worker/dispatch.jsonl worker/repairs.jsonl; do
    if [ -e "$work/old/$name" ]; then
      rm --recursive --force "${home:?}/$name"
      mv "$work/old/$name" "$home/$name"
    fi
  done
  if [ -e "$work/old/factory.db" ] || [ -e "$work/old/factory.pgdump" ]; then
    restore_database "$work/old"
  elif [ -e "$work/new/factory.db" ]; then
    rm --force "$home"/factory.db{,-wal,-shm}
  fi
}

# The requests for clones are merged: this worker may have others than the one that was backed up.
add_projects() {
  [ -s "$work/new/worker/projects.json" ] || return 0
  local own='[]'
  if [ -s "$WORKER_STATE_DIR/projects.json" ]; then own=$(<"$WORKER_STATE_DIR/projects.json"); fi
  jq --slurp 'add | unique_by(.name)' <(printf '%s' "$own") "$work/new/worker/projects.json" >"$WORKER_STATE_DIR/projects.json.new" &&
    mv "$WORKER_STATE_DIR/projects.json.new" "$WORKER_STATE_DIR/projects.json"
}

# This worker's own recordings of sessions stay as they are.
restore_recordings() {
  [ -d "$work/new/worker/logs/sessions" ] || return 0
  mkdir --parents "$WORKER_STATE_DIR/logs/sessions" &&
    cp --no-clobber --preserve=mode,timestamps "$work/new/worker/logs/sessions"/* "$WORKER_STATE_DIR/logs/sessions/"
}

# is_inside NAME KIND PATH BRANCH HEAD WIP: whether a line of clones/list names only things inside a clone, and nothing that git
# would take for an option.
is_inside() {
  [[ $1 != [-.]* && $1 != */* ]] || return
  [ "$2" = worktree ] || return 0
  [[ $3 == /* && $3/ != */../* && $5 =~ ^[0-9a-f]+$ && $6 =~ ^([0-9a-f]+|-)$ ]] || return
  [ "$4" = - ] || git check-ref-format --branch "$4" >/dev/null 2>&1
}

restore_clones() {
  local kind name first branch head wip clone path
  [ -s "$work/new/clones/list" ] || return 0
  while IFS=$'\t' read -r kind name first branch head wip; do
    clone=$WORKER_REPOS_DIR/$name
    if ! is_inside "$name" "$kind" "$first" "$branch" "$head" "$wip"; then
      note "a line of its clones was left out: $kind $name $first"
    elif [ ! -e "$clone/.git" ]; then
      if [ "$kind" = clone ]; then note "there is no clone $name ($first): its unpushed work is in the backup alone"; fi
    elif [ "$kind" = clone ]; then
      if [ -e "$work/new/clones/$name.bundle" ]; then
        said=$(git -C "$clone" fetch --quiet "$work/new/clones/$name.bundle" '+refs/*:refs/factory-worker/restored/*' 2>&1) ||
          note "$name: its unpushed work was not restored: ${said##*$'\n'}"
      fi
    elif [ "$first" != / ]; then
      restore_worktree
    elif [ "$wip" != - ]; then
      note "$name: what was not committed in its main checkout is the commit $wip"
    fi
  done <"$work/new/clones/list"
}

# Part of restore_clones: the worktree of one issue.
restore_worktree() {
  local into=(--detach)
  path=$clone$first
  if [ "$branch" != - ]; then into=(-B "$branch"); fi
  if [ -e "$path" ]; then
    note "$name: the worktree ${first#/} already exists and was left as it is"
    return
  fi
  git -C "$clone" worktree prune
  if ! git -C "$clone" cat-file -e "$head^{commit}" 2>/dev/null; then
    note "$name: the commit of ${first#/} is neither in the backup nor in the clone"
  elif [ "$branch" != - ] && git -C "$clone" rev-parse --verify --quiet "refs/heads/$branch" >/dev/null &&
    ! git -C "$clone" merge-base --is-ancestor "$branch" "$head"; then
    note "$name: its branch $branch has other commits here; those of the backup are $head"
  elif ! said=$(git -C "$clone" worktree add --quiet "${into[@]}" "$path" "$head" 2>&1); then
    note "$name: ${said##*$'\n'}"
  elif [ "$wip" != - ]; then
    git -C "$path" restore --source="$wip" --worktree -- . || note "$name: what was not committed is the commit $wip"
  fi
}

[ -s "$work/new/state" ] || give_up 'nothing was unpacked'
refuse_at_work
exec 9>>"$WORKER_STATE_DIR/locks/queue"
flock --wait 30 9 || give_up 'the queue has been held for more than 30s'
if ! said=$(swap 2>&1 9>&-); then
  back=$(swap_back 2>&1 9>&-) || note "and the old one could not be put back whole: $back"
  give_up "nothing was restored: ${said:-the rows are not those of the backup}${notes:+; $notes}"
fi
add_projects 9>&- || note 'the requests for clones could not be taken over'
restore_clones 9>&-
restore_recordings 2>/dev/null 9>&- || note 'the recordings of sessions could not be taken over'
exec 9>&-
imported=$(cat "$work/imported" 2>/dev/null)
clean_up
emit_part restored 0 restored
if [ "$import" = yes ]; then emit_part imported 0 "$imported"; fi
part state state
emit_part notes 0 "$notes"
