# shellcheck shell=bash
# The kernel of the virtual machines with cgroup v2, and the first file system that finds their disk. Both are made in the
# folder where this is called from.

# Debian's kernel for clouds, unpacked.
fetch_kernel() {
  local package
  [[ ! -e kernel/boot ]] || return 0
  apt-get update --quiet >&2
  package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
  [[ -n $package ]] || die 'apt knows no linux-image-cloud-amd64'
  apt-get --option APT::Sandbox::User=root download "$package" >&2
  dpkg-deb --extract "$package"_*.deb kernel.new
  rm -f "$package"_*.deb
  rm -f kernel.new/lib/modules/*/{build,source}
  busybox depmod -b kernel.new "$(ls kernel.new/lib/modules)"
  mv kernel.new kernel
}

# make_initrd INIT: only what the disk needs; everything else comes from the disk.
make_initrd() {
  local version module path
  version=$(ls kernel/lib/modules)
  rm -rf initrd && mkdir -p initrd/bin "initrd/lib/modules/$version"
  cp /bin/busybox initrd/bin/
  cp "$1" initrd/init
  chmod 0755 initrd/init
  for module in virtio_pci virtio_blk ext4; do
    # One that is built into the kernel has no line.
    { grep "/$module.ko:" "kernel/lib/modules/$version/modules.dep" || true; } | tr -d : | tr ' ' '\n'
  done | while read -r path; do
    [[ -n $path ]] || continue
    install -D "kernel/lib/modules/$version/$path" "initrd/lib/modules/$version/$path"
  done
  cp "kernel/lib/modules/$version/modules.dep" "initrd/lib/modules/$version/"
  (cd initrd && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >initrd.gz
}
