# shellcheck shell=bash
# factory queue add | list | remove | clear | set-intent
# Source of the facts: the factory contract, section 2.

ISSUE=       # set by to_issue
DEPENDS_ON=  # JSON list or empty
CONFIG_PATH= # absolute, dialects b and c
NAMESPACE=   # the same

# to_issue TEXT: sets ISSUE as Go's Atoi reads it ("007" and "+8" are numbers),
# or returns 1 when it is not a positive 64-bit integer.
to_issue() {
  local digits=${1#+}
  [[ $digits =~ ^0*([1-9][0-9]*)$ ]] || return 1
  ISSUE=${BASH_REMATCH[1]}
  # shellcheck disable=SC2071  # of the same length, so text compares like numbers
  ((${#ISSUE} < 19)) || [[ ${#ISSUE} -eq 19 && ! $ISSUE > 9223372036854775807 ]]
}

need_issue() {
  to_issue "$1" || fail "invalid issue number \"$1\": must be a positive integer"
}

# The order of checks is the program's: config, dependencies, numbers, database.
queue_add() {
  local text issues=() intents=()
  [[ $DIALECT != design ]] || ARGS=("${FLAG[issue]}")
  if [[ $FAMILY == b ]]; then
    read_config_flag
    read_depends_on
  fi
  for text in "${ARGS[@]}"; do
    need_issue "$text"
    issues+=("$ISSUE")
    INTENT=${FLAG[intent]:-}
    [[ -n $INTENT ]] || derive_for_add "$ISSUE"
    intents+=("$INTENT")
  done
  store_open
  insert_rows issues intents
  echo "Added ${#issues[@]} issue(s) to the queue"
}

# The issue is fetched in the caller's directory, whatever --config says;
# dialect design, which runs anywhere, asks in the project's clone if there is one.
derive_for_add() {
  local dir=$PWD
  if [[ $DIALECT == design && -d $HOME/.factory/repos/${FLAG[project]} ]]; then
    dir=$HOME/.factory/repos/${FLAG[project]}
  fi
  fetch_issue "$1" "$dir" '' || fail "issue #$1: failed to fetch from GitHub: $ERROR"
  echo "issue #$1: deriving feature intent..."
  derive_intent || fail "issue #$1: intent derivation failed: $ERROR"
  [[ -n $INTENT ]] || fail "issue #$1: could not derive feature intent: pass --intent"
  echo "issue #$1: $INTENT"
}

# Only checks that the file exists: a directory or broken YAML is accepted with
# an empty namespace, and fails later, when the row is taken.
read_config_flag() {
  local path=${FLAG[config]}
  [[ $path == /* ]] || path=$PWD/$path
  [[ -e $path ]] || fail "config file \"$path\" not found"
  CONFIG_PATH=$(cd -- "$(dirname -- "$path")" && pwd)/$(basename -- "$path")
  NAMESPACE=
  if project_read "$CONFIG_PATH"; then
    namespace_of "${CONFIG[pipeline.repo]:-}"
  fi
}

read_depends_on() {
  local part seen=' ' list=()
  [[ -n ${FLAG[depends-on]:-} ]] || return 0
  IFS=',' read -ra list <<<"${FLAG[depends-on]}"
  for part in "${list[@]}"; do
    part=${part// /}
    part=${part#'#'}
    to_issue "$part" || fail "invalid --depends-on value \"$part\": must be a positive integer"
    [[ $seen != *" $ISSUE "* ]] || fail "duplicate issue $ISSUE in --depends-on"
    seen+="$ISSUE "
    DEPENDS_ON+="${DEPENDS_ON:+,}$ISSUE"
  done
  DEPENDS_ON="[$DEPENDS_ON]"
  for part in "${ARGS[@]}"; do
    if to_issue "$part" && [[ $seen == *" $ISSUE "* ]]; then
      fail "issue #$ISSUE cannot depend on itself"
    fi
  done
}

# insert_rows ISSUES INTENTS (names of arrays): inserts all of them or none.
insert_rows() {
  local -n numbers=$1 texts=$2
  local i rows='' columns='issue, feature_intent, position' extra=''
  case $FAMILY in
    b)
      columns+=', namespace, config_path, depends_on'
      lit "$NAMESPACE" "$CONFIG_PATH" "$DEPENDS_ON"
      extra=", $SQL_LIST"
      ;;
    design)
      columns+=', project'
      lit "${FLAG[project]}"
      extra=", $SQL_LIST"
      ;;
  esac
  for i in "${!numbers[@]}"; do
    quote "${texts[i]}"
    rows+="${rows:+, }(${numbers[i]}, $QUOTED, (SELECT coalesce(max(position), 0) FROM issue_queue) + $((i + 1))$extra)"
  done
  db "INSERT INTO issue_queue ($columns) VALUES $rows;" && return
  duplicate_key || fail "insert issue ${numbers[0]}: $DB_ERR"
  fail "issue $(first_duplicate "$1") is already in the queue"
}

# first_duplicate ISSUES (name of an array): prints the number that could not be added.
first_duplicate() {
  local -n wanted=$1
  local n seen=' '
  quote "$NAMESPACE"
  db "SELECT ' ' || $JOINED(CAST(issue AS TEXT), ' ') || ' ' FROM issue_queue $([[ $FAMILY != b ]] || echo "WHERE namespace = $QUOTED");"
  for n in "${wanted[@]}"; do
    if [[ $seen == *" $n "* || $DB_OUT == *" $n "* ]]; then
      echo "$n"
      return
    fi
    seen+="$n "
  done
}

queue_list() {
  store_open
  if [[ ${FLAG[format]:-table} == json ]]; then
    db "$(queue_json_sql)" || fail "query queue: $DB_ERR"
    echo "$DB_OUT"
  else
    queue_table
  fi
}

queue_json_sql() {
  local nl=$'\',\n\'' after='' namespace='' config=''
  case $FAMILY in
    design) after="'    \"Project\": ' || $(json_of project) || $nl ||" ;;
    b)
      namespace="'    \"Namespace\": ' || $(json_of namespace) || $nl ||"
      config="'    \"ConfigPath\": ' || $(json_of config_path) || $nl ||
              '    \"DependsOn\": ' || coalesce(nullif(depends_on, ''), 'null') || $nl ||"
      ;;
  esac
  cat <<SQL
SELECT coalesce('[' || '$NL' || $JOINED(line, ',' || '$NL') || '$NL' || ']', 'null') FROM (
  SELECT '  {' || '$NL' ||
    '    "ID": ' || id || $nl || $namespace
    '    "Issue": ' || issue || $nl || $after
    '    "Status": ' || $(json_of status) || $nl ||
    '    "Position": ' || position || $nl ||
    '    "FeatureIntent": ' || $(json_of feature_intent) || $nl || $config
    '    "AddedAt": ' || $(json_of "$(time_text added_at)") || $nl ||
    '    "StartedAt": ' || $(json_of "coalesce($(time_text started_at), '')") || $nl ||
    '    "FinishedAt": ' || $(json_of "coalesce($(time_text finished_at), '')") || '$NL' || '  }' AS line
  FROM issue_queue ORDER BY position, id) AS lines;
SQL
}

# The table for people. As in the program, a line break inside an intent breaks
# the row, and truncation may split a character: only the JSON is for programs.
queue_table() {
  local LC_ALL=C position issue status intent added waits header rows depends="''"
  header="POS${US}ISSUE${US}STATUS${US}INTENT${US}"
  if [[ $FAMILY == b ]]; then
    header+="DEPS$US"
    depends="coalesce(depends_on, '')"
  fi
  db "SELECT position || '$US' || issue || '$US' || status || '$US' || feature_intent
        || '$US' || $(time_text added_at) || '$US' || $depends || '$RS'
      FROM issue_queue ORDER BY position, id;" || fail "query queue: $DB_ERR"
  if [[ -z $DB_OUT ]]; then
    echo 'Queue is empty'
    return
  fi
  rows=("${header}ADDED")
  while IFS=$US read -r -d "$RS" position issue status intent added waits; do
    ((${#intent} <= 50)) || intent="${intent:0:47}..."
    if [[ $FAMILY == b ]]; then
      waits=${waits//[\[\]]/}
      waits=${waits:+[waits: #${waits//,/, #}]}
      added="$waits$US$added"
    fi
    rows+=("${position#$'\n'}$US#$issue$US$status$US${intent:-(none)}$US$added")
  done <<<"$DB_OUT"
  print_table "${rows[@]}"
}

queue_remove() {
  local which
  need_issue "${ARGS[0]}"
  store_open
  # b changes only the lowest position, of any project; in the others a number is unique.
  which="issue = $ISSUE"
  [[ $FAMILY != b ]] || which="id = (SELECT id FROM issue_queue WHERE issue = $ISSUE ORDER BY position LIMIT 1)"
  db "DELETE FROM issue_queue WHERE $which RETURNING id;" || fail "delete issue $ISSUE: $DB_ERR"
  [[ -n $DB_OUT ]] || fail "issue $ISSUE not found in queue"
  echo "Removed issue #$ISSUE from the queue"
}

queue_set_intent() {
  need_issue "${ARGS[0]}"
  store_open
  quote "${ARGS[1]}"
  db "UPDATE issue_queue SET feature_intent = $QUOTED
      WHERE id = (SELECT id FROM issue_queue WHERE issue = $ISSUE ORDER BY position LIMIT 1)
      RETURNING id;" || fail "update issue $ISSUE: $DB_ERR"
  [[ -n $DB_OUT ]] || fail "issue $ISSUE not found in queue"
  echo "Set feature intent for issue #$ISSUE"
}

queue_clear() {
  [[ ${FLAG[confirm]:-false} == true ]] || fail 'use --confirm to clear the entire queue'
  store_open
  local rows=()
  db 'DELETE FROM issue_queue RETURNING id;' || fail "clear queue: $DB_ERR"
  [[ -z $DB_OUT ]] || mapfile -t rows <<<"$DB_OUT"
  echo "Cleared ${#rows[@]} item(s) from the queue"
}

# queue_set_status ISSUE STATUS: by number alone, like the program.
queue_set_status() {
  local column=started_at
  [[ $2 == active ]] || column=finished_at
  quote "$2"
  db "UPDATE issue_queue SET status = $QUOTED, $column = $NOW WHERE issue = $1;"
}
