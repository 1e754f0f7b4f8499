# shellcheck shell=bash
# What several remote scripts need to know of the worker they run in. Its folders come from the environment.

# The program is called in the worker's way: the queue works anywhere, `status` and `check-in` only in the folder of a
# pipeline configuration inside a git repository.

# without_password: takes out of $url the password or token that somebody may have cloned with.
without_password() {
  if [[ $url =~ ^(https?://)[^/]*@(.*)$ || $url =~ ^([a-zA-Z][a-zA-Z0-9+.-]*://[^/:@]*):[^/]*(@.*)$ ]]; then
    url=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
  fi
}

# clones: NAME, a tab and the origin's URL, one line for each repository on the volume.
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
  # Whole or not at all, since another dispatch may be reading it; a full disk costs no more than the next search.
  { printf '%s\npostgres=%d\n%s\n' "$key" "$postgres" "$help" >"$cache.$$" && mv "$cache.$$" "$cache"; } 2>/dev/null
  return 0
}

# has_flag HELP FLAG: whether the help of a command lists a flag.
has_flag() {
  local line=$'\n'
  [[ $line$1$line =~ $line\ +(-[a-z],\ )?--$2[${line}\ ] ]]
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

# agent_panes FORMAT: a line for each session, of the pane that it was made with: factory's and its agent's. tmux counts panes
# up; an operator may have opened others since.
agent_panes() {
  tmux list-panes -a -F "#{s/%//:pane_id}	#{session_id}	$1" | sort --numeric-sort | awk -F '\t' '!seen[$2]++' | cut --fields=3-
}

# agent_pane NAME: id, process, `1` when it has ended and `1` when it is scrolled back, of the agent's pane of a session. By its
# id from then on: of a name tmux takes a prefix for the whole.
agent_pane() {
  local session rest
  while IFS=$'\t' read -r session rest; do
    if [ "$session" = "$1" ]; then
      printf '%s\n' "$rest"
      return
    fi
  done < <(agent_panes '#{session_name}	#{pane_id} #{pane_pid} #{pane_dead} #{pane_in_mode}' 2>/dev/null)
}

# One line for each pane of each session. Activity is the window's: a session's own does not move on output.
sessions() {
  tmux list-panes -a -F \
    '#{session_name}	#{window_activity}	#{session_created}	#{session_attached}	#{pane_dead}	#{pane_dead_status}	#{pane_id}'
}

# bare_shell PID: whether a shell waits for a command in a pane whose process that is: what is typed there is executed. Its
# name alone does not tell, since an agent may be a script.
bare_shell() {
  local words stat group foreground
  mapfile -d '' -t words 2>/dev/null <"/proc/$1/cmdline" || return 1
  case ${words[0]##*/} in bash | -bash | sh | -sh | dash | -dash | zsh | -zsh | fish | -fish) ;; *) return 1 ;; esac
  case ${words[1]-} in '' | -l | -i | --login) ;; *) return 1 ;; esac
  # After the name in brackets: state, parent, group, session, terminal, the group in its foreground.
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

# The volume of the state.
disk() {
  df --portability --block-size=1 "$WORKER_STATE_DIR"
}

# One after the other: on a fresh volume two calls at once trip over each other's schema.
store() {
  part queue queue
  part pipelines pipelines
}

# probe SCOPE: the parts that make a snapshot; `full` adds what only `status` shows.
probe() {
  # What takes long goes on while the rest is looked up.
  begin store
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
  if [ "$1" = full ]; then
    part dialect dialect
    part disk disk
  fi
  finish
}

# take_drain_lock: as descriptor 9; two who drain at the same moment must see each other.
take_drain_lock() {
  mkdir -p "$WORKER_STATE_DIR/locks"
  exec 9>>"$WORKER_STATE_DIR/locks/drain"
  flock --wait 20 9 || { emit_part drained 1 'somebody else is draining this worker' && return 1; }
}

# drain_is_ours BY HOST RELEASE: whether the drain file is that release's; without a release, that person's.
drain_is_ours() {
  jq --exit-status --arg by "$1" --arg host "$2" --arg release "$3" \
    'if $release == "" then .by == $by and .host == $host else .release == $release end' \
    "$WORKER_STATE_DIR/drain" >/dev/null 2>&1
}

# quietly COMMAND…: its output in $said. The queue's lock is not inherited: a tmux server started under it would hold it
# for ever. Nor is stdin, from which we read what is to be done.
quietly() {
  said=$("$@" 2>&1 </dev/null 9>&-)
}

# SQLite's "locked" is retried: another writer (a check-in) does not take our lock.
with_retries() {
  local try
  for try in 1 2 3 4 5 6; do
    quietly "$@" && return 0
    grep --quiet 'locked' <<<"$said" || return 1
    sleep "0.$((try * 2))"
  done
  return 1
}

# note_operator BY WHAT: what somebody has changed by hand, for whoever wonders later.
note_operator() {
  jq --null-input --compact-output --arg by "$1" --arg what "$2" '{at: (now | todate), by: $by, what: $what}' \
    >>"$WORKER_STATE_DIR/operators.jsonl"
}

# How many panes and sessions the two below tell of, where nobody says more. The newest first: with many sessions, those that
# are worked in count.
readonly most_panes=12

# show_panes [MOST]: pane.N (session, program in it, `1` when it has ended; then its last lines), of each session the agent's.
show_panes() {
  local number=0 pane session program dead
  while IFS=$'\t' read -r pane session program dead; do
    if [ "$number" -ge "${1-$most_panes}" ]; then return; fi
    emit_part "pane.$number" 0 "$session"$'\t'"$program"$'\t'"$dead"$'\n'"$(tmux capture-pane -p -J -S -40 -t "$pane" 2>/dev/null)"
    number=$((number + 1))
  done < <(agent_panes '#{window_activity}	#{pane_id}	#{session_name}	#{pane_current_command}	#{pane_dead}' 2>/dev/null | sort --numeric-sort --reverse | cut --fields=2-)
}

# show_humans: human.N (session; then what factory says of it): whether a person has typed into the session of a stage; the
# program then leaves its pipeline alone.
show_humans() {
  local number=0 session
  while IFS= read -r session; do
    if [ "$number" -ge "$most_panes" ]; then return; fi
    emit_part "human.$number" 0 "$session"$'\n'"$(timeout 10 factory session status "$session" --detect-human 2>/dev/null)"
    number=$((number + 1))
  done < <(tmux list-windows -a -F '#{window_activity}	#{session_name}' 2>/dev/null | sort --numeric-sort --reverse | cut --fields=2- | grep --extended-regexp '^[0-9]+-.+-[0-9]+$')
}

# cgroup_memory FOLDER NAME: `NAME oom_kills usage limit`, of cgroup v2 or v1.
cgroup_memory() {
  local folder=/sys/fs/cgroup kills
  if [ -e "$folder/cgroup.controllers" ]; then
    folder=$folder/$1
    kills=$(sed -n 's/^oom_kill //p' "$folder/memory.events")
    printf '%s %s %s %s\n' "$2" "${kills:-0}" "$(cat "$folder/memory.current" 2>/dev/null)" "$(cat "$folder/memory.max")"
  else
    folder=$folder/memory/$1
    kills=$(sed -n 's/^oom_kill //p' "$folder/memory.oom_control")
    printf '%s %s %s %s\n' "$2" "${kills:-0}" "$(cat "$folder/memory.usage_in_bytes")" "$(cat "$folder/memory.limit_in_bytes")"
  fi
}

memory() {
  cgroup_memory '' pod
  cgroup_memory docker docker
}

# worktrees: PROJECT, ISSUE and path, parted by tabs, of each that factory has made for an issue; also of a folder in such a
# place that git does not know, since no other can be made there.
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

# look_for_work PATH: sets $changed and $unpushed, the files of a worktree that are not committed and its commits that no
# remote has, those in its submodules among them. What cannot be told counts as work that would be lost.
look_for_work() {
  local counts one
  # shellcheck disable=SC2034  # read by the caller
  changed=$(git -C "$1" status --porcelain --ignore-submodules=none 2>/dev/null | wc --lines) || changed=1
  # One line for the worktree and for each submodule that is checked out.
  counts=$(git -C "$1" rev-list --count HEAD --not --remotes 2>/dev/null &&
    git -C "$1" submodule --quiet foreach --recursive 'git rev-list --count HEAD --not --remotes' 2>/dev/null) || counts=1
  unpushed=0
  for one in $counts; do unpushed=$((unpushed + one)); done
}

# is_worktree PATH: whether git knows it; of another folder it would answer for the repository around it.
is_worktree() {
  [ "$(git -C "$1" rev-parse --show-toplevel 2>/dev/null 9>&-)" = "$1" ]
}

# bytes_of PATH…: what they take on the disk together; 0 when there are none.
bytes_of() {
  nice -n 10 du --summarize --total --block-size=1 --one-file-system -- "$@" 2>/dev/null | tail -n 1 | cut --fields=1 | grep . || echo 0
}
