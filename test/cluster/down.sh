#!/usr/bin/env bash
# `make cluster-down`: removes every process, mount, link, rule, cgroup and file of the test cluster; what was built stays.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=test/cluster/nodes.sh
source "$HERE/nodes.sh"
quiet=no locked=no
for option in "$@"; do
  case $option in
    --quiet) quiet=yes ;;
    --locked) locked=yes ;;
    *) die "unknown option $option" ;;
  esac
done

# Nothing is left of the node in a virtual machine unless its script was killed.
stop_v2_node() {
  kill_recorded "$CACHE/v2/pid" "ifname=$V2_LINK"
  ip link delete "$V2_LINK" 2>/dev/null || true
  rm -f "$CACHE"/v2/{pid,disk.img}
}

remove_network() {
  ip link delete "$LINK" 2>/dev/null || true
  if command -v iptables >/dev/null; then iptables_each -D; fi
  if [[ -e $NODE/ip_forward-was-off ]]; then sysctl --quiet --write net.ipv4.ip_forward=0; fi
}

main() {
  [[ $quiet == yes || -d $NODE ]] || say 'there is no test cluster'
  [[ $(id -u) == 0 ]] || require_root cluster-down
  if [[ $locked == no ]]; then
    mkdir -p "$CACHE"
    exec 9>"$CACHE/lock"
    flock --nonblock 9 || die 'another make cluster or cluster-down is at work' "look: fuser -v $CACHE/lock"
  fi
  stop_v2_node
  "$HERE/second-node.sh" down
  stop_node
  kill_recorded "$NODE/registry.pid" "$NODE/run/registry-outside.yml"
  remove_network
  remove_cgroups
  rm -rf --one-file-system "$NODE" "$KUBECONFIG_FILE"
  # What operators saw stays to be read; the rest is kubeconfigs, tokens and values of tests.
  if [[ -d $CACHE/e2e ]]; then find "$CACHE/e2e" -mindepth 1 ! -path "$CACHE/e2e/seen.txt" -delete; fi
  # make e2e has started it, where the machine has none.
  [[ $quiet == yes ]] || "$ROOT/test/image/machine/docker.sh" down
  [[ $quiet == yes ]] || say "gone; what was built stays in $CACHE"
}

main
