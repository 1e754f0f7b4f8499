#!/usr/bin/env bash
# while-open.sh FOLDER COMMAND…: runs COMMAND until it ends by itself or stdin is closed, as it is when whoever holds the
# other end has ended, however that came about. Then the folder goes.
set -Euo pipefail
folder=$1
shift
# What is started behind gets /dev/null for its stdin, unless it is told.
exec 3<&0
cat <&3 &
"$@" &
wait -n
# shellcheck disable=SC2046  # words on purpose
kill $(jobs -p) 2>/dev/null
wait
rm -r "$folder"
