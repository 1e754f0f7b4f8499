#!/usr/bin/env bash
# fetch.sh ARCHITECTURE DIRECTORY: creates DIRECTORY/linux_ARCHITECTURE with `node`, `claude` and the folder `npm`, the
# image's named build context `npm`. ARCHITECTURE is Docker's name: amd64 or arm64.
#
# npm itself fetches them as pinned by the lock file (versions and integrity hashes), from the registry of its own
# configuration. This runs outside the image build, since the base image does not need npm.
set -Eeuo pipefail

readonly HERE=${BASH_SOURCE[0]%/*}

die() {
  printf 'fetch.sh: %s\n' "$1" >&2
  exit 1
}

case ${1-} in
  amd64) cpu=x64 ;;
  arm64) cpu=arm64 ;;
  *) die 'usage: fetch.sh amd64|arm64 DIRECTORY' ;;
esac
[[ -n ${2-} ]] || die 'usage: fetch.sh amd64|arm64 DIRECTORY'
target=$2/linux_$1
lock=$HERE/linux_$1/package-lock.json
stamp=$(sha256sum <"$lock")

if [[ -e $target/stamp && $(<"$target/stamp") == "$stamp" ]]; then exit 0; fi
mkdir -p "$2"
# A folder of its own: two checkouts that share a cache may fetch at the same time.
work=$(mktemp -d "$2/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
# npm 11 takes a --prefix that leads through a symbolic link for a project that its lock file does not have.
prefix=$(cd "$work" && pwd -P)
cp "$HERE/linux_$1/package.json" "$lock" "$work/"
npm ci --prefix "$prefix" --force --ignore-scripts --no-audit --no-fund --loglevel=error --os=linux "--cpu=$cpu" --libc=glibc ||
  die "npm could not fetch the packages of $lock"
mkdir "$work/fetched"
mv "$work/node_modules/node-linux-$cpu/bin/node" "$work/fetched/node"
mv "$work/node_modules/@anthropic-ai/claude-code-linux-$cpu/claude" "$work/fetched/claude"
mv "$work/node_modules/npm" "$work/fetched/npm"
chmod 0755 "$work/fetched/node" "$work/fetched/claude"
printf '%s\n' "$stamp" >"$work/fetched/stamp"
rm -rf "$target"
mv "$work/fetched" "$target"
