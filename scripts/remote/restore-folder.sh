# shellcheck shell=bash
# Where the worker keeps backups, made if need be. Part: folder.
backups_folder() {
  (umask 077 && mkdir --parents "$WORKER_STATE_DIR/backups") && printf '%s' "$WORKER_STATE_DIR/backups"
}

part folder backups_folder
