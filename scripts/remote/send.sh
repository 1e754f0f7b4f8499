#!/usr/bin/env bash
# Writes a file or folder to stdout as a tar archive, and its sum to stderr: a cut stream then lacks one of the two.
#
# Arguments: NONCE PATH [look]. With look nothing is written: prints `NONCE place PATH BYTES`. Prints on stderr `NONCE sum SHA256 RC MESSAGE`, tabs between, or `NONCE refused MESSAGE`.
set -uo pipefail
exec 4>&1
nonce=$1 path=$2 look=${3-}

say() {
  local IFS=$'\t' words=("$@")
  printf '%s\t%s\n' "$nonce" "${words[*]//[$'\n\t']/ }" >&2
}

path=${path/#\~/$HOME}
[[ $path == /* ]] || path=$HOME/$path
path=${path%/}
if [[ ! -e $path && ! -L $path ]]; then
  say refused "there is no $path"
  exit 1
fi
if [[ $look == look ]]; then
  say place "$path" "$(du --summarize --apparent-size --block-size=1 -- "$path" | cut --fields=1)"
  exit
fi
pack() {
  local rc=0
  tar --create --file=- --directory="${path%/*}/" -- "${path##*/}" 2> >(sed 's/^/said /' >&3) || rc=$?
  echo "tar $rc" >&3
}

# The archive goes to stdout, which is 4 in there; what is said of it to 3, whose end is that of all who say something.
sum='' rc=1 said=''
while read -r word rest; do
  case $word in
    tar) rc=$rest ;;
    said) said=$rest ;;
    *) sum=$word ;;
  esac
done < <({ pack | tee >(sha256sum >&3) >&4; } 3>&1)
say sum "$sum" "$rc" "$said"
