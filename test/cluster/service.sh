#!/usr/bin/env bash
# service.sh freeze|thaw|stop|start NAME: takes one of the node's programs away, as faults do, and brings it back.
#
#   freeze  it keeps its connections and answers nothing      thaw   it goes on
#   stop    it is killed and stays away                       start  it is started again
#
# NAME: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, containerd, kubelet or registry.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
action=${1-} name=${2-}

[[ -n $name && -e $NODE/run/pids/$name ]] || die "there is no program ${name:-(no name given)}" "$(ls "$NODE/run/pids")"
pid=$(<"$NODE/run/pids/$name") # as the node numbers it
case $action in
  freeze) in_node kill -STOP "$pid" ;;
  thaw) in_node kill -CONT "$pid" ;;
  stop)
    touch "$NODE/run/stopped/$name"
    in_node kill -KILL "$pid" 2>/dev/null || true
    ;;
  start) rm -f "$NODE/run/stopped/$name" ;;
  *) die "unknown action ${action:-(none)}" 'service.sh freeze|thaw|stop|start NAME' ;;
esac
