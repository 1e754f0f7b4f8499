#!/usr/bin/env bash
# image.sh: makes the image that the end-to-end tests run, and gives it to the test cluster: the worker's own files as
# image/Dockerfile puts them, on a minimal Debian, with the stand-ins for factory, claude and gh. It has no Docker and no
# compilers: small, and made in seconds once its base is cached. (The real one: push-image.sh.)
#
#   --file-only   only makes it, as .cache/cluster/worker.tar in the form of `docker save`
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../cluster/lib.sh"

NAME=localhost/factory-worker-e2e:1
TAR=$CACHE/worker.tar

make_base() {
  local mirror
  command -v debootstrap >/dev/null || die 'debootstrap is missing' 'apt-get install --yes debootstrap'
  # shellcheck disable=SC2016  # apt's own placeholder
  mirror=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' | head -n 1)
  rm -rf "$WORKER_BASE.new"
  debootstrap --variant=minbase --include="$WORKER_PACKAGES" bookworm "$WORKER_BASE.new" ${mirror:+"$mirror"}
  rm -rf "$WORKER_BASE.new"/var/cache/apt/archives/*.deb "$WORKER_BASE.new"/var/lib/apt/lists/* "$WORKER_BASE.new"/usr/share/{doc,man,locale}
  mv "$WORKER_BASE.new" "$WORKER_BASE"
}

# The variables of the Dockerfile's one ENV, as a JSON list: what the image says is what is tested.
environment() {
  sed --quiet '/^ENV /,/[^\\]$/{s/^ENV //;s/ *\\$//;s/^ *//;p}' "$ROOT/image/Dockerfile" |
    jq --raw-input --slurp 'split("\n") | map(select(. != "")) + ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]'
}

# Over the base, which hard links keep from being copied: nothing here may write into a file that exists.
make_root() {
  local root=$1 ours=$1/usr/local/lib/factory-worker architecture=amd64
  [[ $(uname -m) != aarch64 ]] || architecture=arm64
  cp --archive --link "$WORKER_BASE/." "$root"
  # `step` asks how this ends, and then bash's -e holds nowhere in it: without it there would be an image without Node.
  "$ROOT/image/npm/fetch.sh" "$architecture" "$ROOT/.cache/image/npm" || return 1
  mkdir -p "$ours/libexec" "$root/opt/standin"
  cp "$ROOT/.cache/image/npm/linux_$architecture/node" "$root/usr/local/bin/node"
  cp --recursive --remove-destination "$ROOT/image/etc/." "$root/etc"
  cp --recursive "$ROOT/image/bin/." "$root/usr/local/bin"
  cp --recursive "$ROOT/image/lib" "$ours/lib"
  cp "$ROOT/image/entrypoint.sh" "$ROOT/dist/supervisor.js" "$ours"
  cp --recursive "$ROOT/examples/bin" "$ROOT/examples/lib" "$root/opt/standin"
  ln -s /opt/standin/bin/factory "$root/usr/local/bin/factory"
  ln -s /opt/standin/bin/claude /opt/standin/bin/gh "$ours/libexec"
  "$ROOT/examples/demo/make-origin.sh" "$root/srv/demo.git"
  # A file with one more name is a file of the base.
  cp "$root/etc/bash.bashrc" "$root/etc/bash.bashrc.ours" && mv "$root/etc/bash.bashrc.ours" "$root/etc/bash.bashrc"
  cp "$ROOT/image/build/prepare-folders.sh" "$root/prepare-folders.sh"
  chroot "$root" /prepare-folders.sh
  rm "$root/prepare-folders.sh"
}

make_image() {
  local root
  root=$(mktemp -d "$CACHE/worker-root.XXXXXX")
  chmod 755 "$root"
  make_root "$root" || return 1
  "$HERE/image-tar.sh" "$NAME" "$root" "$TAR" "$(jq --null-input --argjson env "$(environment)" '{Env: $env, WorkingDir: "/root",
    Entrypoint: ["/usr/bin/tini", "-e", "143", "--", "/usr/local/lib/factory-worker/entrypoint.sh"]}')"
  rm -rf "$root"
}

# Everything the image is made of; the same again needs no new image.
fingerprint() {
  cd "$ROOT"
  { find image examples/bin examples/lib examples/demo dist/supervisor.js test/e2e/image.sh -type f -print0 | sort --zero-terminated |
    xargs --null sha256sum; } | sha256sum
}

main() {
  require_root e2e
  mkdir -p "$CACHE"
  [[ ${1-} == --file-only ]] || node_pid >/dev/null || die 'there is no test cluster' 'make cluster'
  [[ -s $ROOT/dist/supervisor.js ]] || die 'dist/supervisor.js is missing' 'make build'
  [[ -d $WORKER_BASE ]] || step 'make the base of the test image (minutes)' make_base
  if [[ ! -s $TAR || $(fingerprint) != "$(cat "$TAR.made-of" 2>/dev/null)" ]]; then
    step 'make the test image' make_image
    fingerprint >"$TAR.made-of"
  fi
  [[ ${1-} != --file-only ]] || return 0
  if [[ ! -e $NODE/worker-image || $TAR -nt $NODE/worker-image ]]; then
    step 'give it to the node' "$HERE/load-image.sh" "$TAR"
    touch "$NODE/worker-image"
  fi
}

main "$@"
