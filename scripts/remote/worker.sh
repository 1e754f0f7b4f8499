# shellcheck shell=bash
# What several remote scripts need to know of the worker they run in. Its folders come from the environment.

# The program is called in the worker's way: the queue works anywhere, `status` and `check-in` only in the folder of a
# pipeline configuration inside a git repository.

# clones: NAME, a tab and the origin's URL, one line for each repository on the volume.
clones() {
  local clone
  for clone in "$WORKER_REPOS_DIR"/*/.git; do
    [ -e "$clone" ] || continue
    clone=${clone%/.git}
    printf '%s\t%s\n' "${clone##*/}" "$(git -C "$clone" config --get remote.origin.url)"
  done
}

# config_of PROJECT: path of its pipeline configuration inside the clone, as the lists of projects say.
config_of() {
  local lists others config=''
  lists=$(cat "$WORKER_CONFIG_DIR/projects.json" "$WORKER_STATE_DIR/projects.json" 2>/dev/null)
  # Mostly it lies where it always lies, and then jq is not asked: starting it takes longer than a call of factory.
  others=${lists//[[:space:]]/}
  others=${others//'"config":"pipeline.yaml"'/}
  if [[ $others == *'"config":'* ]]; then
    config=$(jq --raw-output --slurp --arg name "$1" \
      'first(add // [] | .[] | select(.name == $name) | .config // empty)' <<<"$lists")
  fi
  printf '%s\n' "${config:-pipeline.yaml}"
}

# any_project_folder: the folder of some clone's pipeline configuration; where is all the same for `factory status`.
any_project_folder() {
  local clone folder
  for clone in "$WORKER_REPOS_DIR"/*/; do
    folder=$clone
    if [ ! -f "$folder/pipeline.yaml" ]; then
      folder=$clone$(dirname "$(config_of "$(basename "$clone")")")
    fi
    if [ -e "$clone/.git" ] && [ -f "$folder/pipeline.yaml" ]; then
      printf '%s\n' "$folder"
      return 0
    fi
  done
  return 1
}

# dialect: `postgres=0|1` and the help of `queue add`, from which the laptop reads which flags this binary has. Asked once
# per binary, since searching it for the PostgreSQL driver is slow.
dialect() {
  local binary key help postgres=0 cache=$WORKER_RUN_DIR/dialect
  binary=$(command -v factory) || return 127
  key=$(stat --dereference --format 'key=%i-%s-%Y' "$binary")
  if [ -r "$cache" ] && [ "$(head -n 1 "$cache")" = "$key" ]; then
    cat "$cache"
    return 0
  fi
  help=$(factory queue add --help) || return
  grep --quiet --text --fixed-strings github.com/jackc/pgx "$(readlink --canonicalize "$binary")" && postgres=1
  printf '%s\npostgres=%d\n%s\n' "$key" "$postgres" "$help"
  # Whole or not at all, since another dispatch may be reading it; a full disk costs no more than the next search.
  { printf '%s\npostgres=%d\n%s\n' "$key" "$postgres" "$help" >"$cache.$$" && mv "$cache.$$" "$cache"; } 2>/dev/null
  return 0
}

# has_flag HELP FLAG: whether the help of a command lists a flag.
has_flag() {
  grep --quiet --extended-regexp "^ +(-[a-z], )?--$2( |$)" <<<"$1"
}

# lock_state FILE: `held` or `free`; never makes the file.
lock_state() {
  # Shared: two who look at the same moment must not take each other for the holder.
  if [ ! -e "$1" ] || flock --shared --nonblock "$1" true; then echo free; else echo held; fi
}

locks() {
  printf 'boot=%s\ncheck-in=%s\n' \
    "$(lock_state "$WORKER_STATE_DIR/boot.lock")" "$(lock_state "$WORKER_STATE_DIR/locks/check-in")"
}

# tmux takes /tmp when its own folder is gone (a cleaner of /tmp, say), where it finds somebody else's sessions.
tmux() {
  if [ ! -d "${TMUX_TMPDIR:-/tmp}" ]; then
    echo "no server running: there is no folder $TMUX_TMPDIR" >&2
    return 1
  fi
  command tmux "$@"
}

# One line for each window of each session. Activity is the window's: a session's own does not move on output.
sessions() {
  tmux list-windows -a -F \
    '#{session_name}	#{window_activity}	#{session_created}	#{session_attached}	#{pane_dead}	#{pane_dead_status}'
}

queue() {
  timeout 20 factory queue list --format json
}

pipelines() {
  local folder
  folder=$(any_project_folder) || { echo null && return 0; }
  cd "$folder" && timeout 20 factory status --format json
}

# probe SCOPE: the parts that make a snapshot; `full` adds what only `status` shows.
probe() {
  # With a comma where the locale wants one.
  emit_part clock 0 "${EPOCHREALTIME/,/.}"
  emit_part repos-dir 0 "$WORKER_REPOS_DIR"
  part sessions sessions
  part_file boot "$WORKER_RUN_DIR/boot.json"
  part_file heartbeat "$WORKER_RUN_DIR/heartbeat.json"
  if [ -e "$WORKER_STATE_DIR/drain" ]; then part drain cat "$WORKER_STATE_DIR/drain"; fi
  part locks locks
  part_file dispatches "$WORKER_STATE_DIR/dispatch.jsonl"
  part_file repairs "$WORKER_STATE_DIR/repairs.jsonl"
  part clones clones
  part queue queue
  part pipelines pipelines
  if [ "$1" = full ]; then
    part dialect dialect
    part disk df --portability --block-size=1 "$WORKER_STATE_DIR"
  fi
}
