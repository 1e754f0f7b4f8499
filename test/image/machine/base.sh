#!/usr/bin/env bash
# base.sh: prints the name of a base image for the worker image: golang:1.23-bookworm where it can be pulled, else one
# made here that is the same for our purposes: Debian bookworm by debootstrap, and the exact Go toolchain, which Go
# itself fetches as a module.
set -Eeuo pipefail

readonly WANTED=golang:1.23-bookworm
readonly GO=go1.23.12
ROOT=$(cd -- "${BASH_SOURCE[0]%/*}/../../.." && pwd)
readonly ROOT
readonly CACHE=$ROOT/.cache/image/base
# What golang:1.23-bookworm has beyond the minimal system and the worker image relies on.
readonly PACKAGES=ca-certificates,curl,g++,gcc,git,libc6-dev,make,netbase,openssh-client,pkg-config,procps
KEY=$(sha256sum <<<"$PACKAGES" | cut -c 1-12)
readonly KEY
readonly SYSTEM=$CACHE/system-$KEY MADE=factory-worker-base:bookworm-$GO-$KEY

die() {
  printf 'base.sh: %s\n' "$1" >&2
  exit 1
}

# Debian, through the machine's own mirror and with its own sources (security updates among them).
make_system() {
  local mirror
  [[ ! -e $SYSTEM ]] || return 0
  "$ROOT/scripts/build/programs.sh" debootstrap
  # shellcheck disable=SC2016  # apt's own placeholder
  mirror=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' | head -n 1)
  mkdir -p "$CACHE"
  rm -rf "$SYSTEM.new"
  debootstrap --variant=minbase --include="$PACKAGES" bookworm "$SYSTEM.new" "$mirror" >&2
  rm -f "$SYSTEM".new/var/cache/apt/archives/*.deb "$SYSTEM.new/etc/apt/sources.list"
  copy_sources
  trust_our_authorities
  mv "$SYSTEM.new" "$SYSTEM"
}

copy_sources() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    # Only Debian's own: a vendor's repository has a key that the base does not have.
    if grep --quiet --extended-regexp '(^|[[:space:]])bookworm-(updates|security)' "$file" 2>/dev/null; then
      cp "$file" "$SYSTEM.new/etc/apt/sources.list.d/"
    fi
  done
}

# Behind a proxy that re-signs, the machine's authorities are needed in build steps as well.
trust_our_authorities() {
  local folder=$SYSTEM.new/usr/local/share/ca-certificates
  awk -v folder="$folder" '/BEGIN CERT/ { file = sprintf("%s/machine-%03d.crt", folder, ++n) } { print >file }' \
    /etc/ssl/certs/ca-certificates.crt
  chroot "$SYSTEM.new" update-ca-certificates >/dev/null 2>&1
}

main() {
  local toolchain
  if docker image inspect "$MADE" >/dev/null 2>&1; then
    echo "$MADE"
    return
  fi
  if docker image inspect "$WANTED" >/dev/null 2>&1 || timeout 60 docker pull --quiet "$WANTED" >/dev/null 2>&1; then
    echo "$WANTED"
    return
  fi
  [[ $(id --user) == 0 && -e /etc/debian_version ]] ||
    die "$WANTED cannot be pulled; a stand-in can be made as root on Debian only"
  make_system
  toolchain=$(GOTOOLCHAIN=$GO go env GOROOT) || die "Go is needed to fetch the toolchain $GO"
  tar --create --directory "$SYSTEM" . --directory "${toolchain%/*}" --transform "s,^${toolchain##*/},usr/local/go," \
    "${toolchain##*/}" |
    docker import --change 'ENV GOLANG_VERSION=1.23.12 GOTOOLCHAIN=local GOPATH=/go' \
      --change 'ENV PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
      --change 'WORKDIR /go' --change 'CMD ["bash"]' - "$MADE" >/dev/null
  echo "$MADE"
}

main
