#!/usr/bin/env bash
# Writes a file or folder to stdout as a tar archive, and its checksum to stderr: a truncated stream then lacks one of the two.
#
# Arguments: NONCE PATH [look]. With look nothing is written: prints `NONCE place PATH BYTES`.
# Prints on stderr `NONCE sum SHA256 RC MESSAGE`, separated by tabs, or `NONCE refused MESSAGE`.
set -uo pipefail
unset TAR_OPTIONS
exec 4>&1
nonce=$1 path=$2 look=${3-}

say() {
  local IFS=$'\t' words=("$@")
  printf '%s\t%s\n' "$nonce" "${words[*]//[$'\n\t']/ }" >&2
}

path=${path/#\~/$HOME}
[[ $path == /* ]] || path=$HOME/$path
path=${path%/}
refuse() {
  say refused "$1"
  exit 1
}

if [[ -L $path ]]; then refuse "$path is a link to $(readlink -- "$path"); copy what it points to"; fi
[[ -e $path ]] || refuse "there is no $path"
[[ -f $path || -d $path ]] || refuse "$path is neither a file nor a folder, but a $(stat --format %F -- "$path")"
if [[ $look == look ]]; then
  say place "$path" "$(du --summarize --apparent-size --block-size=1 -- "$path" | cut --fields=1)"
  exit
fi
pack() {
  local rc=0
  # Hard links are sent as files: the laptop creates no hard links.
  tar --create --hard-dereference --file=- --directory="${path%/*}/" -- "${path##*/}" 2> >(sed 's/^/said /' >&3) || rc=$?
  echo "tar $rc" >&3
}

# The archive goes to stdout, which is descriptor 4 inside; messages go to 3, which ends when all its writers have ended.
sum='' rc=1 said=''
while read -r word rest; do
  case $word in
    tar) rc=$rest ;;
    said) said=$rest ;;
    *) sum=$word ;;
  esac
done < <({ pack | tee >(sha256sum >&3) >&4; } 3>&1)
say sum "$sum" "$rc" "$said"
