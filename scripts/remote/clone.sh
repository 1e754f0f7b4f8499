# shellcheck shell=bash
# Requests a clone from the supervisor and waits for it. Arguments: NAME REPO BRANCH SECONDS.
# Parts: clone (`ready` or `waiting`; with 1: why it cannot be requested), clones, boot.
name=$1 repo=$2 branch=$3 seconds=$4

# In a subshell, whose end releases the lock in any case.
request() (
  file=$WORKER_STATE_DIR/projects.json list='[]'
  mkdir -p "$WORKER_STATE_DIR/locks" && exec 9>>"$WORKER_STATE_DIR/locks/projects" || exit 1
  flock --wait 10 9 || exit 1
  if [ -s "$file" ]; then list=$(<"$file"); fi
  # Atomic: the supervisor may read it at any moment.
  jq --arg name "$name" --arg repo "$repo" --arg branch "$branch" \
    'map(select(.name != $name)) + [{name: $name, repo: $repo, branch: (if $branch == "" then null else $branch end), config: "pipeline.yaml"}]' \
    <<<"$list" >"$file.new" && mv "$file.new" "$file"
)

if [ ! -e "$WORKER_REPOS_DIR/$name/.git" ] && ! said=$(request 2>&1); then
  emit_part clone 1 "its list of projects ($WORKER_STATE_DIR/projects.json) cannot be changed: ${said:-it is in use}"
  exit 0
fi
until [ -e "$WORKER_REPOS_DIR/$name/.git" ] || [ "$seconds" -le 0 ]; do
  sleep 1
  seconds=$((seconds - 1))
done
if [ -e "$WORKER_REPOS_DIR/$name/.git" ]; then emit_part clone 0 ready; else emit_part clone 0 waiting; fi
part clones clones
part_file boot "$WORKER_RUN_DIR/boot.json"
