# shellcheck shell=bash
# What the first process of a virtual machine mounts and loads, before it is a node.
prepare_machine() {
  local module
  mount -t proc proc /proc
  mount -t sysfs sys /sys
  mkdir -p /dev/pts /dev/shm /dev/mqueue
  mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts
  mount -t tmpfs shm /dev/shm
  mount -t tmpfs tmp /tmp
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount --make-rshared /
  # The drivers that a node has loaded; the worker's image has no modprobe.
  for module in overlay veth bridge br_netfilter nf_tables nft_compat nft_chain_nat nf_nat xt_MASQUERADE xt_addrtype \
    xt_conntrack xt_nat xt_tcpudp ipt_REJECT iptable_nat; do
    busybox modprobe "$module" 2>/dev/null
  done
  ulimit -n 65536
}
