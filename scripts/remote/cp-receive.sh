#!/usr/bin/env bash
# Reads a tar archive with one entry from stdin and unpacks it next to its destination. Nothing is moved into place before the
# laptop has compared the checksums (cp-place.sh), since on a broken connection stdin simply ends.
#
# Arguments: NONCE DESTINATION NAME KIND(file|folder) [look]. NAME is the entry's, DESTINATION a path, relative to HOME. With
# look nothing is read or written: prints `NONCE place FINAL new|replaced`.
# Prints `NONCE ready TEMPORARY FINAL` before reading, `NONCE sum SHA256 RC MESSAGE` afterwards, separated by tabs; or
# `NONCE refused MESSAGE`.
set -uo pipefail
unset TAR_OPTIONS
nonce=$1 destination=$2 name=$3 kind=$4 look=${5-}

say() {
  local IFS=$'\t' words=("$@")
  printf '%s\t%s\n' "$nonce" "${words[*]//[$'\n\t']/ }"
}

refuse() {
  say refused "$1"
  exit 1
}

# resolve: sets $final, the path of the entry.
resolve() {
  destination=${destination/#\~/$HOME}
  [[ $destination == /* ]] || destination=$HOME/$destination
  if [[ -d $destination || $destination == */ ]]; then final=${destination%/}/$name; else final=$destination; fi
  [[ -d ${final%/*}/ ]] || refuse "there is no folder ${final%/*}"
  if [[ -d $final ]]; then refuse "$final is there already, a folder: give another name, or remove it first"; fi
  if [[ -e $final && $kind == folder ]]; then refuse "$final is there already, and not a folder"; fi
  if [[ -e $final && ! -f $final ]]; then refuse "$final is there already: a $(stat --dereference --format %F -- "$final")"; fi
}

# Removes folders of interrupted copies; a running copy has a younger one.
remove_leavings() {
  find "${final%/*}" -maxdepth 1 -name '.factory-worker-cp.*' -mmin +1440 -exec rm -rf {} + 2>/dev/null
}

# Its messages go to descriptor 3, not to a file: the volume may be full.
unpack() {
  local rc=0 said
  said=$(tar --extract --file=- --directory="$temporary" --no-same-owner 2>&1) || rc=$?
  # tee must not end before the checksum has read everything.
  cat >/dev/null
  printf 'tar %s %s\n' "$rc" "${said//$'\n'/; }" >&3
}

resolve
if [[ $look == look ]]; then
  if [[ -e $final ]]; then say place "$final" replaced; else say place "$final" new; fi
  exit
fi
remove_leavings
temporary=$(mktemp --directory "${final%/*}/.factory-worker-cp.XXXXXX" 2>&1) || refuse "$temporary"
say ready "$temporary" "$final"
sum='' rc=1 said='tar did not end'
while read -r word first rest; do
  case $word in
    tar) rc=$first said=$rest ;;
    *) sum=$word ;;
  esac
done < <({ tee >(unpack) | sha256sum >&3; } 3>&1)
say sum "$sum" "$rc" "$said"
