# shellcheck shell=bash
# Ends the client of an attach whose laptop is gone or has lost its connection. Nothing else may do so
# (kubernetes/kubernetes#89031), and a client that stays behind determines the size of the window. Argument: ID.
former=$WORKER_RUN_DIR/attach/$1
if [ -r "$former" ]; then
  client=$(<"$former")
  # By now another process may have its id.
  if tmux list-clients -F '#{client_pid}' 2>/dev/null | grep --quiet --line-regexp "$client"; then kill -HUP "$client"; fi
  rm -f "$former"
fi
