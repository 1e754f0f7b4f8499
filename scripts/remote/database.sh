# shellcheck shell=bash
# How several scripts read factory's database, and copy it: a file of SQLite, or PostgreSQL's at DATABASE_URL. It is not trusted: it may have been written by an agent in this
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

# database_kind: `sqlite`; or of a build for PostgreSQL `postgres`, the worker's own server, or `url`, one that the operator
# named.
database_kind() {
  local kind
  if [[ $'\n'$(dialect 2>/dev/null) != *$'\npostgres=1\n'* ]]; then
    echo sqlite
    return
  fi
  kind=$(jq --raw-output '.database.kind // empty' "$WORKER_RUN_DIR/boot.json" 2>/dev/null)
  if [ "$kind" = postgres ]; then echo postgres; else echo url; fi
}

# engine_of KIND: the name of the program behind it.
engine_of() {
  if [ "$1" = sqlite ]; then echo SQLite; else echo PostgreSQL; fi
}

# postgres_program NAME: Debian has most of them outside PATH, one folder per version.
postgres_program() {
  command -v "$1" && return
  find /usr/lib/postgresql/*/bin -name "$1" 2>/dev/null | sort --version-sort | tail --lines 1 | grep . && return
  echo "there is no $1 in this worker; its package is postgresql-client" >&2
  return 1
}

# on_server PROGRAM ARGUMENT…: a program of PostgreSQL, on the database at DATABASE_URL. A password goes through the environment,
# since everybody can read arguments.
on_server() (
  url=${DATABASE_URL-} password=''
  if [ -z "$url" ]; then
    echo 'factory keeps its queue in PostgreSQL, and DATABASE_URL is not set' >&2
    exit 1
  fi
  if [[ ! $url =~ ^postgres(ql)?:// ]]; then
    echo 'DATABASE_URL is not of the form postgres://…' >&2
    exit 1
  fi
  if [[ $url =~ ^([a-z]+://[^:@/]*):([^@/]*)(@.*)$ ]]; then
    url=${BASH_REMATCH[1]}${BASH_REMATCH[3]} password=${BASH_REMATCH[2]}
  fi
  if [[ $url =~ ^([^?]*\?)(.*\&)?password=([^&]*)(.*)$ ]]; then
    url=${BASH_REMATCH[1]}${BASH_REMATCH[2]}${BASH_REMATCH[4]#&} password=${BASH_REMATCH[3]}
  fi
  if [ -n "$password" ]; then
    password=${password//\\/\\\\}
    printf -v PGPASSWORD %b "${password//%/\\x}"
    export PGPASSWORD
  fi
  program=$(postgres_program "$1") || exit
  export PGCONNECT_TIMEOUT=10 PGOPTIONS='-c client_min_messages=warning -c lock_timeout=30s'
  exec "$program" --no-password --dbname="$url" "${@:2}"
)

# query_server SQL: its rows, one per line. Without SQL, runs what it reads.
query_server() {
  on_server psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 ${1+--command="$1"}
}

# rows_in_dump DUMP TABLE: a COPY statement with the rows that a dump has of a table. The statement is our own, and nothing but
# rows leaves the dump: its SQL may have been written by an agent, and is never run.
rows_in_dump() (
  set -o pipefail
  program=$(postgres_program pg_restore) || exit
  "$program" --data-only --schema=public --table="$2" --file=- "$1" | awk -v table="$2" '
    copying { print; if ($0 == "\\.") { copying = 0; done = 1 } next }
    !done && match($0, "^COPY public\\.\"?" table "\"? \\([a-z0-9_, \"]+\\) FROM stdin;$") {
      columns = $0
      sub(/^[^(]*/, "", columns)
      print "COPY public." table " " columns
      copying = 1
    }
    END { exit copying }'
)

# count_in_dump DUMP TABLE COLUMN: the number of its rows, and the highest number in that column.
count_in_dump() (
  set -o pipefail
  rows_in_dump "$1" "$2" | awk -F '\t' -v column="$3" '
    NR == 1 {
      gsub(/^[^(]*\(|\).*$|[" ]/, "")
      for (n = split($0, names, ","); n > 0; n--) if (names[n] == column) at = n
      next
    }
    $0 != "\\." { rows++; if ($at + 0 > highest) highest = $at + 0 }
    END { if (!at) exit 1; print rows + 0, highest }'
)

# data_in_dump DUMP: the tables that it has rows of.
data_in_dump() (
  set -o pipefail
  program=$(postgres_program pg_restore) || exit
  "$program" --list "$1" | sed --quiet 's/^[0-9]*; [0-9]* [0-9]* TABLE DATA public \(.*\) [^ ]*$/\1/p'
)

# number_on TABLE: SQL that lets the ids of a table continue after its rows, if a sequence counts them.
number_on() {
  echo "DO \$\$ BEGIN IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.$1'::regclass AND attname = 'id') THEN
      PERFORM setval(pg_get_serial_sequence('public.$1', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM public.$1;
    END IF; END \$\$;"
}

# tables_on_server: of this worker, each after those that it refers to.
tables_on_server() {
  query_server "WITH RECURSIVE depth(id, level) AS (
      SELECT oid, 0 FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
      UNION SELECT conrelid, level + 1 FROM depth JOIN pg_constraint ON confrelid = id AND contype = 'f' AND conrelid <> id
      WHERE level < 50)
    SELECT relname FROM depth JOIN pg_class ON oid = id WHERE relname ~ '^[a-z_][a-z0-9_]*\$' GROUP BY id, relname ORDER BY max(level), relname"
}

# restore_dump DUMP: replaces the rows of all tables by those of a dump, in one transaction. A database of the operator may have
# other tables, which stay as they are.
restore_dump() {
  local tables table list=() has
  tables=$(tables_on_server) && has=$(data_in_dump "$1") || return
  while read -r table; do
    if ! grep --quiet --line-regexp --fixed-strings -- "$table" <<<"$tables"; then
      echo "this worker's factory has no table $table: another version made the backup" >&2
      return 1
    fi
  done <<<"$has"
  if [ "$(database_kind)" = url ]; then tables=$(grep --line-regexp --fixed-strings --file=<(echo "$has") <<<"$tables"); fi
  while read -r table; do list+=("public.$table"); done <<<"$tables"
  (
    set -o pipefail
    {
      echo "BEGIN; TRUNCATE $(IFS=,; echo "${list[*]}");"
      while read -r table; do
        # Without its COMMIT the transaction is rolled back.
        rows_in_dump "$1" "$table" || exit
        number_on "$table"
      done <<<"$tables"
      echo 'COMMIT;'
    } | query_server >/dev/null
  )
}

# tables_of_dump DUMP SECTION: the SQL with which a dump makes its tables (pre-data), or what refers to them (post-data). Without a
# backslash in it psql starts no program.
tables_of_dump() (
  set -o pipefail
  program=$(postgres_program pg_restore) || exit
  # The settings and commands of newer versions, which an older psql or server does not know.
  sql=$("$program" --schema=public --no-owner --no-privileges --section="$2" --file=- "$1" |
    sed --regexp-extended '/^\\(un)?restrict [[:alnum:]]+$/d; /^SET transaction_timeout = 0;$/d') || exit
  if [[ $sql == *\\* ]]; then
    echo 'the copy has a backslash in its tables, which factory does not make' >&2
    exit 1
  fi
  printf '%s\n' "$sql"
)

# restore_tables DUMP KIND: replaces the tables and their rows by those of a dump of this worker, in one transaction: another
# version of factory may have changed them since. A server of the worker's own has nothing else; in a database of the operator
# only the tables of the dump are dropped.
restore_tables() {
  local has before after table list=()
  has=$(data_in_dump "$1") && before=$(tables_of_dump "$1" pre-data) && after=$(tables_of_dump "$1" post-data) || return
  while read -r table; do
    if [[ ! $table =~ ^[a-z_][a-z0-9_]*$ ]]; then
      echo "the copy has a table $table, which factory does not make" >&2
      return 1
    fi
    list+=("'$table'")
  done <<<"$has"
  (
    set -o pipefail
    {
      echo "BEGIN; DO \$\$ DECLARE it record; BEGIN
        FOR it IN SELECT relname, CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS what FROM pg_class
          WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
            AND ('$2' = 'postgres' OR relname IN ($(IFS=,; echo "${list[*]}")))
        LOOP EXECUTE format('DROP %s IF EXISTS public.%I CASCADE', it.what, it.relname); END LOOP;
      END \$\$;"
      printf '%s\n' "$before"
      while read -r table; do rows_in_dump "$1" "$table" || exit; done <<<"$has"
      printf '%s\n' "$after"
      while read -r table; do number_on "$table"; done <<<"$has"
      # Without its COMMIT the transaction is rolled back.
      echo 'COMMIT;'
    } | query_server >/dev/null
  )
}

# save_database KIND FOLDER: a copy of the worker's database in a folder, if it has one.
save_database() {
  local home=${WORKER_STATE_DIR%/*}
  if [ "$1" != sqlite ]; then
    on_server pg_dump --format=custom --no-owner --no-privileges --file="$2/factory.pgdump"
  elif [ -e "$home/factory.db" ] || [ -L "$home/factory.db" ]; then
    copy_database "$home/factory.db" ".backup '$2/factory.db'"
  fi
}

# restore_database FOLDER [own]: replaces the worker's database by the copy in a folder. One that is its `own`, from before a
# migration, has its tables as well; of any other only rows are taken.
restore_database() {
  if [ -e "$1/factory.pgdump" ]; then
    regular_file "$1/factory.pgdump" || return
    if [ "${2-}" = own ]; then restore_tables "$1/factory.pgdump" "$(database_kind)"; else restore_dump "$1/factory.pgdump"; fi
  else
    regular_file "$1/factory.db" && copy_database "${WORKER_STATE_DIR%/*}/factory.db" ".restore '$1/factory.db'"
  fi
}

# state_of_copy FOLDER KIND: the state of the copy in a folder, which KIND says where it comes from.
state_of_copy() {
  local queue version
  if [ ! -e "$1/factory.pgdump" ]; then
    state_of "$1/factory.db"
    return
  fi
  regular_file "$1/factory.pgdump" || return
  if ! queue=$(count_in_dump "$1/factory.pgdump" issue_queue id) || ! version=$(count_in_dump "$1/factory.pgdump" schema_version version); then
    echo 'issue_queue or schema_version is not in the copy' >&2
    return 1
  fi
  printf 'database=%s\nschema=%s\nrows=%s\nnewest=%s\nintegrity=ok\n' "$2" "${version#* }" "${queue% *}" "${queue#* }"
}

# state: what a release compares, of the worker's own database.
state() {
  local kind
  kind=$(database_kind)
  if [ "$kind" = sqlite ]; then
    state_of "${WORKER_STATE_DIR%/*}/factory.db"
    return
  fi
  query_server "SELECT 'database=$kind' || E'\nschema=' || coalesce((SELECT max(version) FROM schema_version)::text, '')
    || E'\nrows=' || count(*) || E'\nnewest=' || coalesce(max(id), 0) || E'\nintegrity=ok' FROM issue_queue"
}

# refuse_kind SAVED: says why a copy of a database of that kind cannot be restored into this worker, if so.
refuse_kind() {
  local own rows
  own=$(database_kind)
  if [ "$1" != none ] && [ "$(engine_of "$1")" != "$(engine_of "$own")" ]; then
    echo "the backup is of a $(engine_of "$1") database, and the factory of this worker keeps its queue in $(engine_of "$own")"
  elif [ "$1" = none ]; then
    if [ "$own" != sqlite ]; then echo 'the backup has no database, and the factory of this worker keeps its queue in PostgreSQL'; fi
    rows=$(state | sed --quiet 's/^rows=//p')
    if [ "$own" = sqlite ] && [ "${rows:-0}" -gt 0 ]; then echo "the backup has no database, and this worker has $rows rows in its queue"; fi
  fi
}
