#!/usr/bin/env bash
# node.sh PROGRAM…: the first process of a node, in the namespaces that nodes.sh makes: gives it folders of its own, waits for
# its network, and keeps its programs running. A program whose name is in /run/stopped is left stopped, which is how the tests
# take one away.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

own_folders() {
  local target
  # Other people's layers and network namespaces, copied with the mount namespace: not ours to keep busy.
  findmnt --noheadings --list --output TARGET,FSTYPE | awk '$2 == "overlay" || $2 == "nsfs" { print $1 }' | sort --reverse |
    while read -r target; do [[ $target == / ]] || umount --lazy "$target" 2>/dev/null || true; done
  mkdir -p "$NODE"/{run/cluster,tmp,var/lib,var/log}
  chmod 1777 "$NODE/tmp"
  mount --bind "$NODE/run" /run
  mount --bind "$CACHE" "$INSIDE"
  for target in tmp var/lib var/log; do mount --bind "$INSIDE/${NODE##*/}/$target" "/$target"; done
  # Mounts made in a pod with mountPropagation must come back to the kubelet.
  mount --make-rshared /
}

# As many processors as the chart's default requests ask for, whatever the machine has: the kubelet counts what it finds
# here, and so a worker with the chart's defaults is scheduled. Their limits are limits of time, which is shared.
own_processors() {
  local system=/sys/devices/system number copy=/run/processors
  mkdir -p "$copy/node0"
  cp "$system"/node/node0/{distance,meminfo} "$copy/node0/" 2>/dev/null || return 0
  for ((number = 0; number < PROCESSORS; number++)); do
    mkdir -p "$copy/node0/cpu$number/topology"
    echo "$number" >"$copy/node0/cpu$number/topology/core_id"
    echo 0 >"$copy/node0/cpu$number/topology/physical_package_id"
  done
  echo "0-$((PROCESSORS - 1))" >"$copy/online"
  mount --bind "$copy/online" "$system/cpu/online"
  mount --bind "$copy" "$system/node"
}

own_network() {
  local try
  for try in {1..100}; do
    ip link show eth0 >/dev/null 2>&1 && break
    sleep 0.1
  done
  ((try < 100)) || die "the node got no network: no link eth0"
  sysctl --quiet --write net.ipv4.ip_forward=1
  ip link set lo up
  ip address add "$NODE_IP/$LINK_CIDR" dev eth0
  ip link set eth0 up
  ip route add default via "$HOST_IP"
  # Instead of a kube-proxy: the one Service that pods themselves call, the API server's.
  iptables --table nat --append PREROUTING --destination "$API_SERVICE_IP" --protocol tcp --dport 443 \
    --jump DNAT --to-destination "$API_IP:6443"
}

# keep NAME COMMAND…: runs a program, and runs it again when it ends, with its log in /var/log.
keep() {
  local name=$1
  shift
  while true; do
    if [[ ! -e /run/stopped/$name ]]; then
      "$@" >>"/var/log/$name.log" 2>&1 </dev/null &
      echo "$!" >"/run/pids/$name"
      wait "$!" || true
      echo "--- $name ended" >>"/var/log/$name.log"
    fi
    sleep 0.5
  done
}

# What follows runs a program each; `exec` comes from the subshell that keep starts.
etcd() { exec etcd --data-dir=/var/lib/etcd --unsafe-no-fsync --logger=zap --log-level=warn; }

kube-apiserver() {
  exec kubernetes kube-apiserver --etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 --secure-port=6443 \
    --advertise-address="$NODE_IP" --service-cluster-ip-range="$SERVICE_CIDR" --allow-privileged=true \
    --admission-control-config-file=/run/admission.yaml --authorization-mode=Node,RBAC --client-ca-file=/run/pki/ca.crt \
    --tls-cert-file=/run/pki/apiserver.crt --tls-private-key-file=/run/pki/apiserver.key \
    --kubelet-client-certificate=/run/pki/kubelet-client.crt --kubelet-client-key=/run/pki/kubelet-client.key \
    --kubelet-preferred-address-types=InternalIP \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=/run/pki/service-accounts.key \
    --service-account-signing-key-file=/run/pki/service-accounts.key
}

# A node counts as lost after 20 s instead of 50, so that tests need not wait longer.
kube-controller-manager() {
  exec kubernetes kube-controller-manager --kubeconfig=/run/pki/admin.kubeconfig --leader-elect=false \
    --service-account-private-key-file=/run/pki/service-accounts.key --root-ca-file=/run/pki/ca.crt \
    --use-service-account-credentials=true --enable-hostpath-provisioner=true \
    --flex-volume-plugin-dir=/var/lib/kubelet/volume-plugins \
    --node-monitor-period=2s --node-monitor-grace-period=20s
}

kube-scheduler() {
  exec kubernetes kube-scheduler --kubeconfig=/run/pki/admin.kubeconfig --leader-elect=false
}

containerd() { exec containerd --config /run/containerd.toml; }

kubelet() {
  exec kubernetes kubelet --config=/run/kubelet.yaml --kubeconfig=/run/pki/kubelet.kubeconfig \
    --hostname-override="$NODE_NAME" --node-ip="$NODE_IP"
}

registry() { exec docker-registry serve /run/registry.yml; }

hostname "$NODE_NAME"
own_folders
own_processors
own_network
export PATH=$NODE_PATH
mkdir -p /run/pids /run/stopped
for program in "$@"; do
  keep "$program" "$program" &
done
# As the first process it adopts what others leave behind; bash collects those while it waits.
wait
