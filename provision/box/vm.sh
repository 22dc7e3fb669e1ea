#!/bin/sh
# Makes a disk of root, layer and baked images, with the kernel and an initrd for direct boot.
# usage: vm.sh ROOT LAYER DOCKER OUT SIZE MODULE...   (run with mounts of its own)
set -eu
root=$1 layer=$2 docker=$3 out=$4 size=$5
shift 5

merged=$out/merged
mkdir "$merged"
mount -t overlay overlay -o "lowerdir=$layer:$root" "$merged"
mount --bind "$docker" "$merged/var/lib/docker"
truncate --size "$size" "$out/disk.raw"
# All is initialised now, at the host's speed, instead of by a thread of the booting machine.
mke2fs -q -t ext4 -L lab -i 32768 -m 1 -E lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0 \
    -d "$merged" "$out/disk.raw"
umount "$merged/var/lib/docker" "$merged"
rmdir "$merged"
qemu-img convert -f raw -O qcow2 "$out/disk.raw" "$out/disk.qcow2"
rm "$out/disk.raw"
cp "$(readlink -f "$root"/boot/vmlinuz-*)" "$out/kernel"
"$(dirname "$0")/initrd.sh" "$root" "$out/initrd" "$@"
