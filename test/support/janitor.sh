#!/usr/bin/env bash
# Cleans up after tests that were ended before they could do it: reads folders from stdin, one in each line, and when stdin
# ends, which it does when its writer ends in whatever way, removes them together with what still runs in them.
set -uo pipefail
shopt -s nullglob

folders=()
while IFS= read -r folder; do folders+=("$folder"); done

# runs_in FOLDER: the processes that work somewhere below it.
runs_in() {
  local link place
  for link in /proc/[0-9]*/cwd; do
    place=$(readlink "$link" 2>/dev/null) || continue
    if [ "$place" = "$1" ] || [[ $place == "$1"/* ]]; then
      link=${link#/proc/}
      echo "${link%/cwd}"
    fi
  done
}

for folder in "${folders[@]}"; do
  [ -d "$folder" ] || continue
  # Every test keeps the socket of its tmux in a folder `t`.
  TMUX_TMPDIR=$folder/t tmux kill-server 2>/dev/null
  runs_in "$folder" | xargs --no-run-if-empty kill -KILL 2>/dev/null
  rm -rf "$folder"
done
