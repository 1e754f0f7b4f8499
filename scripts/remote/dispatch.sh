# shellcheck shell=bash
# Puts issues of one project into the queue, each exactly once: look, add, look again, all under the queue's lock.
#
# Argument: a DispatchRequest (scripts/lib/dispatch/request.ts). A laptop that lost the connection withdraws it by its id
# (dispatch-withdraw.sh).
# Parts: project, dialect, outcomes (a line of JSON for each issue: IssueOutcome of scripts/lib/contract.ts); then a brief
# probe, which is the second look.
declare -A request
read_request "$1" || exit
id=${request[id]} project=${request[project]} intent=${request[intent]-}
requeue=${request[requeue]} dry_run=${request[dryRun]}
depends_on=${request[dependsOn]//$'\n'/,}
mapfile -t issues <<<"${request[issues]}"

clone=$WORKER_REPOS_DIR/$project
if [ ! -e "$clone/.git" ]; then
  probe brief
  emit_part project 1 "$project"
  exit 0
fi
config=$clone/$(config_of "$project")
if [ ! -f "$config" ]; then
  emit_part project 2 "$config"
  exit 0
fi
emit_part project 0 "$config"
if ! dialect=$(dialect 2>/dev/null); then
  part dialect dialect
  exit 0
fi
emit_part dialect 0 "$dialect"
# Before anything is changed; the laptop says which flag it is.
if [ -n "$depends_on" ] && ! has_flag "$dialect" depends-on; then exit 0; fi
if [ -n "$intent" ] && ! has_flag "$dialect" intent; then exit 0; fi

# Where the program wants to be called: A takes the repository and the configuration from the current directory.
cd "${config%/*}" || exit 1

# How each issue stands: number, word, project, its pipeline's status. The project is the program's own column, what dispatches
# recorded, the path of the row's configuration, or the only clone: the rule of projectOf in scripts/lib/factory.ts. A row
# stays active when its pipeline was failed by hand; the pipeline's word counts then (openItems in scripts/lib/worker/queue.ts).
# shellcheck disable=SC2016  # $n and the like are jq's
standings='
  def row($n): first($queue[0][]? | select(.Issue == $n)) // {};
  def pipeline($n): first($pipelines[0][]? | select(.issue == $n)) // {};
  def recorded($n): [$dispatches | split("\n")[] | fromjson? | objects | select(.issue == $n)] | last | .project;
  def folder: select(. != null and startswith($repos + "/")) | ltrimstr($repos + "/") | split("/")[0];
  [$clones | split("\n")[] | select(. != "") | split("\t")[0]] as $names
  | $ARGS.positional[] | tonumber as $n | row($n) as $row | pipeline($n).status as $pipeline
  | (if $row.Status == null then (if $pipeline then "pipeline" else "none" end)
     elif $row.Status == "active" and ($pipeline == "completed" or $pipeline == "failed") then $pipeline
     else $row.Status end) as $word
  | (($row.Project | select(. != null and . != "")) // recorded($n) // ($row.ConfigPath | folder)
     // ($names | select(length == 1) | .[0]) // "?") as $owner
  | [$n, $word, $owner, $pipeline // if $pipelines[0] == "unknown" then "unknown" else "" end] | @tsv'

# look ISSUE…: a line for each. What can be long goes through files: one argument of a program has at most 128 KiB.
look() {
  local queue pipelines issue known=no
  queue=$(queue 2>/dev/null) || return 1
  pipelines=$(timeout 20 factory status --format json 2>/dev/null) || pipelines='"unknown"'
  # Mostly the issues are new to this worker, and jq is not asked: starting it takes longer than a call of factory.
  for issue in "$@"; do
    if [[ $queue$pipelines =~ \"[Ii]ssue\":\ *${issue}[^0-9] ]]; then known=yes; fi
  done
  if [ "$known" = no ]; then
    printf '%s\tnone\t?\t\n' "$@"
    return
  fi
  jq --null-input --raw-output --arg repos "$WORKER_REPOS_DIR" \
    --slurpfile queue <(printf '%s\n' "$queue") --slurpfile pipelines <(printf '%s\n' "$pipelines") \
    --rawfile clones <(clones) --rawfile dispatches <(cat "$WORKER_STATE_DIR/dispatch.jsonl" 2>/dev/null) \
    "$standings" --args "$@"
}

record() {
  local at json
  TZ=UTC printf -v at '%(%Y-%m-%dT%H:%M:%SZ)T'
  to_json "${request[by]}"
  printf '{"issue":%d,"project":"%s","at":"%s","by":%s}\n' "$1" "$project" "$at" "$json" \
    >>"$WORKER_STATE_DIR/dispatch.jsonl"
}

add() {
  local command=(factory queue add)
  if has_flag "$dialect" project; then
    command+=(--project "$project" --issue "$1")
  else
    command+=("$1")
  fi
  if has_flag "$dialect" config; then command+=(--config "$config"); fi
  if [ -n "$intent" ]; then command+=(--intent "$intent"); fi
  if [ -n "$depends_on" ]; then command+=(--depends-on "$depends_on"); fi
  # The record first: were we ended between the two, a row without a project would be worse than a record without a row.
  if ! record "$1" 2>/dev/null; then
    said='its record in dispatch.jsonl cannot be written: is the disk full?'
    return 1
  fi
  with_retries "${command[@]}"
}

# is_abandoned ISSUE: whether the row is active and has no pipeline, and no check-in is about to begin one: the one that took
# it died (image/supervisor/loop/taken.ts). Looked at again after the check-in lock was free, since the check-in of the
# first look may have begun it meanwhile.
is_abandoned() {
  [ "$(lock_state "$WORKER_STATE_DIR/locks/check-in")" = free ] &&
    [[ $(look "$1" </dev/null 9>&-) == "$1"$'\tactive\t'*$'\t' ]]
}

# The finished work must go as well: the program cannot begin again over an existing worktree. `pipeline cleanup` stops
# half-way the first time when the branch is not merged, and finishes the second time.
forget() {
  if [ "$2" != pipeline ]; then with_retries factory queue remove "$1" || return 1; fi
  quietly factory pipeline cleanup "$1" || quietly factory pipeline cleanup "$1"
  remove_worktree "$1"
  return 0
}

# remove_worktree ISSUE: of an issue without a pipeline: one that git was still making when it was killed, or in which
# nobody has worked. Any other stays, as with removeWorktree in image/supervisor/loop/taken.ts.
remove_worktree() {
  local name=worktrees/issue-$1 known force=()
  known=$(git worktree list --porcelain 2>/dev/null </dev/null 9>&- | sed --quiet "\\|^worktree .*/$name\$|,/^\$/p")
  if [ -z "$known" ]; then
    # Before git has written down that it makes one, there is nothing but the link to it.
    if [ "$(ls --almost-all "$name" 2>/dev/null)" = .git ]; then rm --recursive "$name"; fi
    return
  fi
  if grep --quiet --line-regexp 'locked initializing' <<<"$known"; then force=(--force --force); fi
  quietly git worktree remove "${force[@]}" "$name"
}

# outcome ISSUE WORD DETAIL: for the answer, and for the journal, in which dispatch-withdraw.sh finds it when the answer is
# lost.
outcome() {
  local line json
  to_json "$3"
  printf -v line '{"issue":%d,"outcome":"%s","detail":%s}\n' "$1" "$2" "$json"
  outcomes+=$line
  if [ "$dry_run" = false ]; then printf '%s' "$line" >>"$journal"; fi
}

try_add() {
  if [ "$dry_run" = true ]; then
    outcome "$1" would-queue ""
  elif add "$1"; then
    outcome "$1" queued ""
  else
    outcome "$1" failed "$said"
  fi
}

add_again() {
  if [ "$dry_run" = true ]; then
    outcome "$1" would-requeue "$2"
  elif forget "$1" "$2"; then
    try_add "$1"
  else
    outcome "$1" failed "$said"
  fi
}

# dispatch ISSUE WORD OWNER PIPELINE, as the look found them.
dispatch() {
  local issue=$1 word=$2 owner=$3 pipeline=$4
  if [ "$word" != none ] && [ "$owner" != "$project" ] && [ "$owner" != '?' ]; then
    outcome "$issue" other-project "$owner"
    return
  fi
  if [ "$word,$requeue" = active,true ] && is_abandoned "$issue"; then word=abandoned; fi
  case $word,$requeue,$pipeline in
    none,*) try_add "$issue" ;;
    pending,* | active,false,*) outcome "$issue" already "$word" ;;
    *,false,*) outcome "$issue" finished "$word" ;;
    *,unknown) outcome "$issue" failed 'status fails, so a stage may be running' ;;
    active,*) outcome "$issue" already "$word" ;;
    # What the row says is wrong (an overlapping check-in may mark it failed): a stage may be running in the worktree.
    *,in_progress) outcome "$issue" working "$word" ;;
    *) add_again "$issue" "$word" ;;
  esac
}

outcomes='' said='' journal=$WORKER_STATE_DIR/locks/dispatches/$id
[ -d "${journal%/*}" ] || mkdir -p "${journal%/*}"
exec 9>>"$WORKER_STATE_DIR/locks/queue"
if ! flock --wait 60 9; then
  emit_part busy 1 'another dispatch or a removal holds the queue for more than 60s'
  exit 0
fi
if ! standing=$(look "${issues[@]}" 9>&-); then
  part queue queue 9>&-
  # A full volume is the usual cause.
  part disk disk
  exit 0
fi
while IFS=$'\t' read -r issue word owner pipeline; do
  # After each issue anew: who withdraws waits only for the one we are at.
  if [ -e "$journal.withdrawn" ]; then
    emit_part withdrawn 1 ''
    exit 0
  fi
  dispatch "$issue" "$word" "$owner" "$pipeline"
done <<<"$standing"
emit_part outcomes 0 "$outcomes"
exec 9>&-
find "${journal%/*}" -type f -mtime +1 -delete
probe brief
