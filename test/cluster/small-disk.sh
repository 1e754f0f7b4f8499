#!/usr/bin/env bash
# small-disk.sh NAME MEBIBYTES: makes a disk of that size on the node and mounts it; prints where. Typed again it is made anew.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
folder=/var/lib/small-disks/$1

in_node umount --lazy "$folder" 2>/dev/null || true
in_node mkdir -p "$folder"
in_node truncate --size "$2M" "$folder.img"
in_node mkfs.ext4 -q -F "$folder.img"
in_node mount -o loop "$folder.img" "$folder"
echo "$folder"
