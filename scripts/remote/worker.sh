# shellcheck shell=bash
# What several remote scripts need to know about the worker they run in. Its folders come from the environment.

# `factory queue` works anywhere, `status` and `check-in` only in the folder of a pipeline configuration inside a git
# repository.

# A build for PostgreSQL has its database in DATABASE_URL, which the supervisor leaves in a file for us.
if [ -z "${DATABASE_URL-}" ] && [ -r "${WORKER_RUN_DIR-}/database-url" ]; then
  IFS= read -r DATABASE_URL <"$WORKER_RUN_DIR/database-url"
  export DATABASE_URL
fi

# without_password: removes from $url the password or token that the clone may have been made with.
without_password() {
  if [[ $url =~ ^(https?://)[^/]*@(.*)$ || $url =~ ^([a-zA-Z][a-zA-Z0-9+.-]*://[^/:@]*):[^/]*(@.*)$ ]]; then
    url=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
  fi
}

# clones: NAME, a tab and the origin's URL, one line per repository on the volume.
clones() {
  local clone url
  for clone in "$WORKER_REPOS_DIR"/*/.git; do
    [ -e "$clone" ] || continue
    clone=${clone%/.git}
    url=$(git -C "$clone" config --get remote.origin.url)
    without_password
    printf '%s\t%s\n' "${clone##*/}" "$url"
  done
}

# config_of PROJECT: path of its pipeline configuration inside the clone, according to the lists of projects.
config_of() {
  local lists others config=''
  lists=$(cat "$WORKER_CONFIG_DIR/projects.json" "$WORKER_STATE_DIR/projects.json" 2>/dev/null)
  # Usually it is in the default place, and jq is not needed: starting it takes longer than a call of factory.
  others=${lists//[[:space:]]/}
  others=${others//'"config":"pipeline.yaml"'/}
  if [[ $others == *'"config":'* ]]; then
    config=$(jq --raw-output --slurp --arg name "$1" \
      'first(add // [] | .[] | select(.name == $name) | .config // empty)' <<<"$lists")
  fi
  printf '%s\n' "${config:-pipeline.yaml}"
}

# any_project_folder: the folder of any clone's pipeline configuration; for `factory status` it does not matter which.
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

# dialect: `postgres=0|1` and the help of `queue add`, which tells the laptop the flags of this binary. Cached per binary,
# since searching it for the PostgreSQL driver is slow.
dialect() {
  local binary key help='' postgres=0 cache=$WORKER_RUN_DIR/dialect
  binary=$(command -v factory) || return 127
  key=$(stat --dereference --format 'key=%i-%s-%Y' "$binary")
  if [ -r "$cache" ]; then
    IFS= read -r -d '' help <"$cache"
    if [ "${help%%$'\n'*}" = "$key" ]; then
      printf '%s' "$help"
      return 0
    fi
  fi
  help=$(factory queue add --help) || return
  grep --quiet --text --fixed-strings github.com/jackc/pgx "$(readlink --canonicalize "$binary")" && postgres=1
  printf '%s\npostgres=%d\n%s\n' "$key" "$postgres" "$help"
  # Atomic, since another dispatch may be reading it; on a full disk the next call searches again.
  { printf '%s\npostgres=%d\n%s\n' "$key" "$postgres" "$help" >"$cache.$$" && mv "$cache.$$" "$cache"; } 2>/dev/null
  return 0
}

# has_flag HELP FLAG: whether the help of a command lists a flag.
has_flag() {
  local line=$'\n'
  [[ $line$1$line =~ $line\ +(-[a-z],\ )?--$2[${line}\ ] ]]
}

# lock_state FILE: `held` or `free`; never creates the file.
lock_state() {
  # Shared: two simultaneous probes must not take each other for the holder.
  if [ ! -e "$1" ] || flock --shared --nonblock "$1" true; then echo free; else echo held; fi
}

locks() {
  printf 'boot=%s\ncheck-in=%s\n' \
    "$(lock_state "$WORKER_STATE_DIR/boot.lock")" "$(lock_state "$WORKER_STATE_DIR/locks/check-in")"
}

# tmux falls back to /tmp when its own folder is gone (a cleaner of /tmp, say), where it finds sessions of others.
tmux() {
  if [ ! -d "${TMUX_TMPDIR:-/tmp}" ]; then
    echo "no server running: there is no folder $TMUX_TMPDIR" >&2
    return 1
  fi
  command tmux "$@"
}

# agent_panes FORMAT: one line per session, for its first pane, which factory and the agent use. tmux numbers panes in
# ascending order; an operator may have opened others since.
agent_panes() {
  tmux list-panes -a -F "#{s/%//:pane_id}	#{session_id}	$1" | sort --numeric-sort | awk -F '\t' '!seen[$2]++' | cut --fields=3-
}

# agent_pane NAME: id, process, `1` when it has ended and `1` when it is scrolled back, of the agent's pane of a session. Use
# the id from then on: tmux also accepts a prefix of a name.
agent_pane() {
  local session rest
  while IFS=$'\t' read -r session rest; do
    if [ "$session" = "$1" ]; then
      printf '%s\n' "$rest"
      return
    fi
  done < <(agent_panes '#{session_name}	#{pane_id} #{pane_pid} #{pane_dead} #{pane_in_mode}' 2>/dev/null)
}

# One line for each pane of each session. Activity is the window's: a session's own does not change on output.
sessions() {
  tmux list-panes -a -F \
    '#{session_name}	#{window_activity}	#{session_created}	#{session_attached}	#{pane_dead}	#{pane_dead_status}	#{pane_id}'
}

# bare_shell PID: whether the process of a pane is a shell that waits for a command: text typed there would be executed. The
# name alone is not enough, since an agent may be a script.
bare_shell() {
  local words stat group foreground
  mapfile -d '' -t words 2>/dev/null <"/proc/$1/cmdline" || return 1
  case ${words[0]##*/} in bash | -bash | sh | -sh | dash | -dash | zsh | -zsh | fish | -fish) ;; *) return 1 ;; esac
  case ${words[1]-} in '' | -l | -i | --login) ;; *) return 1 ;; esac
  # After the name in parentheses: state, parent, group, session, terminal, foreground group.
  read -r stat <"/proc/$1/stat" || return 1
  read -r _ _ group _ _ foreground _ <<<"${stat##*) }"
  [ "$group" = "$foreground" ]
}

queue() {
  timeout 20 factory queue list --format json
}

pipelines() {
  local folder
  folder=$(any_project_folder) || { echo null && return 0; }
  cd "$folder" && timeout 20 factory status --format json
}

# The state volume.
disk() {
  df --portability --block-size=1 "$WORKER_STATE_DIR"
}

# One after the other: on a fresh volume two simultaneous calls fail while both create the schema.
store() {
  part queue queue
  part pipelines pipelines
}

# probe SCOPE: the parts of a snapshot; `full` adds what only `status` shows.
probe() {
  # The slow part runs in the background.
  begin store
  # Some locales use a comma.
  emit_part clock 0 "${EPOCHREALTIME/,/.}"
  emit_part repos-dir 0 "$WORKER_REPOS_DIR"
  part sessions sessions
  part_file boot "$WORKER_RUN_DIR/boot.json"
  part_file heartbeat "$WORKER_RUN_DIR/heartbeat.json"
  if [ -e "$WORKER_STATE_DIR/drain" ]; then part drain cat "$WORKER_STATE_DIR/drain"; fi
  # A change of the queue's order that was cut off (queue-move.sh).
  if [ -s "$WORKER_STATE_DIR/queue-move.jsonl" ]; then emit_part moving 1 ''; fi
  part locks locks
  part_file dispatches "$WORKER_STATE_DIR/dispatch.jsonl"
  part_file repairs "$WORKER_STATE_DIR/repairs.jsonl"
  part clones clones
  if [ "$1" = full ]; then
    part dialect dialect
    part disk disk
  fi
  finish
}

# take_drain_lock: as descriptor 9; two simultaneous drains must see each other.
take_drain_lock() {
  mkdir -p "$WORKER_STATE_DIR/locks"
  exec 9>>"$WORKER_STATE_DIR/locks/drain"
  flock --wait 20 9 || { emit_part drained 1 'another process is draining this worker' && return 1; }
}

# take_queue_lock SECONDS: as descriptor 9, which no program may inherit that stays. Part busy: another process keeps it.
take_queue_lock() {
  [ -d "$WORKER_STATE_DIR/locks" ] || mkdir -p "$WORKER_STATE_DIR/locks"
  exec 9>>"$WORKER_STATE_DIR/locks/queue"
  flock --wait "$1" 9 || { emit_part busy 1 "another process has held the queue for more than ${1}s" && return 1; }
}

# drain_is_ours BY HOST RELEASE: whether the drain file belongs to that release; without a release, to that person.
drain_is_ours() {
  jq --exit-status --arg by "$1" --arg host "$2" --arg release "$3" \
    'if $release == "" then .by == $by and .host == $host else .release == $release end' \
    "$WORKER_STATE_DIR/drain" >/dev/null 2>&1
}

# quietly COMMAND…: captures its output in $said. The command does not inherit the queue's lock, since a tmux server started
# under it would hold it for ever, nor stdin, from which we read the work to do.
quietly() {
  said=$("$@" 2>&1 </dev/null 9>&-)
}

# Retries SQLite's "locked" error: another writer (a check-in) does not take our lock.
with_retries() {
  local try
  for try in 1 2 3 4 5 6; do
    quietly "$@" && return 0
    grep --quiet 'locked' <<<"$said" || return 1
    sleep "0.$((try * 2))"
  done
  return 1
}

# note_operator BY WHAT: records what an operator has changed by hand.
note_operator() {
  jq --null-input --compact-output --arg by "$1" --arg what "$2" '{at: (now | todate), by: $by, what: $what}' \
    >>"$WORKER_STATE_DIR/operators.jsonl"
}

# How many panes and sessions the two functions below show by default. The newest first: with many sessions, the active ones
# matter.
readonly most_panes=12

# show_panes [MOST]: pane.N (session, program in it, `1` when it has ended; then its last lines) of each session's agent.
show_panes() {
  local number=0 pane session program dead
  while IFS=$'\t' read -r pane session program dead; do
    if [ "$number" -ge "${1-$most_panes}" ]; then return; fi
    emit_part "pane.$number" 0 "$session"$'\t'"$program"$'\t'"$dead"$'\n'"$(tmux capture-pane -p -J -S -40 -t "$pane" 2>/dev/null)"
    number=$((number + 1))
  done < <(agent_panes '#{window_activity}	#{pane_id}	#{session_name}	#{pane_current_command}	#{pane_dead}' 2>/dev/null | sort --numeric-sort --reverse | cut --fields=2-)
}

# show_humans: human.N (session; then factory's answer): whether the session of a stage is human-driven; the program then
# leaves its pipeline alone.
show_humans() {
  local number=0 session
  while IFS= read -r session; do
    if [ "$number" -ge "$most_panes" ]; then return; fi
    emit_part "human.$number" 0 "$session"$'\n'"$(timeout 10 factory session status "$session" --detect-human 2>/dev/null)"
    number=$((number + 1))
  done < <(tmux list-windows -a -F '#{window_activity}	#{session_name}' 2>/dev/null | sort --numeric-sort --reverse | cut --fields=2- | grep --extended-regexp '^[0-9]+-.+-[0-9]+$')
}

# cgroup_memory FOLDER NAME: `NAME oom_kills usage limit inactive_file`, of cgroup v2 or v1. The last is what of the usage the
# kernel drops before it kills: files that were read and are not in use.
cgroup_memory() {
  local folder=/sys/fs/cgroup kills idle
  if [ -e "$folder/cgroup.controllers" ]; then
    folder=$folder/$1
    kills=$(sed -n 's/^oom_kill //p' "$folder/memory.events")
    idle=$(sed -n 's/^inactive_file //p' "$folder/memory.stat")
    printf '%s %s %s %s %s\n' "$2" "${kills:-0}" "$(cat "$folder/memory.current" 2>/dev/null)" "$(cat "$folder/memory.max")" "${idle:-0}"
  else
    folder=$folder/memory/$1
    kills=$(sed -n 's/^oom_kill //p' "$folder/memory.oom_control")
    idle=$(sed -n 's/^total_inactive_file //p' "$folder/memory.stat")
    printf '%s %s %s %s %s\n' "$2" "${kills:-0}" "$(cat "$folder/memory.usage_in_bytes")" "$(cat "$folder/memory.limit_in_bytes")" "${idle:-0}"
  fi
}

memory() {
  cgroup_memory '' pod
  cgroup_memory docker docker
}

# worktrees: PROJECT, ISSUE and path, separated by tabs, of each worktree that factory has created for an issue; also of a
# folder in such a place that is unknown to git, since it prevents a worktree there.
worktrees() {
  local clone path
  for clone in "$WORKER_REPOS_DIR"/*/; do
    [ -e "$clone/.git" ] || continue
    while IFS= read -r path; do
      if [[ $path =~ /worktrees/issue-([0-9]+)$ ]] && [ -d "$path" ]; then
        printf '%s\t%s\t%s\n' "$(basename "$clone")" "${BASH_REMATCH[1]}" "$path"
      fi
    done < <({
      git -C "$clone" worktree list --porcelain 2>/dev/null | sed -n 's/^worktree //p'
      realpath --quiet "$clone"worktrees/issue-* \
        "$clone$(dirname "$(config_of "$(basename "$clone")")")"/worktrees/issue-*
    } | sort --unique)
  done
}

# look_for_work PATH: sets $changed and $unpushed, the number of a worktree's uncommitted files and of its commits that no
# remote has, including its submodules. When in doubt they count as work that would be lost.
look_for_work() {
  local counts one
  # shellcheck disable=SC2034  # read by the caller
  changed=$(git -C "$1" status --porcelain --ignore-submodules=none 2>/dev/null | wc --lines) || changed=1
  # One line for the worktree and for each checked-out submodule.
  counts=$(git -C "$1" rev-list --count HEAD --not --remotes 2>/dev/null &&
    git -C "$1" submodule --quiet foreach --recursive 'git rev-list --count HEAD --not --remotes' 2>/dev/null) || counts=1
  unpushed=0
  for one in $counts; do unpushed=$((unpushed + one)); done
}

# is_worktree PATH: whether git knows it; for any other folder git would answer for the surrounding repository.
is_worktree() {
  [ "$(git -C "$1" rev-parse --show-toplevel 2>/dev/null 9>&-)" = "$1" ]
}

# bytes_of PATH…: their total size on disk; 0 when there are none.
bytes_of() {
  nice -n 10 du --summarize --total --block-size=1 --one-file-system -- "$@" 2>/dev/null | tail -n 1 | cut --fields=1 | grep . || echo 0
}
