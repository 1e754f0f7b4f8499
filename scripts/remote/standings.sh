# shellcheck shell=bash
# The status of issues in the queue and in the store, and their projects.

# For each issue: number, status, project, its pipeline's status. The project is the program's own column, what dispatches
# recorded, the path of the row's configuration, or the only clone: the rule of projectOf in scripts/lib/factory.ts. A row
# stays active when its pipeline was failed by hand; then the pipeline's status counts (openItems in
# scripts/lib/worker/queue.ts).
# shellcheck disable=SC2016  # $n and the like are jq's
standings='
  def row($n): first($queue[0][]? | select(.Issue == $n)) // {};
  def pipeline($n): first($pipelines[0][]? | select(.issue == $n)) // {};
  def recorded($n): [$dispatches | split("\n")[] | fromjson? | objects | select(.issue == $n)] | last | .project;
  def folder: select(. != null and startswith($repos + "/")) | ltrimstr($repos + "/") | split("/")[0];
  [$clones | split("\n")[] | select(. != "") | split("\t")[0]] as $names
  | $ARGS.positional[] | tonumber as $n | row($n) as $row | pipeline($n).status as $pipeline
  | (if $row.Status == null then (if $pipeline then "pipeline" else "none" end)
     elif $row.Status == "active" and ($pipeline == "completed" or $pipeline == "failed") then $pipeline
     else $row.Status end) as $word
  | (($row.Project | select(. != null and . != "")) // recorded($n) // ($row.ConfigPath | folder)
     // ($names | select(length == 1) | .[0]) // "?") as $owner
  | [$n, $word, $owner, $pipeline // if $pipelines[0] == "unknown" then "unknown" else "" end] | @tsv'

# look ISSUE…: one line each; to be called in the folder of any project's configuration. Long values go through files, since an
# argument has at most 128 KiB.
look() {
  local queue pipelines issue known=no
  queue=$(queue 2>/dev/null) || return 1
  pipelines=$(timeout 20 factory status --format json 2>/dev/null) || pipelines='"unknown"'
  # Usually the issues are new to this worker, and jq is not needed: starting it takes longer than a call of factory.
  for issue in "$@"; do
    if [[ $queue$pipelines =~ \"[Ii]ssue\":\ *${issue}[^0-9] ]]; then known=yes; fi
  done
  if [ "$known" = no ]; then
    printf '%s\tnone\t?\t\n' "$@"
    return
  fi
  jq --null-input --raw-output --arg repos "$WORKER_REPOS_DIR" \
    --slurpfile queue <(printf '%s\n' "$queue") --slurpfile pipelines <(printf '%s\n' "$pipelines") \
    --rawfile clones <(clones) --rawfile dispatches <(cat "$WORKER_STATE_DIR/dispatch.jsonl" 2>/dev/null) \
    "$standings" --args "$@"
}

# is_ours ISSUE PROJECT: whether it was dispatched to that project.
is_ours() {
  jq --null-input --raw-input --exit-status --argjson issue "$1" --arg project "$2" \
    'any(inputs | fromjson? | objects; .issue == $issue and .project == $project)' \
    "$WORKER_STATE_DIR/dispatch.jsonl" >/dev/null 2>&1
}
