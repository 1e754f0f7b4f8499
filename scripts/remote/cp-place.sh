# shellcheck shell=bash
# Moves what cp-receive.sh has unpacked into place, or removes it. Arguments: TEMPORARY NAME FINAL, or TEMPORARY alone.
# Part: placed.
temporary=$1 entry=${2-} final=${3-}

# Atomic: readers see the old file or the new one.
place() {
  mv --no-target-directory "$temporary/$entry" "$final" && rm -rf "$temporary"
}

case $temporary in
  */.factory-worker-cp.*) ;;
  *) exit 1 ;;
esac
if [ -n "$final" ]; then part placed place; else part placed rm -rf "$temporary"; fi
