# shellcheck shell=sh
# For every login shell of a worker, the panes among them.

# What `factory` types into a pane must not end up in a file.
unset HISTFILE

# The tmux server is kept from the kernel's out-of-memory killer; what runs in its panes is not.
# (By builtins: what another program writes to /proc/self is about that program.)
if [ -r "${WORKER_RUN_DIR-}/pane-oom-score" ]; then
  read -r worker_score <"$WORKER_RUN_DIR/pane-oom-score"
  echo "$worker_score" 2>/dev/null >/proc/self/oom_score_adj
  unset worker_score
fi
