#!/usr/bin/env bash
# git 2.39.5: while `git worktree add` is at work, `git fetch` and `git log --all` in the same repository may fail.
#
# worktree add first gives the new worktree a HEAD of zeros and the real one a moment later. Whatever reads the HEAD of every
# worktree in between meets an object that does not exist: `log --all` ends with "bad object worktrees/NAME/HEAD", and fetch
# says that the *remote* "did not send all necessary objects". Both succeed when they are tried again; `log --branches
# --remotes` reads no worktree's HEAD and never fails.
set -Eeuo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt downloads as a user of its own
cd "$work"
apt-get --quiet=2 download git=1:2.39.5-0+deb12u3
dpkg-deb --extract git_*.deb root
export PATH=$work/root/usr/bin:$PATH GIT_EXEC_PATH=$work/root/usr/lib/git-core GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_TEMPLATE_DIR='' GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
export LC_ALL=C.UTF-8

git --version
git init --quiet --bare --initial-branch=main origin.git
git init --quiet --initial-branch=main writer
git -C writer commit --quiet --allow-empty --message first
git -C writer push --quiet ../origin.git main
git clone --quiet origin.git clone

add_worktrees() {
  local n
  for ((n = 0; n < 2000; n++)); do
    git -C clone worktree add --quiet -b "issue-$n" "$work/issue-$n"
    git -C clone worktree remove --force "$work/issue-$n"
  done
}
# What a failure says, its object ids and numbers made equal.
said() { sed -E "s#$work/##; s/issue-[0-9]+/issue-N/" <<<"$1" | grep --max-count=1 "$2" || true; }

add_worktrees &
adding=$!
# Its git may be at work for a moment longer.
trap 'kill "$adding" 2>/dev/null; wait "$adding" 2>/dev/null || true; sleep 1; rm -rf "$work"' EXIT
log='' fetch='' branches=0
while kill -0 "$adding" 2>/dev/null && [[ -z $log || -z $fetch ]]; do
  [[ -n $log ]] || output=$(git -C clone log --all --format=%s 2>&1) || log=$(said "$output" '^fatal')
  git -C clone log --branches --remotes --format=%s >/dev/null 2>&1 || branches=$((branches + 1))
  git -C writer commit --quiet --allow-empty --message next
  git -C writer push --quiet ../origin.git main
  [[ -n $fetch ]] || output=$(git -C clone fetch 2>&1) || fetch=$(said "$output" '^error')
done
{
  echo "log --all: $log"
  echo "fetch: $fetch"
  echo "log --branches --remotes failed: $branches"
} | tee seen.txt

diff seen.txt - <<'SEEN'
log --all: fatal: bad object worktrees/issue-N/HEAD
fetch: error: origin.git did not send all necessary objects
log --branches --remotes failed: 0
SEEN
