#!/usr/bin/env bash
# trixie-sources.sh DIRECTORY: writes this system's own apt sources there, with trixie instead of bookworm. So the image, and
# the machine that tests it, get Docker from the same mirror as everything else.
set -Eeuo pipefail

readonly target=$1
count=0
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
  # Other sources (a vendor's repository, say) have no trixie.
  if ! grep --quiet --extended-regexp '(^|[[:space:]])bookworm([[:space:]]|$)' "$file" 2>/dev/null; then continue; fi
  case $file in
    *.sources) name=trixie-$count.sources ;;
    *) name=trixie-$count.list ;;
  esac
  sed --regexp-extended 's/(^|[[:space:]])bookworm/\1trixie/g' "$file" >"$target/$name"
  count=$((count + 1))
done
if ((count == 0)); then
  echo "no apt source of bookworm in /etc/apt: the base image must be Debian bookworm" >&2
  exit 1
fi
