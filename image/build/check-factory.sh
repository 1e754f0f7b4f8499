#!/usr/bin/env bash
# check-factory.sh FILE ARCHITECTURE: checks that this `factory` works in this image. Fails with the reason and what to do.
set -Eeuo pipefail

readonly FILE=$1 ARCHITECTURE=$2

die() {
  printf '\nfactory cannot be used in this image: %s\n  next: %s\n\n' "$1" "$2" >&2
  exit 1
}

# ELF's e_machine, bytes 18 and 19 of the file, is the platform.
platform() {
  case $(od --address-radix=n --format=x2 --skip-bytes=18 --read-bytes=2 "$1" | tr -d ' ') in
    003e) echo amd64 ;;
    00b7) echo arm64 ;;
    *) echo other ;;
  esac
}

check_platform() {
  local found
  if [[ $(head --bytes=4 "$FILE" | od --address-radix=n --format=x1 | tr -d ' ') != 7f454c46 ]]; then
    [[ $(head --bytes=2 "$FILE") == '#!' ]] || die 'it is not a Linux program' "build it with GOOS=linux GOARCH=$ARCHITECTURE"
    return
  fi
  found=$(platform "$FILE")
  [[ $found == "$ARCHITECTURE" ]] ||
    die "it was built for $found, this image is for $ARCHITECTURE" "build it with GOOS=linux GOARCH=$ARCHITECTURE CGO_ENABLED=1"
}

# A program linked against a newer C library dies with "version `GLIBC_2.38' not found".
check_glibc() {
  local wanted ours
  wanted=$(grep --text --only-matching --extended-regexp 'GLIBC_2\.[0-9]+' "$FILE" | sort --version-sort --unique | tail -n 1) || true
  [[ -n $wanted ]] || return 0
  ours=GLIBC_$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)
  [[ $(printf '%s\n%s\n' "$wanted" "$ours" | sort --version-sort | tail -n 1) == "$ours" ]] ||
    die "it needs $wanted, this image has $ours" 'build it on Debian bookworm (golang:1.23-bookworm)'
}

# In a temporary HOME.
check_starts() {
  local home said
  home=$(mktemp -d)
  said=$(HOME=$home timeout 30 "$FILE" version 2>&1) || die "it does not start: ${said:-no output}" "run: $FILE version"
  printf '%s\n' "$said"
  if grep --text --quiet --fixed-strings github.com/jackc/pgx "$FILE"; then
    if compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; then
      echo 'a PostgreSQL build: each worker gets a server of its own'
    else
      echo 'a PostgreSQL build, and this image has no server: its workers need a DATABASE_URL'
    fi
  else
    said=$(HOME=$home timeout 30 "$FILE" queue list --format json 2>&1) ||
      die "it cannot open its database: $said" 'build it with CGO_ENABLED=1 (its SQLite needs cgo)'
  fi
  rm -rf "$home"
}

[[ -s $FILE ]] || die 'it is missing' "put it into the build context: linux_$ARCHITECTURE/factory"
chmod 0755 "$FILE"
check_platform
check_glibc
check_starts
