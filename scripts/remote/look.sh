# shellcheck shell=bash
# What several commands look at, in one answer. Arguments: PART…, answered in that order:
#   brief, full       a probe (worker.sh): everything `list` and `status` show of a worker
#   clock, sessions   the sessions, and the time by which they are judged
#   recordings        names of the recorded sessions, one per line
#   memory            of the pod and of its Docker (worker.sh)
#   panes, all-panes  pane.N (worker.sh), of the newest or of every session
#   humans            human.N (worker.sh)
recordings() {
  local file
  for file in "$WORKER_STATE_DIR"/logs/sessions/*.log; do
    if [ -e "$file" ]; then basename "$file" .log; fi
  done
}

for part; do
  case $part in
    brief | full) probe "$part" ;;
    clock) emit_part clock 0 "${EPOCHREALTIME/,/.}" ;;
    sessions) part sessions sessions ;;
    recordings) part recordings recordings ;;
    memory) part memory memory ;;
    panes) show_panes ;;
    all-panes) show_panes 1000 ;;
    humans) show_humans ;;
  esac
done
