# shellcheck shell=bash
# Unpacks a backup that the laptop has sent, next to the worker's state, and compares its content with its description.
# Arguments: FILE (its name in the folder of backups; removed afterwards: the laptop has it, and the volume may be full), HOW
# (empty; `import`: from SQLite to PostgreSQL; `list`: only shows what would be imported).
# Parts: unpacked (the name of the folder, for restore.sh; or why it failed), imported (of `list`).
how=${2-} archive=$WORKER_STATE_DIR/backups/${1##*/}
home=${WORKER_STATE_DIR%/*}
work=''
unset TAR_OPTIONS

give_up() {
  if [ -n "$work" ]; then rm --recursive --force "$work"; fi
  rm --force "$archive"
  emit_part unpacked 1 "$1"
  exit 0
}

on_one_line() {
  paste --serial --delimiters ' ' <<<"$1"
}

[ -s "$archive" ] || give_up "there is no backup $archive"
# Folders of an interrupted restore; one that is running is younger.
find "$WORKER_STATE_DIR/backups" -maxdepth 1 -name '.taking-over.*' -mmin +60 -exec rm -rf {} +
size=$(unpacked_size "$archive") || give_up "it is not a backup that can be restored: ${size##*$'\n'}"
free=$(df --portability --block-size=1 "$WORKER_STATE_DIR" | awk 'NR == 2 { print $4 }')
own=0
if [ -f "$home/factory.db" ]; then own=$(stat --format %s "$home/factory.db"); fi
# Room for the unpacked backup, its database once more in place, and the old one, which stays until the end.
needed=$((2 * size + own))
[ "$free" -ge "$needed" ] || give_up "the volume is too full: $free bytes free, $needed needed"
work=$(mktemp --directory "$WORKER_STATE_DIR/backups/.taking-over.XXXXXX") || give_up 'the volume cannot be written'
mkdir "$work/new" "$work/old"
said=$(unpack_backup "$archive" "$work/new") || give_up "the backup cannot be unpacked: $said"
rm --force "$archive"
[ -s "$work/new/state" ] || give_up 'the backup is of another version: it has no record of its rows'
saved=$(head --bytes 4096 "$work/new/state")
kind=$(sed --quiet '1s/^database=//p' <<<"$saved")
said=$(state_of_copy "$work/new" "$kind" 2>&1) || give_up "its database cannot be read: $said"
[ "$said" = "$saved" ] || give_up "its database is not what was saved: $(on_one_line "$said") instead of $(on_one_line "$saved")"
if [ -z "$how" ]; then
  said=$(refuse_kind "$kind")
  [ -z "$said" ] || give_up "$said"
elif [ "$kind" != sqlite ] || [ "$(database_kind)" = sqlite ]; then
  give_up "rows are imported from SQLite to PostgreSQL alone: the backup is of $(engine_of "$kind"), and the factory of this worker keeps its queue in $(engine_of "$(database_kind)")"
fi
if [ "$how" = list ]; then
  said=$(rows_to_import "$work/new" "$work/new" 2>&1) || give_up "its rows cannot be read: ${said##*$'\n'}"
  emit_part imported 0 "$said"
  rm --recursive --force "$work"
fi
emit_part unpacked 0 "${work##*/}"
