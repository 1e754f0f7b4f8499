#!/usr/bin/env bash
# push-image.sh: pushes the real worker image, with stand-ins for factory, claude and gh (test/image/prepare.sh makes it), to
# the cluster's registry. Pods pull it from there. Docker pushes only what the registry does not have.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../cluster/lib.sh"

REGISTRY=localhost:$CLUSTER_REGISTRY_PORT
IMAGE=$REGISTRY/factory-worker:e2e
# What the chart has without any values, factory-worker:VERSION, is looked for there (test/cluster/files.sh).
VERSION=$(awk '$1 == "appVersion:" { gsub("\"", "", $2); print $2 }' "$ROOT/charts/factory-worker/Chart.yaml")
DEFAULT_IMAGE=$REGISTRY/library/factory-worker:$VERSION

build_and_push() {
  docker buildx build --quiet --file "$ROOT/test/e2e/Dockerfile" --tag "$IMAGE" --tag "$DEFAULT_IMAGE" --load "$ROOT/examples/demo"
  docker push --quiet "$IMAGE"
  docker push --quiet "$DEFAULT_IMAGE"
}

# A pod takes what the node has of a name already: the one is pulled anew, the other is forgotten, so that a pod pulls it.
give_to_node() {
  local name names
  in_node ctr --namespace k8s.io images pull --plain-http "$IMAGE"
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
