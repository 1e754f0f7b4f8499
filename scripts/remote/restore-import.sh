# shellcheck shell=bash
# Puts the queue of a backup with SQLite into a worker with PostgreSQL, by factory's own commands: nothing copies rows between
# the two. factory adds rows that wait and no others, so finished rows stay in the backup.

# rows_to_import COPY STATE: the open rows of the database in the folder COPY, a line of JSON for each (ImportedRow of
# scripts/lib/contract.ts, with all that adding it needs), in the order of the queue. Pipelines and the records of dispatches are
# in the folder STATE.
rows_to_import() (
  set -o pipefail
  begun=$(find "$2/pipelines" -path '*/[0-9]*/pipeline.json' -printf '%h\n' 2>/dev/null | sed 's|.*/||' |
    grep --extended-regexp '^[1-9][0-9]*$' | paste --serial --delimiters ,)
  records=/dev/null
  if [ -f "$2/worker/dispatch.jsonl" ]; then records=$2/worker/dispatch.jsonl; fi
  rows=$(query_database "$1/factory.db" '.mode json' 'SELECT * FROM issue_queue ORDER BY position, id') || {
    printf '%s\n' "$rows"
    exit 1
  }
  # shellcheck disable=SC2016  # jq's variables
  jq --compact-output --argjson begun "[$begun]" --rawfile records "$records" '
    def needs: .depends_on // "" | if . == "" then [] else fromjson end;
    def is_open: .status == "pending" or .status == "active";
    # The rows that have failed, and then those that wait for one of them.
    def growing($rows): . as $bad
      | [$rows[] | select(is_open and any(needs[]; . as $it | any($bad[]; . == $it))) | .issue] + $bad | unique
      | if length == ($bad | length) then . else growing($rows) end;
    ([$records | split("\n")[] | try fromjson catch empty | objects | {key: "\(.issue)", value: .project}] | from_entries) as $projects
    | . as $rows | ([$rows[] | select(.status == "failed") | .issue] | unique | growing($rows)) as $stuck
    | $rows[] | select(is_open) | .issue as $issue
    | ([(.config_path // "") | capture("^.*?/[.]factory/repos/(?<project>[^/]+)/(?<config>.+)$")][0]
      // {project: ($projects["\($issue)"] // ""), config: ""})
    + {issue: $issue, intent: (.feature_intent // "" | split("\u0000") | join("")), dependsOn: (needs | map(tostring) | join(","))}
    + {fate: (if .status == "active" and any($begun[]; . == $issue) then "goes-on"
        elif any($stuck[]; . == $issue) then "waits" else "add" end)}' <<<"${rows:-[]}"
)

# import_row: adds the row of $project with its $config, $intent and $depends_on, if it is to be added. Called by each_row.
import_row() {
  if [ "$fate" != add ]; then return 0; fi
  if [[ ! $issue =~ ^[1-9][0-9]*$ || $project != [[:alnum:]_]* || $project$config == *..* ]]; then
    said='its project is unknown'
    return 1
  fi
  config=$WORKER_REPOS_DIR/$project/${config:-$(config_of "$project")}
  if ! [ -f "$config" ] || ! cd "${config%/*}"; then
    said="there is no $config"
    return 1
  fi
  add_row_as_it_was "$issue"
}

# each_row FILE COMMAND: runs a command for each row of a file of rows_to_import, whose fields are in variables. Stops at the first
# failure and prints $said.
# shellcheck disable=SC2034  # project, config, intent, depends_on: read by the command
each_row() {
  local fate issue project config intent depends_on said=''
  while IFS= read -r -d '' fate && IFS= read -r -d '' issue && IFS= read -r -d '' project && IFS= read -r -d '' config &&
    IFS= read -r -d '' intent && IFS= read -r -d '' depends_on; do
    if ! "$2"; then
      echo "#$issue: $said"
      return 1
    fi
  done < <(jq --join-output '.fate, .issue, .project, .config, .intent, .dependsOn | tostring + "\u0000"' "$1")
}

# import_rows COPY STATE FILE: replaces the queue by the open rows of a copy, and writes them into FILE. Under the queue's lock,
# and while nothing is taken from it.
# shellcheck disable=SC2034  # dialect: read by add_row
import_rows() {
  local dialect said=''
  rows_to_import "$1" "$2" >"$3" || { tail --lines=1 "$3" && return 1; }
  dialect=$(dialect 2>/dev/null) || { echo 'factory does not answer' && return 1; }
  quietly factory queue clear --confirm || { echo "$said" && return 1; }
  each_row "$3" import_row
}
