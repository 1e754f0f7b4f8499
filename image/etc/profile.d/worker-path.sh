# shellcheck shell=sh
# Panes are login shells, and /etc/profile has just reset PATH. Restore the
# worker's PATH, so that they find factory, claude, gh, git and go.
if [ -n "${WORKER_PATH-}" ]; then
  PATH=$WORKER_PATH
  export PATH
fi
