# shellcheck shell=bash
# Changes the order of the rows that wait. factory only adds at the end, so each row that has to come later is removed and added
# again, under the queue's lock. What is still to be done is in a file: if this is cut off at any moment, the next call goes on.
#
# Argument: a MoveRequest (scripts/lib/unstick/move.ts); without issues it only finishes an earlier move.
# Parts: busy or changed (nothing was done), or moved (1 and the reason when a row could not be moved); then a brief probe.
declare -A request
read_request "$1" || exit
readonly journal=$WORKER_STATE_DIR/queue-move.jsonl

# hold_check_in SECONDS: so that no check-in takes a row that is just being moved. A check-in that runs a stage takes none, and
# may hold it for long: then it is tried again before each row.
hold_check_in() {
  flock --wait "$1" 8
}

pending() {
  jq --raw-output 'sort_by(.Position) | .[] | select(.Status == "pending") | .Issue' <<<"$rows"
}

status_of() {
  jq --raw-output --argjson issue "$1" 'first(.[]? | select(.Issue == $issue) | .Status) // "none"'
}

# plan: a line of JSON for each row that is to be added again, in order.
plan() {
  jq --compact-output --argjson issues "[${request[issues]//$'\n'/,}]" --arg projects "${request[projects]}" '
    . as $rows | ($projects | split("\n")) as $names | $issues | to_entries[] | . as $one
    | first($rows[] | select(.Issue == $one.value))
    | {issue: .Issue, project: $names[$one.key], config: (.ConfigPath // ""), intent: (.FeatureIntent // ""),
       dependsOn: (.DependsOn // [] | map(tostring) | join(","))}' <<<"$rows"
}

# move_row LINE: a row that is neither waiting nor gone was taken up meanwhile, and stays.
move_row() {
  local issue status
  issue=$(jq .issue <<<"$1")
  project=$(jq --raw-output .project <<<"$1")
  config=$(jq --raw-output .config <<<"$1")
  intent=$(jq --raw-output .intent <<<"$1")
  depends_on=$(jq --raw-output .dependsOn <<<"$1")
  if [ -z "$config" ]; then config=$WORKER_REPOS_DIR/$project/$(config_of "$project"); fi
  if ! cd "${config%/*}"; then
    said="there is no folder ${config%/*}"
    return 1
  fi
  hold_check_in 0
  status=$(queue 2>/dev/null | status_of "$issue") || status=unknown
  case $status in
    pending) with_retries factory queue remove "$issue" || return 1 ;;
    none) ;;
    unknown)
      said='the queue cannot be read'
      return 1
      ;;
    *) return 0 ;;
  esac
  add_row_as_it_was "$issue"
}

move_rows() {
  local line
  while IFS= read -r line <"$journal"; do
    move_row "$line" || return 1
    if ! { tail --lines=+2 "$journal" >"$journal.new" && mv "$journal.new" "$journal"; } 2>/dev/null; then
      said='the state volume cannot be written'
      return 1
    fi
  done
  rm -f "$journal"
}

# shellcheck disable=SC2034  # depends_on: read by add_row
said='' project='' config='' intent='' depends_on=''
take_queue_lock 30 || exit 0
exec 8>>"$WORKER_STATE_DIR/locks/check-in"
hold_check_in 3
# shellcheck disable=SC2034  # read by add_row
if ! dialect=$(dialect 2>/dev/null 9>&-); then
  emit_part busy 1 'factory does not answer'
  exit 0
fi
if [ -s "$journal" ] && ! move_rows; then
  emit_part moved 1 "$said"
  probe brief
  exit 0
fi
if [ -n "${request[issues]}" ]; then
  rows=$(queue 2>/dev/null 9>&-) || rows='[]'
  if [ "$(pending)" != "${request[seen]}" ]; then
    emit_part changed 1 ''
    exit 0
  fi
  if ! { plan >"$journal.new" && sync "$journal.new" && mv "$journal.new" "$journal"; } 2>/dev/null; then
    emit_part busy 1 'the state volume cannot be written'
    exit 0
  fi
  note_operator "${request[by]}" "queue move ${request[moved]//$'\n'/ }" 2>/dev/null
  if ! move_rows; then
    emit_part moved 1 "$said"
    probe brief
    exit 0
  fi
fi
emit_part moved 0 ''
exec 8>&- 9>&-
probe brief
