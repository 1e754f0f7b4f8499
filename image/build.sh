#!/usr/bin/env bash
# build.sh [OPTION…] -- BUILDX_OPTION…: builds the worker image with `docker buildx build`.
#
#   --base IMAGE        the base image (golang:1.23-bookworm)
#   --factory DIR       contains linux_amd64/factory and linux_arm64/factory, for the architectures to build
#   --architecture A    amd64 or arm64; may be repeated (this machine's own)
#
# POSTGRESQL= in the environment leaves PostgreSQL's server out; else it is version 15, the one of Debian bookworm.
#
# What follows `--` is passed on to buildx, such as --tag NAME --load. dist/supervisor.js must have been built.
# Whether an image gets an SBOM and provenance is decided when it is pushed: scripts/lib/release/build.ts.
set -Eeuo pipefail

ROOT=$(cd -- "${BASH_SOURCE[0]%/*}/.." && pwd)
readonly ROOT
readonly NPM=$ROOT/.cache/image/npm

die() {
  printf 'build.sh: %s\n' "$1" >&2
  exit 1
}

machine() {
  case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64 | arm64) echo arm64 ;;
    *) die "this machine ($(uname -m)) has no worker image: name an --architecture" ;;
  esac
}

base=${BASE_IMAGE:-golang:1.23-bookworm}
factory=${FACTORY_DIR:-}
architectures=()
while (($# > 0)); do
  case $1 in
    --base) base=$2 ;;
    --factory) factory=$2 ;;
    --architecture) architectures+=("$2") ;;
    --)
      shift
      break
      ;;
    *) die "unknown option $1 (buildx options come after --)" ;;
  esac
  shift 2
done
((${#architectures[@]} > 0)) || architectures=("$(machine)")

[[ -n $factory ]] || die 'no factory program: give --factory DIR (or FACTORY_DIR=DIR) that contains linux_amd64/factory'
[[ -s $ROOT/dist/supervisor.js ]] || die 'dist/supervisor.js is missing: make build'
platforms=()
for architecture in "${architectures[@]}"; do
  [[ -s $factory/linux_$architecture/factory ]] ||
    die "$factory/linux_$architecture/factory is missing: build it with GOOS=linux GOARCH=$architecture CGO_ENABLED=1"
  "$ROOT/image/npm/fetch.sh" "$architecture" "$NPM"
  platforms+=("linux/$architecture")
done

# By digest, if the registry returns one, since the tag of the base moves.
digest=
case $base in
  *@sha256:*) digest=${base##*@} ;;
  */* | golang:*)
    digest=$(timeout 30 docker buildx imagetools inspect --format '{{json .Manifest.Digest}}' "$base" 2>/dev/null | tr -d '"') || digest=
    [[ -z $digest ]] || base=$base@$digest
    ;;
esac
revision=$(git -C "$ROOT" rev-parse HEAD 2>/dev/null) || revision=unknown
if [[ -n $(git -C "$ROOT" status --porcelain 2>/dev/null) ]]; then revision+=-modified; fi

cd "$ROOT"
exec docker buildx build --file image/Dockerfile --platform "$(IFS=, && echo "${platforms[*]}")" \
  --build-context "factory=$factory" --build-context "npm=$NPM" \
  --build-arg "BASE_IMAGE=$base" --build-arg "BASE_DIGEST=$digest" --build-arg "REVISION=$revision" \
  --build-arg "FACTORY_VERSION=${FACTORY_VERSION-}" --build-arg "POSTGRESQL=${POSTGRESQL-15}" "$@" .
