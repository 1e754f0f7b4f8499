#!/bin/bash
# The first process of the second node, in its virtual machine: mounts, network, containerd and kubelet. What they say goes
# to the serial console, which is a file outside.
set -uo pipefail
export PATH=/run/cluster/bin:/run/cluster/bin/programs:/run/cluster/debian/usr/bin:/run/cluster/debian/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root
# shellcheck source=test/image/v2/mounts.sh
source /node/mounts.sh
NAME='' ADDRESS='' GATEWAY=''
# shellcheck source=/dev/null
source /node/settings

own_network() {
  busybox modprobe virtio_net
  busybox ip link set lo up
  busybox ip address add "$ADDRESS" dev eth0
  busybox ip link set eth0 up
  busybox ip route add default via "$GATEWAY"
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

prepare_machine
hostname "$NAME"
# A pod's own file begins with the node's.
echo "127.0.0.1 localhost $NAME" >/etc/hosts
own_network
containerd --config /run/containerd.toml &
until [[ -S /run/containerd/containerd.sock ]]; do sleep 0.5; done
# Not by exec: as the first process bash collects what others leave behind.
kubernetes kubelet --config=/run/kubelet.yaml --kubeconfig=/run/pki/kubelet.kubeconfig \
  --hostname-override="$NAME" --node-ip="${ADDRESS%/*}" --register-with-taints=factory-worker-test/cgroup-v2=:NoSchedule
