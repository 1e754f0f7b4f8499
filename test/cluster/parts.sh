#!/usr/bin/env bash
# Gets what the node is made of into the cache: Debian's packages, the Kubernetes programs, the pause image, and with
# CLUSTER_NODE=containerd2 the second set of containerd, etcd and runc.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# Unpacked into the cache and never installed: an installed containerd would start by itself, and does not go together with
# other packages of it.
DEBIAN_PACKAGES=(etcd-server containerd runc containernetworking-plugins docker-registry)

require_programs() {
  local missing=()
  command -v go >/dev/null || die "go is missing: Kubernetes $KUBERNETES_VERSION is built from source" \
    'install Go 1.21 or newer (it fetches the version it needs): https://go.dev/dl/'
  command -v apt-get >/dev/null ||
    die 'apt-get is missing: etcd, containerd and runc come from Debian packages' \
      'use a Debian machine, virtual or not'
  command -v ip >/dev/null || missing+=(iproute2)
  command -v iptables >/dev/null || missing+=(iptables)
  command -v openssl >/dev/null || missing+=(openssl)
  command -v nsenter >/dev/null || missing+=(util-linux)
  command -v mount >/dev/null || missing+=(mount)
  command -v jq >/dev/null || missing+=(jq)
  command -v curl >/dev/null || missing+=(curl)
  ((${#missing[@]} == 0)) || die "missing: ${missing[*]}" "apt-get install --yes ${missing[*]}"
}

download_debian() { apt-get --quiet download "$@" || { apt-get --quiet update && apt-get --quiet download "$@"; }; }

unpack_debian() {
  local work package
  work=$(mktemp -d "$CACHE/debian.XXXXXX")
  # Readable for apt's own user, who does the download.
  chmod 755 "$work"
  mkdir "$work/root"
  (
    cd "$work"
    download_debian "${DEBIAN_PACKAGES[@]}"
    for package in ./*.deb; do dpkg-deb --extract "$package" root; done
  )
  for package in "$work"/*.deb; do dpkg-deb --field "$package" Package Version; done
  mv "$work/root" "$DEBIAN"
  rm -rf "$work"
}

# build_tools MODULE FLAG…: builds the programs that a module of the second set names.
build_tools() {
  cd "$HERE/containerd2/$1" || return 1
  nice --adjustment=19 go build -trimpath "${@:2}" tool
}

# Debian's newer releases have them as packages, too; but what is in those changes until they are stable, and their runc
# needs a newer libc than this machine may have.
build_containerd2() {
  local new=$BIN/$PROGRAMS.new
  rm -rf "$new"
  mkdir "$new"
  CGO_ENABLED=0 build_tools etcd -ldflags '-s -w' -o "$new/etcd" || return 1
  CGO_ENABLED=0 build_tools containerd -ldflags '-s -w' -tags no_btrfs,no_devmapper,no_zfs -o "$new" || return 1
  build_runc "$new" || return 1
  mv "$new" "$BIN/$PROGRAMS"
}

# It has C in it, and libseccomp, without which it refuses pods with a seccompProfile. Static: the second node's system is smaller.
build_runc() {
  local work libraries
  work=$(mktemp -d "$CACHE/libseccomp.XXXXXX")
  chmod 755 "$work"
  (cd "$work" && download_debian libseccomp-dev && dpkg-deb --extract ./*.deb root) || return 1
  libraries=$(echo "$work"/root/usr/lib/*/pkgconfig)
  CGO_ENABLED=1 PKG_CONFIG_SYSROOT_DIR=$work/root PKG_CONFIG_LIBDIR=$libraries \
    build_tools runc -ldflags '-s -w -extldflags -static' -tags seccomp,netgo,osusergo -o "$1" || return 1
  rm -rf "$work"
}

build_kubernetes() {
  local version=$KUBERNETES_VERSION minor
  minor=${version#v1.}
  cd "$HERE/kubernetes"
  CGO_ENABLED=0 nice --adjustment=19 go build -modfile "$KUBERNETES_MOD" -trimpath -tags providerless \
    -o "$BIN/kubernetes.new" -ldflags "-s -w \
    -X k8s.io/component-base/version.gitVersion=$version \
    -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${minor%%.*}" .
  CGO_ENABLED=0 go build -modfile "$KUBERNETES_MOD" -trimpath -ldflags '-s -w' -o "$BIN/pause" ./pause
  mv "$BIN/kubernetes.new" "$BIN/$KUBERNETES"
}

main() {
  require_programs
  mkdir -p "$BIN"
  [[ -x $DEBIAN/usr/bin/containerd ]] || step "unpack ${#DEBIAN_PACKAGES[@]} Debian packages" unpack_debian
  [[ -x $BIN/$KUBERNETES && -x $BIN/pause ]] ||
    step "build Kubernetes $KUBERNETES_VERSION (minutes)" build_kubernetes
  [[ -x $BIN/$PROGRAMS/containerd ]] || step 'build containerd 2, etcd and runc (minutes)' build_containerd2
  if [[ ! -s $CACHE/pause.tar || $BIN/pause -nt $CACHE/pause.tar ]]; then
    mkdir -p "$CACHE/pause/rootfs"
    cp "$BIN/pause" "$CACHE/pause/rootfs/pause"
    step 'make the pause image' "$HERE/image-tar.sh" "$PAUSE_IMAGE" "$CACHE/pause/rootfs" "$CACHE/pause.tar" \
      '{"Entrypoint": ["/pause"]}'
    rm -rf "$CACHE/pause"
  fi
}

main
