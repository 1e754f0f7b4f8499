#!/usr/bin/env bash
# build-local.sh TAG: what `make image` does. Without FACTORY_DIR the image carries the stand-in, and says so; without the
# network for the base image, a base that is made here.
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
  echo 'FACTORY_DIR is not set: the image gets the stand-in for factory, which is good for trying things out only' >&2
fi
base=${BASE_IMAGE:-$("$ROOT/test/image/machine/base.sh")}
"$ROOT/image/build.sh" --base "$base" --factory "$factory" -- --tag "$1" --load
docker image inspect --format '{{.Id}} {{.Size}}' "$1" |
  awk -v tag="$1" '{ printf "built %s: %s, %.0f MB\n", tag, $1, $2 / 1e6 }'
