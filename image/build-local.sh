#!/usr/bin/env bash
# build-local.sh TAG: implements `make image`. Without FACTORY_DIR the image contains the stand-in, with a warning; without
# network access for the base image, a locally built base is used.
set -Eeuo pipefail

ROOT=$(cd -- "${BASH_SOURCE[0]%/*}/.." && pwd)
readonly ROOT
factory=${FACTORY_DIR:-}
if [[ -z $factory && -n ${FACTORY_BIN:-} ]]; then
  case $(uname -m) in aarch64 | arm64) architecture=arm64 ;; *) architecture=amd64 ;; esac
  factory=$ROOT/.cache/image/factory-given
  install -D --mode=0755 "$FACTORY_BIN" "$factory/linux_$architecture/factory"
fi
if [[ -z $factory ]]; then
  factory=$ROOT/.cache/image/factory-standin
  "$ROOT/test/image/machine/standin-factory.sh" "$factory"
  echo 'FACTORY_DIR is not set: the image gets the stand-in for factory, which is only for trying things out' >&2
fi
base=${BASE_IMAGE:-$("$ROOT/test/image/machine/base.sh")}
"$ROOT/image/build.sh" --base "$base" --factory "$factory" -- --tag "$1" --load
docker image inspect --format '{{.Id}} {{.Size}}' "$1" |
  awk -v tag="$1" '{ printf "built %s: %s, %.0f MB\n", tag, $1, $2 / 1e6 }'
