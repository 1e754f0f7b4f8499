# shellcheck shell=bash
# A piece of a log, from the end of the previous piece. Argument: a LogRequest (scripts/lib/logs/piece.ts).
# Parts: file (0, or 1: it does not exist; its path), piece (ID, OFFSET, SIZE and `cut` when the known file no longer exists,
# `rotated` when another one follows it), data (base64: a recording may contain any byte); going (no: the session has ended).
declare -A request
read_request "$1" || exit
kind=${request[kind]} name=${request[name]-} previous=${request[previous]} lines=${request[lines]}
id=${request[id]-} offset=${request[offset]-0} limit=${request[limit]}

log_file() {
  local logs=$WORKER_STATE_DIR/logs
  case $kind in
    boot)
      # Each boot starts a new one. A local worker has a file with all output of its supervisors.
      if [ "$previous" = true ]; then echo "$logs/supervisor.log"; else echo "$WORKER_RUN_DIR/boot.log"; fi
      return
      ;;
    orchestrator) file=$logs/orchestrator.log ;;
    # A local worker has no Docker of its own.
    docker) if [ "${WORKER_RUNTIME-}" = pod ]; then file=/var/log/factory-worker/dockerd.log; fi ;;
    session) file=$logs/sessions/$name.log ;;
  esac
  if [ "$previous" = true ]; then file=$file.1; fi
  echo "$file"
}

# Identifies a file across renames; the inode alone may be reused by another file.
identity() {
  stat --dereference --format '%i-%W' "$1" 2>/dev/null
}

size() {
  stat --dereference --format %s "$1"
}

# From here on uses the open file, not its name: after a rotation that belongs to another file.
open_log() {
  exec 8<"$1"
} 2>/dev/null

has_ended() {
  jq --exit-status '.finishedAt != null' "$WORKER_RUN_DIR/boot.json" >/dev/null 2>&1 || return 1
  ! sessions 2>/dev/null | cut --fields=1 | grep --quiet --line-regexp --fixed-strings -- "$name"
}

if [ "$kind" = session ] && has_ended; then emit_part going 0 no; fi
path=$(log_file)
fate=''
if [ -n "$id" ] && [ "$(identity "$path")" != "$id" ] && [ "$(identity "$path.1")" = "$id" ] &&
  [ "$(size "$path.1")" -gt "$offset" ]; then
  # It was rotated since: first the rest of the old file.
  path=$path.1
  fate='rotated'
fi
if ! open_log "$path"; then
  emit_part file 1 "$path"
  exit 0
fi
emit_part file 0 "$path"
now=$(identity /dev/fd/8)
size=$(size /dev/fd/8)
if [ -z "$id" ]; then
  offset=0
  if [ "$lines" != all ]; then
    offset=$((size - $(head --bytes="$size" /dev/fd/8 | tail --lines="$lines" | wc --bytes)))
  fi
elif [ "$now" != "$id" ]; then
  if [ "$(identity "$path.1")" != "$id" ]; then fate='cut'; fi
  offset=0
elif [ "$size" -lt "$offset" ]; then
  fate='cut'
  offset=0
fi
emit_part piece 0 "$now $offset $size $fate"
emit_part data 0 "$(tail --bytes="+$((offset + 1))" /dev/fd/8 | head --bytes="$limit" | mask_stream | base64 --wrap=0)"
