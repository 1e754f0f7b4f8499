# shellcheck shell=bash
# After a release from SQLite to PostgreSQL: adds the open rows of SQLite, which stays on the volume as it was, to the queue of the
# new factory. Each is added once, however often this is cut off and called again. Only in a drained worker with nothing running.
#
# Arguments: RELEASE (the one whose backup is from just before the change), HOW (`add`; `withdraw`: take out what was added),
# SECONDS (no further row is added then: the next call goes on).
# Parts: unneeded (this factory keeps its queue in SQLite as well); or imported (a line of JSON for each open row, or why it failed)
# and left (how many are still to be added); or withdrawn (why it failed) and others (what was added by others: its issues).
release=${1##*/} how=$2 seconds=$3
home=${WORKER_STATE_DIR%/*}
backup=$WORKER_STATE_DIR/backups/$release.tar.gz
# What was added, for later calls and for release-import-undo.sh; its first line is the time of the backup.
journal=$WORKER_STATE_DIR/imports/$release
work=''

give_up() {
  if [ -n "$work" ]; then rm --recursive --force "$work"; fi
  emit_part "$part" 1 "$1"
  exit 0
}

# look_at_queue: $work/queue and, of its rows, $work/stale: the ids of those that are older than the backup. They are from the last
# time that this worker had PostgreSQL, and are compared by the clock of the database alone.
look_at_queue() {
  local age=$((EPOCHSECONDS - since))
  queue >"$work/queue" &&
    query_server "SELECT coalesce(json_agg(id), '[]'::json) FROM issue_queue WHERE added_at < now() - interval '$age seconds'" >"$work/stale"
}

# about_rows FILTER [OPTION…]: what jq makes of the rows to import, and of those in the queue.
# shellcheck disable=SC2016  # jq's variables
about_rows() {
  jq --null-input --slurpfile rows "$work/rows" --slurpfile queue "$work/queue" --slurpfile stale "$work/stale" \
    --slurpfile journal "$journal" --arg repos "$WORKER_REPOS_DIR/" "${@:2}" '
    def key: "\(.issue) \(.project)";
    def keys_of: map({key: key, value: .}) | from_entries;
    def is_open: .status == "pending" or .status == "active";
    ($stale[0] | map({key: tostring, value: true}) | from_entries) as $old
    | [$queue[0][]? | {issue: .Issue, status: .Status, intent: (.FeatureIntent // ""), old: ($old["\(.ID)"] // false),
        project: (.ConfigPath // "" | if startswith($repos) then ltrimstr($repos) | split("/")[0] else "" end)}] as $queue
    | ($journal[1:] | keys_of) as $added
    | ([$queue[] | select(.old | not)] | keys_of) as $there
    | ([$rows[] | select(.fate == "add")] | keys_of) as $wanted
    | '"$1"
}

# The rows that do not count any more, and those that would be in the way.
# shellcheck disable=SC2016
readonly stale_issues='$queue[] | select(.old and (is_open or $wanted[key] != null) and $added[key] == null) | .issue'
# `there`: it is in the queue, for example since the call that added it was cut off before its note. factory may have been cut off
# before its intent was taken away again (add_row_as_it_was).
# shellcheck disable=SC2016
readonly rows_to_add='$rows[] | select($added[key] == null) | . as $row
  | if .fate != "add" or $there[key] == null then . elif .intent == "" and $there[key].intent == "-" then .fate = "half" else .fate = "there" end'
# Of those that this call has added: what an earlier one has, somebody may have taken out on purpose.
# shellcheck disable=SC2016
readonly missing_issues='$todo[] | select(.fate == "add" and $there[key] == null) | "#\(.issue)"'
# shellcheck disable=SC2016
readonly own_issues='$queue[] | select((.old | not) and .status == "pending" and $wanted[key] != null) | .issue'
# shellcheck disable=SC2016
readonly other_issues='$queue[] | select((.old | not) and is_open) | "\(.project)#\(.issue)"'

remove_rows() {
  local issue
  while read -r issue; do
    with_retries factory queue remove "$issue" || return 1
  done
}

# add_once: of a row of $rows_to_add. It is noted after it was added: a row that was added and not noted is in the queue.
# shellcheck disable=SC2154  # the row's fields, set by each_row
add_once() {
  case $fate in
    waits) return 0 ;;
    half) with_retries factory queue set-intent "$issue" '' || return 1 ;;
    add)
      if [ "$EPOCHSECONDS" -ge "$end" ] && [ "$tried" -gt 0 ]; then
        left=$((left + 1))
        return 0
      fi
      tried=$((tried + 1))
      import_row || return 1
      ;;
  esac
  if ! note_row 2>/dev/null; then
    if [ "$fate" = add ]; then quietly factory queue remove "$issue"; fi
    said='the state volume cannot be written'
    return 1
  fi
}

# shellcheck disable=SC2154
note_row() {
  local json word=add
  if [ "$fate" = goes-on ]; then word=goes-on; fi
  to_json "$project"
  printf '{"issue":%d,"project":%s,"fate":"%s"}\n' "$issue" "$json" "$word" >>"$journal"
}

part=imported
if [ "$how" = withdraw ]; then part=withdrawn; fi
# shellcheck disable=SC2034  # read by add_row
dialect=$(dialect 2>/dev/null) || give_up 'factory does not answer'
if [ "$(database_kind)" = sqlite ]; then
  emit_part unneeded 0 ''
  exit 0
fi
[ -e "$WORKER_STATE_DIR/drain" ] || give_up 'the worker is not drained'
[ "$(lock_state "$WORKER_STATE_DIR/locks/check-in")" = free ] || give_up 'a check-in is running'
mkdir --parents "$WORKER_STATE_DIR/locks" "${journal%/*}" || give_up 'the state volume cannot be written'
exec 9>>"$WORKER_STATE_DIR/locks/queue"
flock --wait 90 9 || give_up 'the queue has been held for more than 90s'
if [ ! -s "$journal" ]; then
  [ -s "$backup" ] || give_up "there is no backup $backup"
  stat --format %Y "$backup" >"$journal" || give_up 'the state volume cannot be written'
fi
IFS= read -r since <"$journal"
[[ $since =~ ^[0-9]+$ ]] || give_up "$journal does not begin with a time"
rm --recursive --force "$WORKER_STATE_DIR/backups"/.importing.*
work=$(mktemp --directory "$WORKER_STATE_DIR/backups/.importing.XXXXXX") || give_up 'the state volume cannot be written'
[ -e "$home/factory.db" ] || give_up "there is no $home/factory.db any more"
said=$(save_database sqlite "$work" 2>&1 9>&-) || give_up "SQLite cannot be read: $said"
rows_to_import "$work" "$home" >"$work/rows" || give_up "its rows cannot be read: $(tail --lines=1 "$work/rows")"
said=$(look_at_queue 2>&1 9>&-) || give_up "the queue cannot be read: $said"

if [ "$how" = withdraw ]; then
  about_rows "$own_issues" >"$work/own"
  remove_rows <"$work/own" || give_up "$said"
  said=$(look_at_queue 2>&1 9>&-) || give_up "the queue cannot be read: $said"
  emit_part others 0 "$(about_rows "$other_issues" --raw-output)"
  rm --recursive --force "$work" "$journal"
  emit_part withdrawn 0 ''
  exit 0
fi

about_rows "$stale_issues" >"$work/issues"
remove_rows <"$work/issues" || give_up "a row from the last time with PostgreSQL cannot be removed: $said"
about_rows "$rows_to_add" --compact-output >"$work/todo"
left=0 tried=0 end=$((EPOCHSECONDS + seconds))
each_row "$work/todo" add_once >"$work/said" || give_up "$(<"$work/said")"
if [ "$left" -eq 0 ]; then
  said=$(look_at_queue 2>&1 9>&-) || give_up "the queue cannot be read: $said"
  missing=$(about_rows "$missing_issues" --raw-output --slurpfile todo "$work/todo" | paste --serial --delimiters ' ')
  [ -z "$missing" ] || give_up "rows that were added are not in the queue: $missing"
fi
emit_part left 0 "$left"
emit_part imported 0 "$(jq --compact-output '{issue, project, fate}' "$work/rows")"
rm --recursive --force "$work"
