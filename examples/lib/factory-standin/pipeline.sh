# shellcheck shell=bash
# The state of one issue's work: DATA/pipelines/…/pipeline.json.
# Source of the facts: the factory contract, section 6.
#
# SQLite's JSON functions read and write the files: one process of 2 ms.

declare -gA P=() # fields of the loaded pipeline
PIPELINES=()    # files found by pipeline_files

# Fills PIPELINES with every pipeline.json of the store: pipelines/N, and below
# a namespace's folders in dialects b and c.
pipeline_files() {
  shopt -s nullglob globstar
  PIPELINES=("$DATA_DIR"/pipelines/*/pipeline.json)
  [[ $FAMILY != b ]] || PIPELINES=("$DATA_DIR"/pipelines/**/pipeline.json)
  shopt -u nullglob globstar
}

# pipelines_values: prints the readable ones as SQL rows (path, json).
pipelines_values() {
  local file rows=''
  for file in "${PIPELINES[@]}"; do
    quote "$file"
    rows+="${rows:+, }($QUOTED)"
  done
  echo "(SELECT column1 AS path, CAST(readfile(column1) AS TEXT) AS j FROM (VALUES $rows)) WHERE json_valid(j)"
}

# pipeline_find N: sets PIPELINE_FILE by number alone, the flat path first and
# then the first match of a walk (this is what wedges two projects' same #N).
pipeline_find() {
  local file
  PIPELINE_FILE=$DATA_DIR/pipelines/$1/pipeline.json
  [[ ! -f $PIPELINE_FILE ]] || return 0
  pipeline_files
  for file in "${PIPELINES[@]}"; do
    if [[ $file == */"$1"/pipeline.json ]]; then
      PIPELINE_FILE=$file
      return 0
    fi
  done
  ERROR="pipeline $1 not found"
  return 1
}

# pipeline_get N: finds and loads it.
pipeline_get() {
  pipeline_find "$1" && pipeline_load "$PIPELINE_FILE"
}

# pipeline_load FILE: fills P and sets PIPELINE_FILE. On failure ERROR, returns 1.
pipeline_load() {
  local fields=(issue title feature_intent branch worktree current_stage current_attempt current_session status
    config_path repo_dir namespace) name sql='' values i
  PIPELINE_FILE=$1
  for name in "${fields[@]}"; do
    sql+="${sql:+ || }coalesce(json_extract(j, '\$.$name'), '') || char(31)"
  done
  quote "$1"
  if ! json_tool "SELECT $sql FROM (SELECT CAST(readfile($QUOTED) AS TEXT) AS j);"; then
    ERROR="read $1: $DB_ERR"
    return 1
  fi
  IFS=$US read -r -d '' -a values <<<"$DB_OUT" || true
  for i in "${!fields[@]}"; do
    P[${fields[i]}]=${values[i]}
  done
}

# pipeline_set NAME VALUE…: changes text or number fields of the loaded pipeline on disk and in P.
pipeline_set() {
  local changes=''
  while (($# > 0)); do
    P[$1]=$2
    quote "$2"
    [[ $1 != current_attempt && $1 != current_fix_round ]] || QUOTED=$2
    changes+=", '\$.$1', $QUOTED"
    shift 2
  done
  pipeline_write "json_set(j$changes)"
}

# pipeline_write EXPRESSION over j (the file's JSON): replaces the file.
pipeline_write() {
  quote "$PIPELINE_FILE"
  json_tool "SELECT json_set($1, '\$.updated_at', strftime('%Y-%m-%dT%H:%M:%SZ'))
    FROM (SELECT CAST(readfile($QUOTED) AS TEXT) AS j);" || fail "write $PIPELINE_FILE: $DB_ERR"
  write_file "$PIPELINE_FILE" "$DB_OUT"
}

# pipeline_create N TITLE BRANCH WORKTREE STAGE CONFIG_PATH: makes the folder
# and the file. Fails for a folder without the file, too. On failure ERROR, returns 1.
pipeline_create() {
  local dir=$DATA_DIR/pipelines/$1 name sql
  local names=(title branch worktree current_stage)
  if [[ $FAMILY == b ]]; then
    dir=$DATA_DIR/pipelines/${NAMESPACE:+$NAMESPACE/}$1
    names+=(config_path repo_dir namespace)
    set -- "$@" "${6%/*}" "$NAMESPACE"
  fi
  PIPELINE_FILE=$dir/pipeline.json
  if [[ -e $dir ]]; then
    ERROR="pipeline $1 already exists"
    return 1
  fi
  sql="'issue', $1, 'current_attempt', 1, 'current_fix_round', 0, 'current_session', '', 'status', 'pending',
    'stage_history', json('[]'), 'feature_intent', '', 'goal_gates', json('{}'), 'created_at', strftime('%Y-%m-%dT%H:%M:%SZ')"
  shift
  for name in "${names[@]}"; do
    quote "$1"
    sql+=", '$name', $QUOTED"
    shift
  done
  mkdir -p -- "$dir/stages"
  die_if_told folder
  json_tool "SELECT json_object($sql, 'updated_at', strftime('%Y-%m-%dT%H:%M:%SZ'));" || fail "write $PIPELINE_FILE: $DB_ERR"
  write_file "$PIPELINE_FILE" "$DB_OUT"
}

# die_if_told PLACE: ends this process as SIGKILL would, once, at the place named by STANDIN_FACTORY_DIES_AT.
die_if_told() {
  local file=${STANDIN_FACTORY_DIES_AT:-}
  [[ -n $file && -r $file && $(<"$file") == "$1" ]] || return 0
  rm -f -- "$file"
  kill -KILL $$
}

# write_file FILE TEXT: atomic, so that no reader sees half of it, and a full disk leaves the file as it was.
write_file() {
  # Where a caller handles errors, `set -e` is off.
  if ! { printf '%s\n' "$2" >"$1.$$"; } 2>/dev/null || ! mv -f -- "$1.$$" "$1"; then
    rm -f -- "$1.$$"
    fail "write $1: no space left on device"
  fi
}

# The folder of the current stage attempt.
attempt_dir() {
  ATTEMPT_DIR=${PIPELINE_FILE%/*}/stages/${P[current_stage]}/attempt-${P[current_attempt]}
  mkdir -p -- "$ATTEMPT_DIR"
}

# pipeline_event EVENT DETAIL: a row in pipeline_events for the loaded pipeline.
pipeline_event() {
  lit "$1" "${P[current_stage]}" "$2"
  db "INSERT INTO pipeline_events (issue, attempt, event, stage, detail)
      VALUES (${P[issue]}, ${P[current_attempt]}, $SQL_LIST);" || true
}
