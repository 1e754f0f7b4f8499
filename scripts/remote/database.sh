# shellcheck shell=bash
# How several scripts read factory's database, and copy it. It is not trusted: it may have been written by an agent in this
# worker, or by the worker that a backup comes from.

# regular_file FILE: whether it is one; a link could point anywhere, reading a FIFO could block.
regular_file() {
  if [ -f "$1" ] && [ ! -L "$1" ]; then return 0; fi
  echo "$1 is not a regular file" >&2
  return 1
}

# query_database DATABASE SQL…: reads an untrusted database. Its schema can contain expressions, so sqlite3 runs in the mode
# in which no function starts a program or opens a file (-safe, since SQLite 3.37), changes nothing, and reads no settings.
query_database() {
  local database=$1 said rc=0
  shift
  regular_file "$database" || return
  said=$(sqlite3 -batch -init /dev/null -safe -readonly "$database" '.timeout 10000' 'PRAGMA trusted_schema = OFF' "$@" 2>&1) || rc=$?
  if [ "$rc" -eq 0 ]; then
    printf '%s\n' "$said"
    return
  fi
  if [[ $said == *'unknown option: -safe'* ]]; then said='this sqlite3 has no safe mode; SQLite 3.37 or later is needed'; fi
  printf '%s\n' "$said" >&2
  return "$rc"
}

# copy_database DATABASE COMMAND: .backup or .restore. They copy pages without evaluating their content; the safe mode does
# not have these commands.
copy_database() {
  if [ -e "$1" ] || [ -L "$1" ]; then regular_file "$1" || return; fi
  sqlite3 -batch -init /dev/null "$1" '.timeout 10000' "$2"
}

# state_of DATABASE: what a release compares, as KEY=VALUE: the schema's version, the number of rows in the queue and the
# newest. Requires that both are tables: a view of that name could return anything.
state_of() {
  local tables said names="('issue_queue', 'schema_version')"
  if [ ! -e "$1" ] && [ ! -L "$1" ]; then
    echo database=none
    return
  fi
  tables=$(query_database "$1" "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND lower(name) IN $names" \
    "SELECT count(*) FROM sqlite_schema WHERE lower(name) IN $names") || return
  if [ "$tables" != $'2\n2' ]; then
    echo 'issue_queue and schema_version are not both tables' >&2
    return 1
  fi
  said=$(query_database "$1" "SELECT 'schema=' || coalesce(max(version), '') FROM schema_version" \
    "SELECT 'rows=' || count(*) FROM issue_queue" "SELECT 'newest=' || coalesce(max(id), 0) FROM issue_queue" \
    "SELECT 'integrity=' || group_concat(integrity_check, '; ') FROM pragma_integrity_check") || return
  printf 'database=sqlite\n%s\n' "$said"
}

state() {
  state_of "${WORKER_STATE_DIR%/*}/factory.db"
}
