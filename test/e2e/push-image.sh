#!/usr/bin/env bash
# push-image.sh: pushes the real worker image, with stand-ins for factory, claude and gh (test/image/prepare.sh makes it), to
# the cluster's registry. Pods pull it from there. Docker pushes only what the registry does not have.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../cluster/lib.sh"

IMAGE=localhost:$CLUSTER_REGISTRY_PORT/factory-worker:e2e

build_and_push() {
  docker buildx build --quiet --file "$ROOT/test/e2e/Dockerfile" --tag "$IMAGE" --load "$ROOT/examples/demo"
  docker push --quiet "$IMAGE"
}

# The name that the chart has without any values; on a node of its own it is looked for nowhere else.
name_as_default() {
  local version
  version=$(awk '$1 == "appVersion:" { gsub("\"", "", $2); print $2 }' "$ROOT/charts/factory-worker/Chart.yaml")
  in_node ctr --namespace k8s.io images pull --plain-http "$IMAGE"
  in_node ctr --namespace k8s.io images tag --force "$IMAGE" "docker.io/library/factory-worker:$version"
}

main() {
  require_root e2e
  node_pid >/dev/null || die 'there is no test cluster' 'make cluster'
  step 'push the worker image' build_and_push
  step 'give it to the node' name_as_default
}

main
