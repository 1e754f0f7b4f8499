# shellcheck shell=bash
# Asks the supervisor for a clone and waits for it. Arguments: NAME REPO BRANCH SECONDS.
# Parts: clone (`ready`, `waiting`, or the supervisor's message), boot.
name=$1 repo=$2 branch=$3 seconds=$4

request() {
  local file=$WORKER_STATE_DIR/projects.json list='[]'
  exec 9>>"$WORKER_STATE_DIR/locks/projects"
  flock --wait 10 9 || return 1
  if [ -s "$file" ]; then list=$(cat "$file"); fi
  jq --arg name "$name" --arg repo "$repo" --arg branch "$branch" \
    'map(select(.name != $name)) + [{name: $name, repo: $repo, branch: (if $branch == "" then null else $branch end), config: "pipeline.yaml"}]' \
    <<<"$list" >"$file.new" && mv "$file.new" "$file"
  exec 9>&-
}

mkdir -p "$WORKER_STATE_DIR/locks"
if [ ! -e "$WORKER_REPOS_DIR/$name/.git" ]; then
  request || exit 1
fi
until [ -e "$WORKER_REPOS_DIR/$name/.git" ] || [ "$seconds" -le 0 ]; do
  sleep 1
  seconds=$((seconds - 1))
done
if [ -e "$WORKER_REPOS_DIR/$name/.git" ]; then emit_part clone 0 ready; else emit_part clone 0 waiting; fi
part clones clones
part_file boot "$WORKER_RUN_DIR/boot.json"
