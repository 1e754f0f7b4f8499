#!/usr/bin/env bash
# kind.sh up|down: the test cluster as kind makes it, where Docker runs and can have kind's node image. No part of it can be
# taken away as test/e2e does with the other one; what harms nobody runs there as on any cluster (make e2e CONTEXT=…).
#
#   KIND_IMAGE   the node image, and with it the version of Kubernetes; kind's own choice unless given
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# Not the file of the other cluster, which make cluster-down removes.
readonly NAME=$CONTEXT NAMESPACE=factory-e2e FILE=$CACHE/kind.kubeconfig

up() {
  command -v kind >/dev/null || die 'kind is missing' 'install it: https://kind.sigs.k8s.io/docs/user/quick-start/'
  docker info >/dev/null 2>&1 || die 'Docker does not answer' 'start Docker; on Debian as root, make cluster needs none'
  kind get clusters 2>/dev/null | grep --quiet --line-regexp "$NAME" ||
    kind create cluster --name "$NAME" --kubeconfig "$FILE" --wait 180s ${KIND_IMAGE:+--image "$KIND_IMAGE"}
  kind load image-archive --name "$NAME" "$CACHE/worker.tar"
  export KUBECONFIG=$FILE
  "$(kubectl_path)" create namespace "$NAMESPACE" 2>/dev/null || true
  say "ready: KUBECONFIG=$FILE make e2e CONTEXT=kind-$NAME NAMESPACE=$NAMESPACE E2E_IMAGE=localhost/factory-worker-e2e:1"
  say "  and then: test/cluster/kind.sh down"
}

down() {
  kind delete cluster --name "$NAME"
  rm -f "$FILE"
}

case ${1-} in
  up | down) "$1" ;;
  *) die 'usage: kind.sh up|down' ;;
esac
