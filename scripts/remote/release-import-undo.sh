# shellcheck shell=bash
# After a rollback from PostgreSQL to SQLite, over a release that had imported the queue: takes the rows out of SQLite that were
# imported, since they went on in PostgreSQL. Only in a drained worker with nothing running.
# Arguments: RELEASE (the one whose import it is). Part: restored (how many rows were taken out, or why it failed).
journal=$WORKER_STATE_DIR/imports/${1##*/}
give_up() {
  emit_part restored 1 "$1"
  exit 0
}

# imported_issues: of those that are still open here. Dialect A does not say of which project a row is.
# shellcheck disable=SC2016  # jq's variables
imported_issues() {
  queue 2>/dev/null 9>&- | jq --slurpfile journal "$journal" --arg repos "$WORKER_REPOS_DIR/" '
    (reduce $journal[1:][] as $row ({}; .["\($row.issue)"] += [$row.project])) as $projects
    | .[]? | select(.Status == "pending" or .Status == "active") | (.ConfigPath // "") as $config
    | select($projects["\(.Issue)"] // [] | any(.[]; . as $project | $config == "" or ($config | startswith($repos + $project + "/"))))
    | .Issue'
}

[ -e "$WORKER_STATE_DIR/drain" ] || give_up 'the worker is not drained'
[ "$(lock_state "$WORKER_STATE_DIR/locks/check-in")" = free ] || give_up 'a check-in is running'
[ "$(database_kind)" = sqlite ] || give_up 'its factory keeps its queue in PostgreSQL'
[ -s "$journal" ] || give_up "there is no record of the import: $journal"
exec 9>>"$WORKER_STATE_DIR/locks/queue"
flock --wait 30 9 || give_up 'the queue has been held for more than 30s'
said='' taken=0
while read -r issue; do
  with_retries factory queue remove "$issue" || give_up "#$issue: $said"
  taken=$((taken + 1))
done < <(imported_issues)
emit_part restored 0 "$taken"
