#!/usr/bin/env bash
# Reports a missing or too old Node, more clearly than npm would.
set -Eeuo pipefail

needed_major=20
needed_minor=20

if ! command -v node >/dev/null; then
  echo "error: Node is not installed; factory-worker needs $needed_major.$needed_minor or newer" >&2
  echo "  get it: https://nodejs.org/en/download (or your package manager: brew install node)" >&2
  exit 127
fi

version=$(node --version)
IFS=. read -r major minor _ <<<"${version#v}"
if ((major < needed_major || (major == needed_major && minor < needed_minor))); then
  echo "error: Node $version is too old; factory-worker needs $needed_major.$needed_minor or newer" >&2
  echo "  get it: https://nodejs.org/en/download (or your package manager: brew install node)" >&2
  exit 1
fi
