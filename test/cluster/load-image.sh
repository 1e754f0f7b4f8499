#!/usr/bin/env bash
# load-image.sh TAR…: gives the node images, as `docker save` writes them, so that pods can use them without a registry.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
for tar in "$@"; do
  # Through standard input: the node does not see every folder of this machine.
  in_node ctr --namespace k8s.io images import - <"$tar"
done
