#!/bin/busybox sh
# shellcheck shell=dash
# The first program of the virtual machine: loads the disk's drivers, mounts it and goes on there.
/bin/busybox mkdir -p /proc /sys /dev /disk
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in virtio_pci virtio_blk ext4; do /bin/busybox modprobe "$module"; done
/bin/busybox mount -t ext4 /dev/vda /disk
/bin/busybox mount -o move /dev /disk/dev
exec /bin/busybox switch_root /disk /node/node.sh
