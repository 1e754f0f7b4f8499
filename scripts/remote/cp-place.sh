# shellcheck shell=bash
# Puts in place what cp-receive.sh has unpacked, or takes it away. Arguments: TEMPORARY NAME FINAL, or TEMPORARY alone.
# Part: placed.
temporary=$1 entry=${2-} final=${3-}

# At once: whoever reads the file sees the old one or the new one.
place() {
  mv --no-target-directory "$temporary/$entry" "$final" && rm -rf "$temporary"
}

case $temporary in
  */.factory-worker-cp.*) ;;
  *) exit 1 ;;
esac
if [ -n "$final" ]; then part placed place; else part placed rm -rf "$temporary"; fi
