#!/usr/bin/env bash
# eviction.sh [MEMORY]: while less memory than that is free on the node (99%), the kubelet evicts; without MEMORY as before. It
# reads that when it starts. A soft threshold, since a hard one lessens what pods may ask for, and they would not be admitted.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
readonly CONFIG=$NODE/run/kubelet.yaml

sed --in-place '/^evictionSoft/d' "$CONFIG"
if [[ -n ${1-} ]]; then
  printf '%s\n' "evictionSoft: {memory.available: $1}" 'evictionSoftGracePeriod: {memory.available: 1s}' >>"$CONFIG"
fi
