# shellcheck shell=bash
# Changes rows of the queue under its lock: look, change, look again.
#
# Argument: a RowRequest (scripts/lib/unstick/queue-change.ts).
# Parts: busy, or outcomes (a line of JSON for each issue: RowOutcome of scripts/lib/contract.ts); then a brief probe.
declare -A request
read_request "$1" || exit
action=${request[action]}

# The same number twice (two projects in one store): the program would use the lower position, whichever is meant.
ambiguous() {
  [ "$(jq --argjson issue "$1" 'map(select(.Issue == $issue)) | length' <<<"$rows")" -gt 1 ]
}

# change ISSUE COMMAND…
change() {
  local issue=$1 ok=false line json
  shift
  if ambiguous "$issue"; then
    said="#$issue is in the queue twice, for two projects: factory cannot tell them apart"
  elif with_retries "$@"; then
    ok=true
    note_operator "${request[by]}" "queue $action #$issue" 2>/dev/null
  fi
  to_json "$said"
  printf -v line '{"issue":%d,"ok":%s,"message":%s}\n' "$issue" "$ok" "$json"
  outcomes+=$line
}

said='' outcomes=''
take_queue_lock 30 || exit 0
rows=$(queue 2>/dev/null 9>&-) || rows='[]'
if [ "$rows" = null ]; then rows='[]'; fi
for issue in ${request[issues]}; do
  case $action in
    remove) change "$issue" factory queue remove "$issue" ;;
    set-intent) change "$issue" factory queue set-intent "$issue" "${request[text]}" ;;
  esac
done
exec 9>&-
emit_part outcomes 0 "$outcomes"
probe brief
