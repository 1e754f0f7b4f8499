#!/usr/bin/env bash
# raise-claude.sh VERSION: tries another version of claude and, when every test passes, pins it.
#
# Prints what the candidate changes: the flags in --help, the keys of its state file, and the screens that the tests of
# test/agents capture. The pin and the captured screens are left uncommitted, to be reviewed before the commit.
set -Eeuo pipefail

cd "${BASH_SOURCE[0]%/*}/../.."
readonly PINS=image/npm
readonly CAPTURED=test/claude/screens

die() {
  printf 'raise-claude.sh: %s\n' "$1" >&2
  exit 1
}

# The lock files of both architectures, as npm writes them for that version.
write_pins() {
  local architecture cpu
  for architecture in amd64 arm64; do
    cpu=${architecture/amd64/x64}
    cp -r "$PINS/linux_$architecture" "$work/"
    npm install --prefix "$work/linux_$architecture" --package-lock-only --save-exact --force --ignore-scripts --no-audit \
      --no-fund --loglevel=error --os=linux --cpu="$cpu" "@anthropic-ai/claude-code-linux-$cpu@$version" ||
      die "npm has no claude $version for $architecture"
  done
}

# fetch PINS TARGET: fetches the programs that a folder's lock files pin, with its fetch.sh. Sets $claude.
fetch() {
  "$1/fetch.sh" "$machine" "$2"
  claude=$2/linux_$machine/claude
}

# In its own HOME, with an API address where nothing listens: a first run shows and writes the same without an account.
alone() {
  rm -rf "${work:?}/home"
  mkdir "$work/home"
  env -i PATH="$PATH" HOME="$work/home" CLAUDE_CONFIG_DIR="$work/home" IS_SANDBOX=1 DISABLE_AUTOUPDATER=1 \
    ANTHROPIC_BASE_URL=http://127.0.0.1:9 CLAUDE_CODE_OAUTH_TOKEN=none CLAUDE_CODE_MAX_RETRIES=1 timeout 120 "$@" 2>&1 || true
}

# describe CLAUDE FOLDER: captures what can be compared without a screen.
describe() {
  mkdir -p "$2"
  alone "$1" --help >"$2/help"
  alone "$1" --print ok >"$2/print"
  jq --raw-output 'paths | map(if type == "number" then "[]" else . end) | join(".")' "$work/home/.claude.json" |
    sort --unique >"$2/keys"
}

[[ ${1-} =~ ^[0-9]+(\.[0-9]+){2}$ ]] || die 'usage: raise-claude.sh VERSION, such as 2.1.332'
version=$1
case $(uname -m) in
  aarch64 | arm64) machine=arm64 ;;
  *) machine=amd64 ;;
esac
[[ -z $(git status --porcelain --untracked-files=no -- "$PINS" "$CAPTURED") ]] || die "$PINS or $CAPTURED has uncommitted changes"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

write_pins
cp "$PINS/fetch.sh" "$work/"
fetch "$PINS" "$PWD/.cache/image/npm"
describe "$claude" "$work/pinned"
fetch "$work" "$work/candidate"
describe "$claude" "$work/new"

for what in help print keys; do
  echo "== claude $version: changes in its $what"
  diff --unified=0 "$work/pinned/$what" "$work/new/$what" || true
done
echo "== claude $version: the tests of test/agents"
make test-agents SCREENS="write" CLAUDE_BIN="$claude" ||
  die "not pinned: the tests above fail with $version; its screens now: git diff -- $CAPTURED"
echo "== claude $version: changes in its screens"
git diff --stat -- "$CAPTURED"
for architecture in amd64 arm64; do
  cp "$work/linux_$architecture"/package{,-lock}.json "$PINS/linux_$architecture/"
done
echo "claude $version is pinned; review it, then commit: git diff -- $PINS $CAPTURED"
