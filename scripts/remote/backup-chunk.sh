# shellcheck shell=bash
# A piece of a backup, for the laptop's copy. Arguments: FILE (its name in the folder of backups), OFFSET and LENGTH in bytes.
# Part: chunk, as base64, since an answer is text.
emit_part chunk 0 "$(tail --bytes "+$(($2 + 1))" "$WORKER_STATE_DIR/backups/${1##*/}" | head --bytes "$3" | base64 --wrap=0)"
