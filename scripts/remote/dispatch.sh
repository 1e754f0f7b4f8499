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
# Before anything is changed; the laptop names the missing flag.
if [ -n "$depends_on" ] && ! has_flag "$dialect" depends-on; then exit 0; fi
if [ -n "$intent" ] && ! has_flag "$dialect" intent; then exit 0; fi

# The program has to be called here: A takes the repository and the configuration from the current directory.
cd "${config%/*}" || exit 1

record() {
  local at json
  TZ=UTC printf -v at '%(%Y-%m-%dT%H:%M:%SZ)T'
  to_json "${request[by]}"
  printf '{"issue":%d,"project":"%s","at":"%s","by":%s}\n' "$1" "$project" "$at" "$json" \
    >>"$WORKER_STATE_DIR/dispatch.jsonl"
}

add() {
  # The record first: if we are killed in between, a row without a project would be worse than a record without a row.
  if ! record "$1" 2>/dev/null; then
    said='its record in dispatch.jsonl cannot be written: is the disk full?'
    return 1
  fi
  # Without an intent factory asks claude for one. With its own ten retries claude says nothing for three minutes when its API is
  # down.
  CLAUDE_CODE_MAX_RETRIES=1 add_row "$1"
}

# is_abandoned ISSUE: whether the row is active and has no pipeline, and no check-in is about to create one: the check-in that
# took it died (image/supervisor/loop/taken.ts). Checked again once the check-in lock was free, since a check-in that ran
# during the first look may have created it meanwhile.
is_abandoned() {
  [ "$(lock_state "$WORKER_STATE_DIR/locks/check-in")" = free ] &&
    [[ $(look "$1" </dev/null 9>&-) == "$1"$'\tactive\t'*$'\t' ]]
}

# way_is_clear ISSUE: whether all leftovers of an interrupted start may be removed. Otherwise reports what has to stay.
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

# Removes the earlier run: pipeline, worktree, branch and row. When the branch is not merged, `pipeline cleanup` stops half-way
# the first time, and finishes the second time.
forget() {
  quietly factory pipeline cleanup "$1" || quietly factory pipeline cleanup "$1"
  way_is_clear "$1" || return 2
  clear_leftovers "$1" && drop_branch "$1" || return 1
  if [ "$2" != pipeline ]; then with_retries factory queue remove "$1" || return 1; fi
}

# outcome ISSUE WORD DETAIL: for the answer, and for the journal, where dispatch-withdraw.sh finds it when the answer is lost.
outcome() {
  local line json
  to_json "$3"
  printf -v line '{"issue":%d,"outcome":"%s","detail":%s}\n' "$1" "$2" "$json"
  outcomes+=$line
  if [ "$dry_run" = false ]; then printf '%s' "$line" >>"$journal"; fi
}

# try_add ISSUE: adds it; the outcome tells where the commits of an earlier run are kept.
try_add() {
  if [ "$dry_run" = true ]; then
    outcome "$1" would-queue ""
  elif add "$1"; then
    outcome "$1" queued "$kept"
  else
    outcome "$1" failed "$said"
  fi
}

# Most issues have no leftovers, and then nothing more is checked.
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
  # Before anything is removed: only the pipeline's own worktree is removed with it.
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

# dispatch ISSUE WORD OWNER PIPELINE, as `look` has found them.
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
    # The status of the row may be wrong (an overlapping check-in may mark it failed): a stage may be running in the worktree.
    *,in_progress) outcome "$issue" working "$word" ;;
    *) add_again "$issue" "$word" "$pipeline" ;;
  esac
}

outcomes='' said='' kept='' stays='' cure='' journal=$WORKER_STATE_DIR/locks/dispatches/$id
[ -d "${journal%/*}" ] || mkdir -p "${journal%/*}"
take_queue_lock 60 || exit 0
if ! standing=$(look "${issues[@]}" 9>&-); then
  part queue queue 9>&-
  # Usually the volume is full.
  part disk disk
  exit 0
fi
while IFS=$'\t' read -r issue word owner pipeline; do
  # Taken for each issue anew: dispatch-withdraw.sh waits only for the current one.
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
