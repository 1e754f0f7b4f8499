# shellcheck shell=bash
# The state of the program: the data directory and its database, SQLite or, in dialect c, PostgreSQL.
# Source of the facts: the factory contract, sections 0, 6 and 8.
#
# `db` is the only place that knows which program runs the SQL. Where the SQL of
# the two differs, the other parts use the words and functions below.

DATA_DIR=
DB_FILE=
DB_OUT= # what the last db call printed
DB_ERR= # why it failed, as the program words it

# shellcheck disable=SC2034  # read by the other parts
if [[ $DIALECT == c ]]; then
  NOW='now()' TIMESTAMP=TIMESTAMPTZ JOINED=string_agg ID='BIGSERIAL PRIMARY KEY' NUMBER=BIGINT
else
  NOW="datetime('now')" TIMESTAMP=TEXT JOINED=group_concat ID='INTEGER PRIMARY KEY' NUMBER=INTEGER
fi

# seconds_between FROM TO: prints the SQL of the seconds between two times.
seconds_between() {
  if [[ $DIALECT == c ]]; then
    echo "CAST(extract(epoch FROM $2 - $1) AS BIGINT)"
  else
    echo "(strftime('%s', $2) - strftime('%s', $1))"
  fi
}

# time_text COLUMN: prints the SQL of a time as the program shows it: SQLite's text in UTC, or RFC 3339 in the local zone
# with as many digits as there are.
time_text() {
  if [[ $DIALECT == c ]]; then
    echo "regexp_replace(rtrim(rtrim(to_char($1, 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), '0'), '.') || to_char($1, 'TZH:TZM'), '[+]00:00\$', 'Z')"
  else
    echo "$1"
  fi
}

# json_of EXPRESSION: prints the SQL of a text as a JSON string.
json_of() {
  if [[ $DIALECT == c ]]; then echo "CAST(to_json(CAST($1 AS TEXT)) AS TEXT)"; else echo "json_quote($1)"; fi
}

# json_items EXPRESSION: prints the SQL of a table with the items of a JSON list as column `value`.
json_items() {
  if [[ $DIALECT == c ]]; then echo "json_array_elements_text(CAST($1 AS JSON))"; else echo "json_each($1)"; fi
}

# duplicate_key: whether the last db call failed because of a row that is already there.
duplicate_key() {
  [[ $DB_ERR == UNIQUE* || $DB_ERR == *'(SQLSTATE 23505)' ]]
}

# Sets DATA_DIR and DB_FILE. Dialects b and c honour FACTORY_DATA_DIR and work
# without a HOME; the others do neither.
data_dir() {
  if [[ $FAMILY == b && -n ${FACTORY_DATA_DIR:-} ]]; then
    DATA_DIR=$FACTORY_DATA_DIR
  elif [[ -n ${HOME:-} ]]; then
    DATA_DIR=$HOME/.factory
  elif [[ $FAMILY == b ]]; then
    DATA_DIR=$PWD/.factory
  else
    # shellcheck disable=SC2016  # the literal words of the real program
    fail 'get home directory: $HOME is not defined'
  fi
  DB_FILE=$DATA_DIR/factory.db
}

# Opens the database: creates its tables on first use, migrates that of an older dialect.
store_open() {
  if [[ $DIALECT == c ]]; then store_open_postgres; else store_open_sqlite; fi
}

# Every command migrates, and nothing keeps two first ones from doing it at once.
store_open_postgres() {
  [[ -n ${DATABASE_URL:-} ]] || fail 'DATABASE_URL environment variable not set'
  data_dir
  [[ -z ${STANDIN_FACTORY_FAIL:-} ]] || fail "$STANDIN_FACTORY_FAIL"
  command -v psql >/dev/null || fail 'the factory stand-in needs the program psql'
  db 'SELECT 1;' || fail "ping database: $DB_ERR"
  db "$(schema)" || fail "migrate: $DB_ERR"
}

store_open_sqlite() {
  local columns
  data_dir
  [[ -z ${STANDIN_FACTORY_FAIL:-} ]] || fail "$STANDIN_FACTORY_FAIL"
  command -v sqlite3 >/dev/null || fail 'the factory stand-in needs the program sqlite3'
  if [[ ! -s $DB_FILE ]]; then
    mkdir -p -- "$DATA_DIR" 2>/dev/null || fail "create data dir: mkdir $DATA_DIR: not possible"
    store_create || fail "open database: $DB_ERR"
  fi
  [[ $DIALECT != a ]] || return 0
  db "SELECT group_concat(name, ' ') FROM pragma_table_info('issue_queue');" || fail "open database: $DB_ERR"
  columns=" $DB_OUT "
  if [[ $DIALECT == b && $columns != *' namespace '* ]]; then
    db "$(migrate_to_b)" || fail "migrate: $DB_ERR"
  elif [[ $DIALECT == design && $columns != *' project '* ]]; then
    db "ALTER TABLE issue_queue ADD COLUMN project TEXT NOT NULL DEFAULT '';" || fail "migrate: $DB_ERR"
  fi
}

# store_create: makes the database whole or not at all: another first call may come meanwhile, and a kill. (The program checks its
# tables at each call.) On failure DB_ERR, returns 1.
store_create() {
  local whole=$DATA_DIR/.factory.db.$$ failed=0
  sqlite "$whole" "PRAGMA journal_mode=WAL; BEGIN IMMEDIATE; $(schema) COMMIT;" || failed=1
  # A link does not replace the database of a faster call.
  ((failed)) || ln -- "$whole" "$DB_FILE" 2>/dev/null || [[ -s $DB_FILE ]] || mv -f -- "$whole" "$DB_FILE"
  rm -f -- "$whole" "$whole"-*
  return "$failed"
}

# db SQL: runs it on the database. Sets DB_OUT; on failure DB_ERR, returns 1.
db() {
  if [[ $DIALECT == c ]]; then postgres "$1"; else sqlite "$DB_FILE" "$1"; fi
}

postgres() {
  local pattern='(ERROR|FATAL): +([0-9A-Z]{5}): ([^'$NL']*)'
  # Times are in the zone of this process, as the program prints them.
  if DB_OUT=$(PGOPTIONS='-c client_min_messages=warning' ${TZ:+env PGTZ="$TZ"} psql --no-psqlrc --quiet --tuples-only --no-align \
    --set=ON_ERROR_STOP=1 --set=VERBOSITY=verbose --dbname="$DATABASE_URL" 2>&1 <<<"$1"); then
    return 0
  fi
  if [[ $DB_OUT =~ $pattern ]]; then
    DB_ERR="${BASH_REMATCH[1]}: ${BASH_REMATCH[3]} (SQLSTATE ${BASH_REMATCH[2]})"
  elif [[ ${DATABASE_URL%%\?*} =~ ^postgres(ql)?://([^:@/]*)[^/]*/?(.*)$ ]]; then
    DB_ERR="failed to connect to \`user=${BASH_REMATCH[2]} database=${BASH_REMATCH[3]}\`: ${DB_OUT#*error: }"
  else
    DB_ERR="cannot parse \`$DATABASE_URL\`"
  fi
  return 1
}

# json_tool SQL: runs it without a database, for SQLite's JSON functions.
json_tool() {
  sqlite :memory: "$1"
}

sqlite() {
  local pattern='^(Runtime error|Parse error|Error)[^:]*: (.*)$'
  # A read of the user's ~/.sqliterc would change the output, hence -init.
  if DB_OUT=$(sqlite3 -batch -bail -init /dev/null "$1" 2>&1 <<<".timeout ${STANDIN_FACTORY_BUSY_MILLISECONDS:-5000}
$2"); then
    return 0
  fi
  DB_ERR=${DB_OUT##*$'\n'}
  [[ ! $DB_ERR =~ $pattern ]] || DB_ERR=${BASH_REMATCH[2]}
  DB_ERR=${DB_ERR% (*([0-9]))}
  return 1
}

# quote TEXT: sets QUOTED to the SQL literal of it.
quote() {
  QUOTED="'${1//\'/\'\'}'"
}

# lit TEXT…: sets SQL_LIST to the comma-separated SQL literals of all arguments.
lit() {
  local text
  SQL_LIST=
  for text in "$@"; do
    quote "$text"
    SQL_LIST+="${SQL_LIST:+, }$QUOTED"
  done
}

# The tables. PostgreSQL has them from the beginning, in version 1.
schema() {
  local namespace='' queue="issue $NUMBER NOT NULL UNIQUE," unique='' versions='(1), (2), (3)'
  case $DIALECT in
    b | c)
      namespace="namespace TEXT NOT NULL DEFAULT '',"
      queue="$namespace issue $NUMBER NOT NULL, depends_on TEXT, config_path TEXT NOT NULL DEFAULT '',"
      unique=', UNIQUE(namespace, issue)'
      versions='(1), (2), (3), (4), (5), (6), (7), (8)'
      [[ $DIALECT != c ]] || versions='(1)'
      ;;
    design) queue+=" project TEXT NOT NULL DEFAULT ''," ;;
  esac
  cat <<SQL
CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied_at $TIMESTAMP DEFAULT ($NOW));
INSERT INTO schema_version (version) VALUES $versions ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS session_events (
  id $ID, $namespace session_id TEXT NOT NULL, issue $NUMBER NOT NULL, stage TEXT NOT NULL,
  event TEXT NOT NULL CHECK (event IN ('started','active','idle','exited','factory_send','steer','human_input')),
  exit_code INTEGER, timestamp $TIMESTAMP NOT NULL DEFAULT ($NOW), metadata TEXT);
CREATE TABLE IF NOT EXISTS check_runs (
  id $ID, $namespace issue $NUMBER, stage TEXT, attempt INTEGER, fix_round INTEGER, check_name TEXT,
  passed INTEGER, auto_fixed INTEGER, exit_code INTEGER, duration_ms INTEGER, summary TEXT, findings TEXT,
  timestamp $TIMESTAMP NOT NULL DEFAULT ($NOW));
CREATE TABLE IF NOT EXISTS pipeline_events (
  id $ID, $namespace issue $NUMBER, event TEXT, stage TEXT, attempt INTEGER, detail TEXT,
  timestamp $TIMESTAMP NOT NULL DEFAULT ($NOW));
CREATE TABLE IF NOT EXISTS issue_queue (
  id $ID, $queue status TEXT NOT NULL DEFAULT 'pending', position INTEGER NOT NULL,
  added_at $TIMESTAMP NOT NULL DEFAULT ($NOW), started_at $TIMESTAMP, finished_at $TIMESTAMP,
  feature_intent TEXT NOT NULL DEFAULT ''$unique);
SQL
  [[ $DIALECT != c ]] || cat <<SQL
CREATE TABLE IF NOT EXISTS repos (id $ID, url TEXT NOT NULL, local_path TEXT, config_path TEXT);
CREATE TABLE IF NOT EXISTS deploys (id $ID, sha TEXT NOT NULL, namespace TEXT, status TEXT);
CREATE TABLE IF NOT EXISTS deploy_events (id $ID, deploy_id BIGINT REFERENCES deploys(id), event TEXT);
SQL
}

# Dialect b opens a database of a in place; the old rows get no namespace and
# no config, and are then run with the config of the check-in's directory.
migrate_to_b() {
  cat <<SQL
BEGIN IMMEDIATE;
ALTER TABLE session_events ADD COLUMN namespace TEXT NOT NULL DEFAULT '';
ALTER TABLE check_runs ADD COLUMN namespace TEXT NOT NULL DEFAULT '';
ALTER TABLE pipeline_events ADD COLUMN namespace TEXT NOT NULL DEFAULT '';
ALTER TABLE issue_queue RENAME TO issue_queue_old;
$(schema)
INSERT INTO issue_queue (id, issue, status, position, added_at, started_at, finished_at, feature_intent)
  SELECT id, issue, status, position, added_at, started_at, finished_at, feature_intent FROM issue_queue_old;
DROP TABLE issue_queue_old;
COMMIT;
SQL
}
