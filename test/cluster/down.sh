#!/usr/bin/env bash
# `make cluster-down`: removes every process, mount, link, rule, cgroup and file of the test cluster; what was built stays.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
quiet=no locked=no
for option in "$@"; do
  case $option in
    --quiet) quiet=yes ;;
    --locked) locked=yes ;;
    *) die "unknown option $option" ;;
  esac
done

# kill_recorded FILE PATTERN: ends the process whose number is in FILE, if its command line still has PATTERN in it.
kill_recorded() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 0
  { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep --quiet --fixed-strings -- "$2" || return 0
  kill -KILL "$pid"
  while [[ -e /proc/$pid ]]; do sleep 0.1; done
}

# The end of its first process ends all others of a PID namespace, however deep, and with the last of them go its mounts and
# its network. Those that began in our cgroup but live elsewhere there are none.
stop_node() {
  local root left
  kill_recorded "$NODE/pid" test/cluster/node.sh
  for _ in {1..300}; do
    left=$(while read -r root; do
      find "$root/$CGROUP" -name cgroup.procs -exec cat {} + 2>/dev/null || true
    done < <(cgroup_roots) | sort --unique | wc --lines)
    ((left == 0)) && return 0
    sleep 0.1
  done
  die "$left processes of the node do not end" "which: cat $(cgroup_roots | head -n 1)/$CGROUP/system/cgroup.procs"
}

# Nothing is left of the second node unless its script was killed.
stop_second_node() {
  kill_recorded "$CACHE/v2/pid" "ifname=$V2_LINK"
  ip link delete "$V2_LINK" 2>/dev/null || true
  rm -f "$CACHE"/v2/{pid,disk.img}
}

remove_cgroups() {
  local root
  # Where v1 and v2 are both mounted, the kubelet makes folders in both, though nothing is limited by those of v2.
  while read -r root; do
    [[ -d $root/$CGROUP ]] || continue
    # The deepest first; a cgroup folder's files go with it.
    find "$root/$CGROUP" -depth -type d -exec rmdir {} +
  done < <(cgroup_roots && echo /sys/fs/cgroup/unified)
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
  stop_second_node
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
