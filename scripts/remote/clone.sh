# shellcheck shell=bash
# Requests a clone from the supervisor and waits for it. Arguments: NAME REPO BRANCH SECONDS.
# Parts: clone (`ready` or `waiting`; with 1: why it cannot be requested; with 2: why it was not cloned), withdrawn (`yes`, when
# the request was ours and is no longer in the list), clones, boot.
name=$1 repo=$2 branch=$3 seconds=$4
file=$WORKER_STATE_DIR/projects.json

# edit_list FILTER ARG…: changes the list with jq. In a subshell, whose end releases the lock in any case.
edit_list() (
  list='[]'
  mkdir -p "$WORKER_STATE_DIR/locks" && exec 9>>"$WORKER_STATE_DIR/locks/projects" || exit 1
  flock --wait 10 9 || exit 1
  if [ -s "$file" ]; then list=$(<"$file"); fi
  # Atomic: the supervisor may read it at any moment.
  jq --arg name "$name" "${@:2}" "$1" <<<"$list" >"$file.new" && mv "$file.new" "$file"
)

request() {
  # shellcheck disable=SC2016  # jq's variables
  edit_list 'map(select(.name != $name)) + [{name: $name, repo: $repo, branch: (if $branch == "" then null else $branch end), config: "pipeline.yaml"}]' \
    --arg repo "$repo" --arg branch "$branch"
}

is_listed() {
  jq --exit-status --arg name "$name" 'any(.name == $name)' "$file" >/dev/null 2>&1
}

# What the supervisor says of the last attempt, with the time of the next one; empty before the first has failed.
complaint() {
  # shellcheck disable=SC2016  # jq's variables
  jq --raw-output --arg name "$name" '($name | gsub("\\."; "\\.")) as $own
    | .phases[]? | select(.name == "clones").message
    | capture("(?:^|; )" + $own + ": (?<said>(?!ok(?:;|$)|being cloned(?:;|$)).*?\\(tried again at [^)]*\\))").said' \
    "$WORKER_RUN_DIR/boot.json" 2>/dev/null
}

is_there() {
  [ -e "$WORKER_REPOS_DIR/$name/.git" ]
}

ours=no before=$(complaint) now=''
if ! is_there; then
  is_listed || ours=yes
  if ! said=$(request 2>&1); then
    emit_part clone 1 "its list of projects ($file) cannot be changed: ${said:-it is in use}"
    exit 0
  fi
fi
until is_there || [ "$seconds" -le 0 ]; do
  sleep 1
  seconds=$((seconds - 1))
  now=$(complaint)
  # An older complaint is about an attempt before this request.
  if [ -n "$now" ] && [ "$now" != "$before" ] && ! is_there; then break; fi
  now=''
done
if is_there; then
  emit_part clone 0 ready
elif [ -n "$now" ]; then
  emit_part clone 2 "${now% (tried again at *}"
  # shellcheck disable=SC2016  # jq's variables
  if [ "$ours" = yes ] && edit_list 'map(select(.name != $name))' 2>/dev/null; then emit_part withdrawn 0 yes; fi
else
  emit_part clone 0 waiting
fi
part clones clones
part_file boot "$WORKER_RUN_DIR/boot.json"
