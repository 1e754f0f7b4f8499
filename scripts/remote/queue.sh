# shellcheck shell=bash
# Changes rows of the queue under its lock: look, change, look again.
#
# Arguments: BY remove ISSUE…, or BY set-intent ISSUE TEXT.
# Parts: busy, or outcomes (ISSUE, tab, `done` or `failed`, tab, message); then a brief probe.
by=$1 action=$2
shift 2

# A number twice (two projects in one store): the program would take the lower position, whichever is meant.
ambiguous() {
  [ "$(jq --argjson issue "$1" 'map(select(.Issue == $issue)) | length' <<<"$rows")" -gt 1 ]
}

# change ISSUE COMMAND…
change() {
  local issue=$1 word='failed'
  shift
  if ambiguous "$issue"; then
    said="#$issue stands in the queue twice, for two projects: factory cannot tell them apart"
  elif with_retries "$@"; then
    word='done'
    note_operator "$by" "queue $action #$issue" 2>/dev/null
  fi
  said=${said//$'\t'/ }
  outcomes+=$issue$'\t'$word$'\t'${said//$'\n'/$'\037'}$'\n'
}

said='' outcomes=''
mkdir -p "$WORKER_STATE_DIR/locks"
exec 9>>"$WORKER_STATE_DIR/locks/queue"
if ! flock --wait 30 9; then
  emit_part busy 1 'somebody else has held the queue for more than 30s'
  exit 0
fi
rows=$(queue 2>/dev/null 9>&-) || rows='[]'
if [ "$rows" = null ]; then rows='[]'; fi
case $action in
  remove) for issue in "$@"; do change "$issue" factory queue remove "$issue"; done ;;
  set-intent) change "$1" factory queue set-intent "$1" "$2" ;;
esac
exec 9>&-
emit_part outcomes 0 "$outcomes"
probe brief
