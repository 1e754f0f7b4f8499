#!/usr/bin/env bash
# with-log.sh LOG COMMAND…: runs a command; what it prints, both streams, goes to stderr and into a file.
set -Eeuo pipefail
log=$1
shift
mkdir -p "${log%/*}"
"$@" 2>&1 | tee "$log" >&2
