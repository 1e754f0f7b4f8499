#!/usr/bin/env bash
# footprint.sh: prints what a cluster could leave behind on this machine. Taken before `make cluster` and after
# `make cluster-down`, the two must be equal but for what was built.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

echo '# processes'
# shellcheck disable=SC2009  # whole command lines, sorted
ps -eo args= | grep --extended-regexp "$CACHE|containerd-shim|kubernetes kube|docker-registry|etcd --data|test/cluster/node.sh" |
  grep --invert-match grep | sort || true
echo '# mounts'
findmnt --noheadings --list --output TARGET,FSTYPE | grep --extended-regexp "kube|fwc|$CACHE|^/(run|tmp|var/lib|var/log) " | sort || true
echo '# links, routes, network namespaces'
ip -brief link | awk '{ print $1 }' | sort
ip route | sort
ls /var/run/netns 2>/dev/null || true
echo '# address translation and filters'
iptables-save 2>/dev/null | grep '^-A' | sort || true
sysctl net.ipv4.ip_forward
echo '# cgroups'
while read -r root; do find "$root" -maxdepth 2 -type d '(' -name "$CGROUP*" -o -name docker -o -name k8s.io ')'; done < <(cgroup_roots) | sort
find /sys/fs/cgroup/unified -maxdepth 1 -name "$CGROUP*" 2>/dev/null || true
echo '# files'
find /etc/cni /etc/containerd /etc/kubernetes /opt /run /usr/libexec /var/lib /var/log /tmp/hostpath_pv "$HOME/.kube" \
  -maxdepth 2 ! -path '/run/lock/*' 2>/dev/null | sort || true
# Before the first `make cluster` there is none.
find "$CACHE" -maxdepth 1 ! -name logs ! -name lock 2>/dev/null | sort || true
