# shellcheck shell=bash
# A piece of a log, from the end of the previous piece. Argument: a LogRequest (scripts/lib/logs/source.ts).
# Parts: file (0, or 1: it does not exist; its path), piece (ID, OFFSET, SIZE and `cut` when the known file no longer exists,
# `rotated` when another one follows it), data (base64: a recording may contain any byte); going (no: the session has ended).
declare -A request
read_request "$1" || exit
kind=${request[kind]} name=${request[name]-} previous=${request[previous]} lines=${request[lines]}
since=${request[since]-} id=${request[id]-} offset=${request[offset]-0} limit=${request[limit]}

# Whether its database is one that the operator named, whatever an earlier server of its own has logged.
has_other_database() {
  jq --exit-status '.database.kind == "url"' "$WORKER_RUN_DIR/boot.json" >/dev/null 2>&1
}

log_file() {
  local logs=$WORKER_STATE_DIR/logs file=''
  case $kind in
    boot)
      # Each boot starts a new one. A local worker has a file with all output of its supervisors.
      if [ "$previous" = true ]; then echo "$logs/supervisor.log"; else echo "$WORKER_RUN_DIR/boot.log"; fi
      return
      ;;
    orchestrator) file=$logs/orchestrator.log ;;
    # A local worker has no Docker of its own.
    docker) if [ "${WORKER_RUNTIME-}" = pod ]; then file=/var/log/factory-worker/dockerd.log; fi ;;
    postgres) if ! has_other_database; then file=$logs/postgres.log; fi ;;
    session) file=$logs/sessions/$name.log ;;
  esac
  if [ "$previous" = true ] && [ -n "$file" ]; then file=$file.1; fi
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

# since_offset FILE: where the first line begins that was written at $since or later; nothing when there is none. A line without
# a time belongs to the one before it. Docker writes `time="2026-…`, and PostgreSQL a blank between day and time.
since_offset() {
  LC_ALL=C grep --text --byte-offset --only-matching --extended-regexp \
    '^(time=")?[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}' "$1" 2>/dev/null |
    LC_ALL=C awk -F : -v since="$since" '{ time = substr($0, length($0) - 18); sub(" ", "T", time) } time >= since { print $1; exit }'
}

# lines_offset FILE SIZE: where the last $lines lines of that many bytes begin.
lines_offset() {
  if [ "$lines" = all ]; then echo 0; else echo $(($2 - $(head --bytes="$2" "$1" | tail --lines="$lines" | wc --bytes))); fi
}

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
if [ -z "$id" ] && [ -n "$since" ]; then
  if [[ $since != *T* ]]; then since=$(date --utc --date="@$(($(date +%s) - since))" +%Y-%m-%dT%H:%M:%SZ); fi
  since=${since%Z}
  # What was rotated away may be recent enough too.
  newer=$(wc --lines <"$path" 2>/dev/null) || newer=0
  if [ "$previous" != true ] && { [ "$lines" = all ] || [ "$lines" -gt "$newer" ]; } &&
    [ -n "$(since_offset "$path.1")" ]; then
    path=$path.1
    fate='rotated'
    if [ "$lines" != all ]; then lines=$((lines - newer)); fi
  fi
fi
if ! open_log "$path"; then
  emit_part file 1 "$path"
  exit 0
fi
emit_part file 0 "$path"
now=$(identity /dev/fd/8)
size=$(size /dev/fd/8)
if [ -z "$id" ]; then
  offset=$(lines_offset /dev/fd/8 "$size")
  if [ -n "$since" ]; then
    first=$(since_offset /dev/fd/8)
    : "${first:=$size}"
    if [ "$first" -gt "$offset" ]; then offset=$first; fi
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
