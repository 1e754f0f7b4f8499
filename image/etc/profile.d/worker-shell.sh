# shellcheck shell=sh
# For every login shell of a worker, including the panes.

# What `factory` types into a pane must not end up in a file.
unset HISTFILE

# The kernel's out-of-memory killer spares the tmux server, but not what runs in its panes.
# (Only builtins: another program would write to its own /proc/self.)
if [ -r "${WORKER_RUN_DIR-}/pane-oom-score" ]; then
  read -r worker_score <"$WORKER_RUN_DIR/pane-oom-score"
  echo "$worker_score" 2>/dev/null >/proc/self/oom_score_adj
  unset worker_score
fi
