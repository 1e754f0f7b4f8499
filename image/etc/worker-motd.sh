# shellcheck shell=bash
# Sourced by an interactive bash (kubectl exec -it … -- bash), but not in a pane, which belongs to an agent.
worker_motd() {
  local run=${WORKER_RUN_DIR-}
  printf 'factory worker %s: %s\n' "${WORKER_NAME-}" "$(worker-health ready 2>&1)"
  jq --raw-output '.phases[] | select(.status == "failed" or .status == "missing") | "  \(.name) \(.status): \(.message)"' \
    "$run/boot.json" 2>/dev/null
  jq --raw-output 'select(.state == "refused" or .state == "drained") | "  orchestrator \(.state): \(.reason)"' \
    "$run/heartbeat.json" 2>/dev/null
  df --output=pcent,target "${WORKER_STATE_DIR-}" /var/lib/docker 2>/dev/null |
    awk '$1 + 0 >= 85 { print "  disk " $1 " full: " $2 }'
  printf '  %-58s %s\n' 'tmux attach -t orchestrator' '# what it is doing (leave with Ctrl-b d)' \
    "cat $run/boot.log" '# how it started' \
    "tail -n 50 ${WORKER_STATE_DIR-}/logs/orchestrator.log" '# what it did'
}
if [[ $- == *i* && -z ${TMUX-} && -t 2 ]]; then
  unset HISTFILE
  worker_motd >&2
fi
unset -f worker_motd
