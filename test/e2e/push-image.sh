#!/usr/bin/env bash
# push-image.sh: pushes the real worker image, with stand-ins for factory, claude and gh (test/image/prepare.sh makes it), to
# the cluster's registry; and the same with a factory that keeps its queue in PostgreSQL. Pods pull them from there. Docker
# pushes only what the registry does not have.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../cluster/lib.sh"

REGISTRY=localhost:$CLUSTER_REGISTRY_PORT
IMAGE=$REGISTRY/factory-worker:e2e
POSTGRES_IMAGE=$REGISTRY/factory-worker:e2e-postgres
# What the chart has without any values, factory-worker:VERSION, is looked for there (test/cluster/files.sh).
VERSION=$(awk '$1 == "appVersion:" { gsub("\"", "", $2); print $2 }' "$ROOT/charts/factory-worker/Chart.yaml")
DEFAULT_IMAGE=$REGISTRY/library/factory-worker:$VERSION

# build OF TAG…: from one of the images of test/image.
build() {
  local of=$1
  shift
  docker buildx build --quiet --load --file "$ROOT/test/e2e/Dockerfile" --build-arg "IMAGE=factory-worker:$of" \
    "${@/#/--tag=}" "$ROOT/examples/demo"
}

build_and_push() {
  local image
  build standins "$IMAGE" "$DEFAULT_IMAGE"
  build postgres "$POSTGRES_IMAGE"
  for image in "$IMAGE" "$DEFAULT_IMAGE" "$POSTGRES_IMAGE"; do docker push --quiet "$image"; done
}

# A pod takes what the node has of a name already: two are pulled anew, the other is forgotten, so that a pod pulls it.
give_to_node() {
  local name names
  for name in "$IMAGE" "$POSTGRES_IMAGE"; do in_node ctr --namespace k8s.io images pull --plain-http "$name"; done
  names=$(in_node ctr --namespace k8s.io images list --quiet "name~=\"/factory-worker:$VERSION\$\"")
  for name in $names; do in_node ctr --namespace k8s.io images remove "$name"; done
}

main() {
  require_root e2e
  node_pid >/dev/null || die 'there is no test cluster' 'make cluster'
  step 'push the worker image' build_and_push
  step 'give it to the node' give_to_node
}

main
