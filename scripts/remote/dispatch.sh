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
  # Without an intent factory asks claude for one. With its own ten retries claude says nothing for three minutes when its API is
  # down.
  CLAUDE_CODE_MAX_RETRIES=1 with_retries "${command[@]}"
}

# is_abandoned ISSUE: whether the row is active and has no pipeline, and no check-in is about to begin one: the one that took
# it died (image/supervisor/loop/taken.ts). Looked at again after the check-in lock was free, since the check-in of the
# first look may have begun it meanwhile.
is_abandoned() {
  [ "$(lock_state "$WORKER_STATE_DIR/locks/check-in")" = free ] &&
    [[ $(look "$1" </dev/null 9>&-) == "$1"$'\tactive\t'*$'\t' ]]
}

# way_is_clear ISSUE: whether what is left of an earlier begin may all go. Otherwise it tells what stays.
way_is_clear() {
  local ours=no
  if is_ours "$1" "$project"; then ours=yes; fi
  find_leftovers "$1" "$ours"
  tell_what_stays "$1"
}

tell_what_stays() {
  if [ -z "$stays" ]; then return 0; fi
  outcome "$1" in-the-way "$stays"$'\n'"$cure"
  return 1
}

# Forgets the earlier run: pipeline, worktree, branch and row. `pipeline cleanup` stops half-way the first time when the
# branch is not merged, and finishes the second time.
forget() {
  quietly factory pipeline cleanup "$1" || quietly factory pipeline cleanup "$1"
  way_is_clear "$1" || return 2
  clear_leftovers "$1" && drop_branch "$1" || return 1
  if [ "$2" != pipeline ]; then with_retries factory queue remove "$1" || return 1; fi
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

# try_add ISSUE: its outcome tells where the commits of an earlier run are kept.
try_add() {
  if [ "$dry_run" = true ]; then
    outcome "$1" would-queue ""
  elif add "$1"; then
    outcome "$1" queued "$kept"
  else
    outcome "$1" failed "$said"
  fi
}

# Of most issues nothing is left, and then nothing is asked.
add_new() {
  if in_sight "$1"; then
    way_is_clear "$1" || return 0
    if [ "$dry_run" = false ] && ! clear_leftovers "$1"; then
      outcome "$1" failed "$said"
      return
    fi
  fi
  try_add "$1"
}

# add_again ISSUE WORD PIPELINE
add_again() {
  # Before anything is dropped: the pipeline's own worktree goes with it, and no other.
  find_branch_holder "$1"
  tell_what_stays "$1" || return 0
  if [ "$dry_run" = true ]; then
    [ -n "$3" ] || way_is_clear "$1" || return 0
    outcome "$1" would-requeue "$2"
    return
  fi
  forget "$1" "$2"
  case $? in
    0) try_add "$1" ;;
    1) outcome "$1" failed "$said" ;;
  esac
}

# dispatch ISSUE WORD OWNER PIPELINE, as the look found them.
dispatch() {
  local issue=$1 word=$2 owner=$3 pipeline=$4
  kept=''
  if [ "$word" != none ] && [ "$owner" != "$project" ] && [ "$owner" != '?' ]; then
    outcome "$issue" other-project "$owner"
    return
  fi
  if [ "$word,$requeue" = active,true ] && is_abandoned "$issue"; then word=abandoned; fi
  case $word,$requeue,$pipeline in
    none,*) add_new "$issue" ;;
    pending,* | active,false,*) outcome "$issue" already "$word" ;;
    *,false,*) outcome "$issue" finished "$word" ;;
    *,unknown) outcome "$issue" failed 'status fails, so a stage may be running' ;;
    active,*) outcome "$issue" already "$word" ;;
    # What the row says is wrong (an overlapping check-in may mark it failed): a stage may be running in the worktree.
    *,in_progress) outcome "$issue" working "$word" ;;
    *) add_again "$issue" "$word" "$pipeline" ;;
  esac
}

outcomes='' said='' kept='' stays='' cure='' journal=$WORKER_STATE_DIR/locks/dispatches/$id
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
