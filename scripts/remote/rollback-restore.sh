# shellcheck shell=bash
# Restores the database and the pipelines of a backup, after a release that had migrated them was rolled back. Only in a
# drained worker with nothing running, and with exactly the rows of the backup: nothing that was added since is lost.
# Arguments: FILE (its name in the folder of backups), ROWS, NEWEST. Part: restored.
file=$WORKER_STATE_DIR/backups/${1##*/} rows=$2 newest=$3
home=${WORKER_STATE_DIR%/*}
unset TAR_OPTIONS
give_up() {
  emit_part restored 1 "$1"
  exit 0
}
[ -e "$WORKER_STATE_DIR/drain" ] || give_up 'the worker is not drained'
[ "$(lock_state "$WORKER_STATE_DIR/locks/check-in")" = free ] || give_up 'a check-in is running'
exec 9>>"$WORKER_STATE_DIR/locks/queue"
flock --wait 30 9 || give_up 'the queue has been held for more than 30s'
[ -s "$file" ] || give_up "there is no backup $file"
now=$(state 2>&1 9>&-) || give_up "the database cannot be read: $now"
if [ "$(grep --extended-regexp '^(rows|newest)=' <<<"$now")" != "rows=$rows"$'\n'"newest=$newest" ]; then
  give_up "issues were added or removed since the backup: it has $rows rows, now there are $(sed --quiet 's/^rows=//p' <<<"$now")"
fi
# What fails says only why: the size of an archive that can be unpacked is no error.
is_backup() {
  local said
  said=$(unpacked_size "$file") || { echo "${said##*$'\n'}" && return 1; }
}
of_our_kind() {
  local why
  why=$(refuse_kind "$(sed --quiet '1s/^database=//p' "$work/state")")
  [ -z "$why" ] || { echo "$why" && return 1; }
}
work=$(mktemp --directory "$WORKER_STATE_DIR/backups/.restoring.XXXXXX") || give_up 'the volume cannot be written'
if said=$({ is_backup && unpack_backup "$file" "$work" && of_our_kind && restore_database "$work" own &&
  { [ ! -d "$work/pipelines" ] || cp --archive "$work/pipelines/." "$home/pipelines/"; }; } 2>&1 9>&-); then
  emit_part restored 0 "$file"
else
  emit_part restored 1 "$said"
fi
rm --recursive --force "$work"
