# shellcheck shell=sh
# Panes are login shells and /etc/profile has just reset PATH. Give them the
# worker's PATH again, so that they find factory, claude, gh, git and go.
if [ -n "${WORKER_PATH-}" ]; then
  PATH=$WORKER_PATH
  export PATH
fi
