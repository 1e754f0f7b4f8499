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
work=$2/work_$1
rm -rf "$work" "$target"
mkdir -p "$work" "$target"
cp "$HERE/linux_$1/package.json" "$lock" "$work/"
npm ci --prefix "$work" --force --ignore-scripts --no-audit --no-fund --loglevel=error --os=linux "--cpu=$cpu" --libc=glibc ||
  die "npm could not fetch the packages of $lock"
mv "$work/node_modules/node-linux-$cpu/bin/node" "$target/node"
mv "$work/node_modules/@anthropic-ai/claude-code-linux-$cpu/claude" "$target/claude"
mv "$work/node_modules/npm" "$target/npm"
chmod 0755 "$target/node" "$target/claude"
rm -rf "$work"
printf '%s\n' "$stamp" >"$target/stamp"
