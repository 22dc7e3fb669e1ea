#!/bin/sh
# Writes the smallest initrd that finds the root disk: busybox, the disk's and the network's drivers, one script.
# A full one with udev costs several seconds in software emulation.
# usage: initrd.sh ROOT INITRD MODULE...
set -eu
root=$1 initrd=$2
shift 2

work=$(mktemp -d "$initrd.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/dev" "$work/proc" "$work/sys" "$work/root" "$work/modules"
cp "$root/bin/busybox" "$work/bin/busybox"
version=$(ls "$root/usr/lib/modules")
order=$(chroot "$root" modprobe --set-version "$version" --show-depends --all "$@" | sed -n 's/^insmod //p' | awk '!seen[$0]++')
number=10
for module in $order; do
    name=$number-$(basename "$module")
    cp "$root/$module" "$work/modules/$name"
    number=$((number + 1))
done
cat >"$work/init" <<'EOF'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
for module in /modules/*; do $b insmod "$module"; done
root=/dev/vda type=ext4 flags=
for word in $($b cat /proc/cmdline); do
    case $word in
    root=*) root=${word#root=} ;;
    rootfstype=*) type=${word#rootfstype=} ;;
    rootflags=*) flags=${word#rootflags=} ;;
    esac
done
tries=0
until $b mount -t "$type" -o "rw${flags:+,$flags}" "$root" /root 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { echo "no root file system on $root"; $b poweroff -f; }
    $b usleep 50000
done
$b umount /proc
$b mount --move /dev /root/dev
exec $b switch_root /root /sbin/init
EOF
chmod +x "$work/init"
ln -s busybox "$work/bin/sh"
sed -i 's,^#!/bin/busybox sh,#!/bin/sh,' "$work/init"
(cd "$work" && find . | sort | "$root/bin/busybox" cpio -o -H newc 2>/dev/null) | gzip -1 >"$initrd"
