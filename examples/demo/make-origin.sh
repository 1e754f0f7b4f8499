#!/usr/bin/env bash
# make-origin.sh DIR: creates a bare git repository DIR (branch main) with the
# demo project. Prints DIR. Does nothing when the repository already exists, and
# never reads or writes the user's git configuration.
set -Eeuo pipefail

die() {
  printf 'make-origin.sh: %s\n' "$1" >&2
  exit 1
}

[[ $# -eq 1 && -n ${1-} && $1 != -* ]] || die 'usage: make-origin.sh DIR'
target=$1
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

# A surrounding git command (a hook, say) must not redirect ours.
unset "${!GIT_@}"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME='Demo' GIT_AUTHOR_EMAIL='demo@example.invalid' GIT_AUTHOR_DATE='2026-01-01T00:00:00Z'
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE

if git --git-dir="$target" rev-parse --verify --quiet refs/heads/main >/dev/null 2>&1; then
  echo "$target"
  exit 0
fi
[[ ! -e $target || -z $(ls -A -- "$target") ]] || die "$target exists and is not a repository with a branch main: choose another folder"

mkdir -p -- "$(dirname -- "$target")"
# Created next to the target and moved into place, so that an interrupted run leaves nothing incomplete.
scratch=$(mktemp -d -- "$(dirname -- "$target")/.make-origin.XXXXXX")
trap 'rm -rf -- "$scratch"' EXIT
cp -R -- "$here/project" "$scratch/work"
git init --quiet --initial-branch=main "$scratch/work"
git -C "$scratch/work" add --all
git -C "$scratch/work" commit --quiet --message 'A demo project'
git clone --quiet --bare "$scratch/work" "$scratch/origin.git"
git --git-dir="$scratch/origin.git" remote remove origin
[[ ! -d $target ]] || rmdir -- "$target"
mv -- "$scratch/origin.git" "$target"
echo "$target"
