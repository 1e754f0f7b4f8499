# shellcheck shell=bash
# The state of the program: the data directory and its SQLite database.
# Source of the facts: the factory contract, sections 0 and 6.

DATA_DIR=
DB_FILE=
DB_OUT= # what the last db call printed
DB_ERR= # why it failed, as SQLite's message

# Sets DATA_DIR and DB_FILE. Dialect b honours FACTORY_DATA_DIR and works
# without a HOME; the others do neither.
data_dir() {
  if [[ $DIALECT == b && -n ${FACTORY_DATA_DIR:-} ]]; then
    DATA_DIR=$FACTORY_DATA_DIR
  elif [[ -n ${HOME:-} ]]; then
    DATA_DIR=$HOME/.factory
  elif [[ $DIALECT == b ]]; then
    DATA_DIR=$PWD/.factory
  else
    # shellcheck disable=SC2016  # the literal words of the real program
    fail '$HOME is not defined'
  fi
  DB_FILE=$DATA_DIR/factory.db
}

# Opens the database: creates it on first use, migrates that of an older dialect.
store_open() {
  local columns
  [[ $DIALECT != pg ]] || no_postgres
  data_dir
  [[ -z ${STANDIN_FACTORY_FAIL:-} ]] || fail "$STANDIN_FACTORY_FAIL"
  command -v sqlite3 >/dev/null || fail 'the factory stand-in needs the program sqlite3'
  if [[ ! -s $DB_FILE ]]; then
    mkdir -p -- "$DATA_DIR" 2>/dev/null || fail "create data dir: mkdir $DATA_DIR: not possible"
    db "PRAGMA journal_mode=WAL; BEGIN IMMEDIATE; $(schema) COMMIT;" || fail "open database: $DB_ERR"
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

# The PostgreSQL build: the stand-in does not talk to a server.
no_postgres() {
  if [[ -z ${DATABASE_URL:-} ]]; then
    fail 'DATABASE_URL environment variable not set'
  fi
  fail 'ping database: failed to connect: connection refused (the stand-in has no PostgreSQL)'
}

# db SQL: runs it on the database. Sets DB_OUT; on failure DB_ERR, returns 1.
db() {
  sqlite "$DB_FILE" "$1"
}

# json_tool SQL: the same without a database, for SQLite's JSON functions.
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

schema() {
  local namespace='' queue="issue INTEGER NOT NULL UNIQUE," unique='' versions='(1), (2), (3)'
  case $DIALECT in
    b)
      namespace="namespace TEXT NOT NULL DEFAULT '',"
      queue="$namespace issue INTEGER NOT NULL, depends_on TEXT, config_path TEXT NOT NULL DEFAULT '',"
      unique=', UNIQUE(namespace, issue)'
      versions='(1), (2), (3), (4), (5), (6), (7), (8)'
      ;;
    design) queue+=" project TEXT NOT NULL DEFAULT ''," ;;
  esac
  cat <<SQL
CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied_at TEXT DEFAULT (datetime('now')));
INSERT OR IGNORE INTO schema_version (version) VALUES $versions;
CREATE TABLE IF NOT EXISTS session_events (
  id INTEGER PRIMARY KEY, $namespace session_id TEXT NOT NULL, issue INTEGER NOT NULL, stage TEXT NOT NULL,
  event TEXT NOT NULL CHECK (event IN ('started','active','idle','exited','factory_send','steer','human_input')),
  exit_code INTEGER, timestamp TEXT NOT NULL DEFAULT (datetime('now')), metadata TEXT);
CREATE TABLE IF NOT EXISTS check_runs (
  id INTEGER PRIMARY KEY, $namespace issue INTEGER, stage TEXT, attempt INTEGER, fix_round INTEGER, check_name TEXT,
  passed INTEGER, auto_fixed INTEGER, exit_code INTEGER, duration_ms INTEGER, summary TEXT, findings TEXT,
  timestamp TEXT NOT NULL DEFAULT (datetime('now')));
CREATE TABLE IF NOT EXISTS pipeline_events (
  id INTEGER PRIMARY KEY, $namespace issue INTEGER, event TEXT, stage TEXT, attempt INTEGER, detail TEXT,
  timestamp TEXT NOT NULL DEFAULT (datetime('now')));
CREATE TABLE IF NOT EXISTS issue_queue (
  id INTEGER PRIMARY KEY, $queue status TEXT NOT NULL DEFAULT 'pending', position INTEGER NOT NULL,
  added_at TEXT NOT NULL DEFAULT (datetime('now')), started_at TEXT, finished_at TEXT,
  feature_intent TEXT NOT NULL DEFAULT ''$unique);
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
