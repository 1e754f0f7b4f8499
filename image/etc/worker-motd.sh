# shellcheck shell=bash
# Read by an interactive bash (kubectl exec -it … -- bash), but not in a pane, which belongs to an agent.
if [[ $- == *i* && -z ${TMUX-} && -t 2 ]]; then
  unset HISTFILE
  {
    printf 'factory worker %s: %s\n' "${WORKER_NAME-}" "$(worker-health ready 2>&1)"
    printf '  %-52s %s\n' 'tmux attach -t orchestrator' '# what it is doing (leave with Ctrl-b d)' \
      "jq -r '.phases[]|.name,.status,.message' ${WORKER_RUN_DIR-}/boot.json" '# how it came up' \
      "tail -n 50 ${WORKER_STATE_DIR-}/logs/orchestrator.log" '# what it did'
  } >&2
fi
