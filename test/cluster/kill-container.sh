#!/usr/bin/env bash
# kill-container.sh POD_UID CONTAINER: kills a container's first process at once, as the kernel does for want of memory.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
found=$(in_node ctr --namespace k8s.io containers list --quiet \
  "labels.\"io.kubernetes.pod.uid\"==$1,labels.\"io.kubernetes.container.name\"==$2")
[[ -n $found ]] || die "the pod $1 has no container $2"
for id in $found; do
  # A former container of the same pod has no process any more.
  in_node ctr --namespace k8s.io task kill --signal SIGKILL "$id" 2>/dev/null || true
done
