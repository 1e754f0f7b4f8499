# shellcheck shell=bash
# Which tokens the worker uses, as short hashes. Argument: `call` also lets gh and claude use theirs.
# Parts: files and next (KEY and hash: the mounted file, and what the next call gets), processes (PID, NAME, SESSION, KEY,
# hash, of those that have a token in their environment), database (the supervisor's: FIELD and value), gh, claude; separated
# by tabs.
call=$1
keys=(CLAUDE_CODE_OAUTH_TOKEN GH_TOKEN GH_USER SSH_PRIVATE_KEY DATABASE_URL)

# The first eight digits; a dash for an empty value.
short_hash() {
  local sum value
  value=$(tr --delete '\r\n')
  if [ -z "$value" ]; then
    echo -
    return
  fi
  sum=$(printf %s "$value" | sha256sum)
  echo "${sum:0:8}"
}

files() {
  local key
  for key in "${keys[@]}"; do
    [ -r "$WORKER_SECRETS_DIR/$key" ] || continue
    printf '%s\t%s\n' "$key" "$(short_hash <"$WORKER_SECRETS_DIR/$key")"
  done
}

# Uses the code of the wrappers of gh and claude. A database that the operator named has been taken up when the supervisor says
# so; one of an older image tells no hash, and its file has the URL that worked last.
next() {
  local key
  if jq --exit-status '.database.kind == "url"' "$WORKER_RUN_DIR/boot.json" >/dev/null 2>&1; then
    printf 'DATABASE_URL\t%s\n' "$(jq --exit-status --raw-output '.database.urlHash // empty' "$WORKER_RUN_DIR/boot.json" ||
      short_hash <"$WORKER_RUN_DIR/database-url")"
  fi
  for key in CLAUDE_CODE_OAUTH_TOKEN GH_TOKEN; do
    printf '%s\t%s\n' "$key" "$(
      # shellcheck source=/dev/null
      source /usr/local/lib/factory-worker/lib/with-secret.sh && with_secret "$key" && printf %s "${!key-}" | short_hash
    )"
  done
}

# family PID: sets $parent and $group.
family() {
  local stat
  stat=$(<"/proc/$1/stat") || return
  # The field before may contain any character.
  read -r _ parent group _ <<<"${stat##*) }"
} 2>/dev/null

# The session whose pane a process is in, or a dash.
session_of() {
  local pid=$1 parent group name
  while [ "$pid" -gt 1 ]; do
    name=$(awk -F'\t' -v pid="$pid" '$1 == pid { print $2; exit }' <<<"$panes")
    if [ -n "$name" ]; then
      echo "$name"
      return
    fi
    family "$pid" || break
    pid=$parent
  done
  echo -
}

processes() {
  local panes own file pid entry parent group
  panes=$(tmux list-panes -a -F '#{pane_pid}	#{session_name}' 2>/dev/null)
  family $$ && own=$group
  while read -r file; do
    pid=${file#/proc/} && pid=${pid%/environ}
    # Skips our own process group, whose environment is that of every process in the pod.
    if ! family "$pid" || [ "$group" = "$own" ]; then continue; fi
    while IFS= read -r -d '' entry; do
      case $entry in
        CLAUDE_CODE_OAUTH_TOKEN=* | GH_TOKEN=*)
          printf '%s\t%s\t%s\t%s\t%s\n' "$pid" "$(<"/proc/$pid/comm")" "$(session_of "$pid")" "${entry%%=*}" \
            "$(printf %s "${entry#*=}" | short_hash)"
          ;;
      esac
    done <"$file"
  done < <(grep --files-with-matches --null-data --extended-regexp '^(CLAUDE_CODE_OAUTH_TOKEN|GH_TOKEN)=.' /proc/[0-9]*/environ 2>/dev/null)
  return 0
} 2>/dev/null

database() {
  jq --raw-output '.database // {} | to_entries[] | [.key, .value] | @tsv' "$WORKER_RUN_DIR/boot.json" 2>/dev/null
  return 0
}

# said NAME COMMAND…: both streams of a single call: a call of claude costs money.
said() {
  local name=$1 text rc=0
  shift
  text=$("$@" 2>&1 </dev/null) || rc=$?
  emit_part "$name" "$rc" "$text"
}

part files files
part next next
part processes processes
part database database
if [ "$call" = call ]; then
  said gh timeout 20 gh api --include user
  # With its default of ten retries claude prints nothing for three minutes when its API is down; with one it fails in 20 s.
  said claude env CLAUDE_CODE_MAX_RETRIES=1 timeout 60 claude --print --model haiku 'Answer with the one word ok'
fi
