# shellcheck shell=bash
# The folder in which the worker keeps backups, created if necessary. Part: folder.
backups_folder() {
  (umask 077 && mkdir --parents "$WORKER_STATE_DIR/backups") && printf '%s' "$WORKER_STATE_DIR/backups"
}

part folder backups_folder
