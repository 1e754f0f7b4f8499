#!/usr/bin/env bash
# machine.sh IMAGE: starts a virtual machine with cgroup v2 whose disk is the image's, runs node.sh in it and prints what
# it prints. Plain emulation: no KVM is needed, and the machines that test this project have none that works.
set -Eeuo pipefail

HERE=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd)
ROOT=$(cd -- "$HERE/../../.." && pwd)
readonly HERE ROOT IMAGE=$1 CACHE=$ROOT/.cache/image/v2
# shellcheck source=test/image/v2/kernel.sh
source "$HERE/kernel.sh"
mkdir -p "$CACHE"
cd "$CACHE"

die() {
  printf 'machine.sh: %s\n' "$1" >&2
  exit 1
}

# The image's own files as the disk, which is the node's system and the container's at once.
make_disk() {
  local container
  container=$(docker create "$IMAGE")
  rm -rf rootfs disk.img && mkdir rootfs
  docker export "$container" | tar --extract --directory rootfs
  docker rm --volumes "$container" >/dev/null
  mkdir -p rootfs/node
  cp "$HERE"/{node,mounts}.sh /bin/busybox rootfs/node/
  chmod 0755 rootfs/node/*
  ln -sf /node/busybox rootfs/usr/local/bin/busybox
  cp -r kernel/lib/modules rootfs/usr/lib/
  docker image inspect "$IMAGE" | jq '.[0].Config | {Entrypoint, Env,
    capabilities: (["CHOWN","DAC_OVERRIDE","DAC_READ_SEARCH","FOWNER","FSETID","KILL","SETGID","SETUID","SETPCAP","LINUX_IMMUTABLE",
      "NET_BIND_SERVICE","NET_BROADCAST","NET_ADMIN","NET_RAW","IPC_LOCK","IPC_OWNER","SYS_MODULE","SYS_RAWIO","SYS_CHROOT",
      "SYS_PTRACE","SYS_PACCT","SYS_ADMIN","SYS_BOOT","SYS_NICE","SYS_RESOURCE","SYS_TIME","SYS_TTY_CONFIG","MKNOD","LEASE",
      "AUDIT_WRITE","AUDIT_CONTROL","SETFCAP","SYSLOG","WAKE_ALARM","BLOCK_SUSPEND","AUDIT_READ"] | map("CAP_" + .))}' >rootfs/node/image.json
  mkfs.ext4 -q -d rootfs -O '^has_journal' disk.img 8G
  rm -rf rootfs
}

"$ROOT/scripts/build/programs.sh" qemu-system-x86_64 busybox mkfs.ext4 jq
fetch_kernel
make_initrd "$HERE/init.sh"
make_disk
trap 'rm -f disk.img' EXIT
# It computes all the time, and others beside it wait for an answer. What the kernel says of a process that it kills for memory
# would stand in the middle of an answer; and its check of the timer, made for broken boards, fails on a busy machine.
timeout "${V2_TIMEOUT:-40m}" nice --adjustment=10 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 -nographic -no-reboot -nodefaults \
  -serial stdio -kernel kernel/boot/vmlinuz-* -initrd initrd.gz -append 'console=ttyS0 loglevel=1 panic=-1 no_timer_check systemd.unified_cgroup_hierarchy=1' \
  -drive file=disk.img,format=raw,if=virtio,cache=unsafe </dev/null
