#!/usr/bin/env bash
# with-node.sh COMMAND…: gives the test cluster a second node, on which cgroups are v2 as in production, runs a command, and
# takes the node away again. The node is a virtual machine (plain emulation) with the kubelet and the containerd of the first
# one; the worker image lies on its disk. It has the taint factory-worker-test/cgroup-v2, so that only who tolerates that
# gets there.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=test/image/v2/kernel.sh
source "$ROOT/test/image/v2/kernel.sh"

readonly V2=$CACHE/v2 NAME=fwc-v2
readonly HOST_SIDE=10.213.3.1 MACHINE_IP=10.213.3.2 PODS=10.213.4.0/24
readonly IMAGE=localhost:$CLUSTER_REGISTRY_PORT/factory-worker:e2e
api() { "$KUBECTL" --kubeconfig "$KUBECONFIG_FILE" "$@"; }

# The images, unpacked here: in the emulated machine that takes minutes.
fetch_images() {
  local root=$1 failed=no
  cat >containerd.toml <<END
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]
root = "$root/var/lib/containerd"
state = "$V2/state"
[grpc]
  address = "$V2/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$V2/opt"
END
  containerd --config "$V2/containerd.toml" &
  pull_images || failed=yes
  end_containerd
  [[ $failed == no ]]
}

# An interrupt of this script does not reach it.
end_containerd() {
  local ours="^containerd --config $V2/"
  while pkill --full "$ours"; do sleep 0.2; done
}

pull_images() {
  local try ours=(ctr --address "$V2/containerd.sock" --namespace k8s.io)
  for ((try = 0; try < 100; try++)); do
    if "${ours[@]}" version >/dev/null 2>&1; then break; fi
    sleep 0.2
  done
  "${ours[@]}" images pull --plain-http "$IMAGE" && "${ours[@]}" images import "$CACHE/pause.tar"
}

# The node's files, at the same places as the first node has them.
make_disk() {
  local root=$V2/root run=$V2/root/run
  rm -rf "$root" disk.img
  mkdir -p "$root"
  cp --archive --link "$WORKER_BASE/." "$root"
  mkdir -p "$root/node" "$run/cluster/bin" "$root/usr/lib/modules"
  cp "$HERE/v2/node.sh" "$ROOT/test/image/v2/mounts.sh" /bin/busybox "$root/node"
  ln -sf /node/busybox "$root/usr/local/bin/busybox"
  cp --recursive kernel/lib/modules/. "$root/usr/lib/modules"
  cp --recursive "$DEBIAN" "$run/cluster/debian"
  cp "$BIN/$KUBERNETES" "$run/cluster/bin/kubernetes"
  # A link, to what is in debian or beside it.
  cp --archive "$BIN/programs" "$run/cluster/bin"
  if [[ $(readlink "$BIN/programs") != ../* ]]; then cp --archive "$BIN/$(readlink "$BIN/programs")" "$run/cluster/bin"; fi
  cp --recursive "$NODE"/run/{cni,containerd.toml,pod-resolv.conf,runc} "$run"
  sed "s|^cgroupRoot: .*|cgroupRoot: /|" "$NODE/run/kubelet.yaml" >"$run/kubelet.yaml"
  sed --in-place "s|$POD_CIDR|$PODS|" "$run/cni/10-pods.conflist"
  mkdir "$run/pki"
  cp "$NODE/run/pki/ca.crt" "$run/pki"
  "$HERE/kubeconfig.sh" kubelet-v2 "https://$NODE_IP:6443" >"$run/pki/kubelet.kubeconfig"
  printf '%s\n' "NAME=$NAME ADDRESS=$MACHINE_IP/30 GATEWAY=$HOST_SIDE" >"$root/node/settings"
  fetch_images "$root" || return 1
  mkfs.ext4 -q -d "$root" -O '^has_journal' disk.img 16G
  rm -rf "$root"
}

start_machine() {
  ip tuntap add dev "$V2_LINK" mode tap
  ip address add "$HOST_SIDE/30" dev "$V2_LINK"
  ip link set "$V2_LINK" up
  ip route replace "$PODS" via "$MACHINE_IP"
  # The kernel's check of the timer, made for broken boards, fails on a busy machine.
  setsid qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 -nographic -no-reboot -nodefaults \
    -serial "file:$V2/console.log" -kernel kernel/boot/vmlinuz-* -initrd initrd.gz -append 'console=ttyS0 quiet panic=-1 no_timer_check' \
    -drive file=disk.img,format=raw,if=virtio,cache=unsafe \
    -netdev "tap,id=net,ifname=$V2_LINK,script=no,downscript=no" -device virtio-net-pci,netdev=net </dev/null >qemu.log 2>&1 &
  echo "$!" >"$V2/pid"
}

node_is_ready() {
  local try
  for ((try = 0; try < 60; try++)); do
    kill -0 "$(<"$V2/pid")" || return 1
    api wait --for=condition=Ready "node/$NAME" --timeout=5s 2>/dev/null && return 0
    sleep 5
  done
  tail --lines=40 "$V2/console.log"
  return 1
}

take_away() {
  api delete node "$NAME" --ignore-not-found >/dev/null || true
  end_containerd
  if [[ -e $V2/pid ]]; then kill -KILL "$(<"$V2/pid")" 2>/dev/null || true; fi
  ip link delete "$V2_LINK" 2>/dev/null || true
  rm -rf "$V2"/{pid,disk.img,root,state,opt}
}

main() {
  require_root e2e-v2
  node_pid >/dev/null || die 'there is no test cluster' 'make cluster'
  "$ROOT/scripts/build/programs.sh" qemu-system-x86_64 busybox mkfs.ext4 ip ps
  KUBECTL=$(kubectl_path)
  export PATH=$BIN/programs:$DEBIAN/usr/bin:$DEBIAN/usr/sbin:$PATH
  mkdir -p "$V2"
  cd "$V2"
  [[ ! -e pid ]] || ! kill -0 "$(<pid)" 2>/dev/null || die 'the second node is there already' "kill $(<pid), and again"
  take_away
  trap take_away EXIT
  step 'fetch the kernel' fetch_kernel
  step 'make the first file system' make_initrd "$ROOT/test/image/v2/init.sh"
  step 'make the disk' make_disk
  step 'start the machine' start_machine
  step 'wait for the second node' node_is_ready
  cd "$ROOT"
  "$@"
}

main "$@"
