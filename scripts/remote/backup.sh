# shellcheck shell=bash
# Makes a backup of the worker's state on its volume: the database (with SQLite's backup API, since a copy of an open file loses
# rows, or pg_dump),
# the pipelines, the unpushed work of the clones, and our own records. If a backup with that ID exists, only reports it again.
# Arguments: ID, KEEP (how many to keep), CONTENT (state, or everything: also the recordings of sessions).
# Part: backup, a JSON {file, bytes, sha256, database, schema, rows, newest, integrity}; or why it failed.
id=$1 keep=$2 content=$3
folder=$WORKER_STATE_DIR/backups
home=${WORKER_STATE_DIR%/*}
file=$folder/$id.tar.gz
unset TAR_OPTIONS

# without_password URL: a backup leaves the worker, its credentials must not. For a web address the user is removed as well,
# since it may be the token.
without_password() {
  if [[ $1 =~ ^(https?://)[^/]*@(.*)$ ]]; then
    printf '%s%s' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
  elif [[ $1 =~ ^([a-z+]+://[^/:@]*):[^/]*(@.*)$ ]]; then
    printf '%s%s' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
  else
    printf '%s' "$1"
  fi
}

# save_clones FOLDER: the unpushed work of each clone as a bundle: its branches, and the uncommitted changes in its worktrees as
# separate commits, without touching the worktrees. In `list`, separated by tabs:
# `clone NAME URL` and `worktree NAME PATH BRANCH COMMIT WIP` (a dash for none). Nothing for a clone without work.
save_clones() {
  local folder=$1 clone name index line worktree head branch
  mkdir "$folder" && : >"$folder/list" || return
  for clone in "$WORKER_REPOS_DIR"/*/; do
    clone=${clone%/} name=$(basename "$clone") index=$folder/index worktree='' head='' branch=-
    [ -e "$clone/.git" ] || continue
    printf 'clone\t%s\t%s\n' "$name" "$(without_password "$(git -C "$clone" config --get remote.origin.url)")" >>"$folder/list"
    while IFS= read -r line; do
      case $line in
        'worktree '*) worktree=${line#worktree } branch=- ;;
        'HEAD '*) head=${line#HEAD } ;;
        'branch '*) branch=${line#branch refs/heads/} ;;
        '') save_worktree "$worktree" "$head" "$branch" ;;
      esac
    done < <(git -C "$clone" worktree list --porcelain)
    # When everything is pushed there is nothing to bundle, which git treats as an error.
    git -C "$clone" bundle create --quiet "$folder/$name.bundle" --branches --glob=refs/factory-worker/wip --not --remotes 2>/dev/null
    git -C "$clone" for-each-ref --format='delete %(refname)' refs/factory-worker/wip | git -C "$clone" update-ref --stdin
    rm --force "$index"
  done
}

# Part of save_clones: save_worktree PATH HEAD BRANCH.
save_worktree() {
  local tree wip=- inside=${1#"$clone"}
  [ -d "$1" ] || return 0
  rm --force "$index"
  if GIT_INDEX_FILE=$index git -C "$1" read-tree "$2" && GIT_INDEX_FILE=$index git -C "$1" add --all -- . ':(exclude)worktrees' 2>/dev/null &&
    tree=$(GIT_INDEX_FILE=$index git -C "$1" write-tree) && [ "$tree" != "$(git -C "$1" rev-parse "$2^{tree}")" ]; then
    wip=$(git -C "$1" -c user.name=factory-worker -c user.email=backup@factory-worker.invalid commit-tree -p "$2" -m 'not committed yet' "$tree") &&
      git -C "$clone" update-ref "refs/factory-worker/wip/$wip" "$wip"
  fi
  printf 'worktree\t%s\t%s\t%s\t%s\t%s\n' "$name" "${inside:-/}" "$3" "$2" "$wip" >>"$folder/list"
}

# save_projects FILE: the requests for clones, if they are a valid list.
save_projects() {
  jq 'map(.repo |= (sub("^(?<scheme>https?://)[^/]*@"; .scheme) | sub("^(?<user>[a-z+]+://[^/:@]*):[^/]*@"; .user + "@")))' \
    "$home/worker/projects.json" >"$1" 2>/dev/null
}

make_backup() {
  local work=$1 name kind parts=()
  kind=$(database_kind)
  save_database "$kind" "$work" || return
  for name in factory.db factory.pgdump; do
    if [ -e "$work/$name" ]; then parts+=(-C "$work" "$name"); fi
  done
  mkdir "$work/worker" || return
  if [ -f "$home/worker/projects.json" ] && save_projects "$work/worker/projects.json"; then parts+=(-C "$work" worker/projects.json); fi
  local names=(pipelines worker/dispatch.jsonl worker/repairs.jsonl) present=()
  if [ "$content" = everything ]; then names+=(worker/logs/sessions); fi
  for name in "${names[@]}"; do
    if [ -e "$home/$name" ]; then present+=("$name"); fi
  done
  : >"$work/left-out"
  if [ "${#present[@]}" -gt 0 ]; then
    # A restore accepts regular files and folders only; anything else is left out.
    (cd "$home" && find "${present[@]}" -ignore_readdir_race ! -type f ! -type d) >"$work/left-out" || return
    parts+=(-C "$home" "${present[@]}")
  fi
  save_clones "$work/clones" || return
  parts+=(-C "$work" clones)
  state_of_copy "$work" "$kind" >"$work/state" || return
  parts+=(-C "$work" state)
  # 1 means "a file changed as we read it": a stage may be running when the release does not wait for it.
  tar --create --gzip --hard-dereference --anchored --no-wildcards --exclude-from "$work/left-out" --file "$work/backup" "${parts[@]}" || [ $? -eq 1 ] || return
  mv "$work/state" "$file.state" && mv "$work/backup" "$file"
}

told() {
  local schema=null rows=null newest=null integrity=null database=none key value
  while IFS='=' read -r key value; do
    case $key in
      database) database=$value ;;
      schema) schema=${value:-null} ;;
      rows) rows=${value:-null} ;;
      newest) newest=${value:-null} ;;
      integrity) integrity=$value ;;
    esac
  done <"$file.state"
  jq --null-input --compact-output --arg file "$file" --argjson bytes "$(stat --format %s "$file")" \
    --arg sha "$(sha256sum "$file" | cut -d ' ' -f 1)" --arg database "$database" --argjson schema "$schema" \
    --argjson rows "$rows" --argjson newest "$newest" --arg integrity "$integrity" \
    '{file: $file, bytes: $bytes, sha256: $sha, database: $database, schema: $schema, rows: $rows, newest: $newest, integrity: (if $database == "none" then null else $integrity end)}'
}

umask 077
mkdir --parents "$folder"
# One at a time: one whose connection broke goes on here, and what it leaves is cleared away below. It ends with its caller's
# time limit at the latest.
exec 9>"$folder/.lock"
flock 9
if [ ! -s "$file" ]; then
  work=$(mktemp --directory "$folder/.making.XXXXXX") && said=$(make_backup "$work" 2>&1)
  rc=$?
  rm --recursive --force "$folder"/.making.*
  if [ "$rc" -ne 0 ]; then
    emit_part backup 1 "${said:-the folder $folder cannot be written}"
    exit 0
  fi
  # shellcheck disable=SC2012  # our own names, and their order is needed
  ls -1t "$folder"/*.tar.gz | tail --lines "+$((keep + 1))" | while read -r old; do rm --force "$old" "$old.state"; done
fi
emit_part backup 0 "$(told)"
