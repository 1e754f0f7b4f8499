#!/usr/bin/env bash
# prepare.sh: builds everything the tests of the image need, into the Docker that answers. Images:
#   factory-worker:test       the worker image, from a base that could be had and the stand-in for factory
#   factory-worker:standins   the same with stand-ins for claude and gh as well
#   factory-worker:postgres   the same with the stand-in for a factory that keeps its queue in PostgreSQL
#   .cache/image/stack.tar    what the tests run inside a worker
set -Eeuo pipefail

ROOT=$(cd -- "${BASH_SOURCE[0]%/*}/../.." && pwd)
readonly ROOT HERE=$ROOT/test/image CACHE=$ROOT/.cache/image
cd "$ROOT"

if ldd /bin/busybox >/dev/null 2>&1; then
  echo 'prepare.sh: /bin/busybox needs libraries, which the containers of the tests do not have: apt-get install busybox-static' >&2
  exit 1
fi
base=$("$HERE/machine/base.sh")
"$HERE/machine/standin-factory.sh" "$CACHE/factory-standin"
image/build.sh --base "$base" --factory "$CACHE/factory-standin" -- --tag factory-worker:test --load --quiet
for target in standins postgres; do
  docker buildx build --quiet --load --file test/image/Dockerfile --build-arg IMAGE=factory-worker:test \
    --target "$target" --tag "factory-worker:$target" examples
done
docker buildx build --quiet --load --build-arg "BASE=$base" --tag factory-worker-stack:full - <test/image/stack.Dockerfile

# As one file without the base's deleted files: the tests load it into the worker's own Docker.
full=$(docker image inspect --format '{{.Id}}' factory-worker-stack:full)
if [[ ! -e $CACHE/stack.tar || $(cat "$CACHE/stack.of" 2>/dev/null) != "$full" ]]; then
  container=$(docker create factory-worker-stack:full)
  docker export --output "$CACHE/stack.tar" "$container"
  docker rm "$container" >/dev/null
  printf '%s' "$full" >"$CACHE/stack.of"
fi
