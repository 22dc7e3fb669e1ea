#!/bin/sh
# Puts an apt repository into the base image: the packages named, and all they need, in one folder.
# usage: fill-repository.sh ROOT PACKAGE...
set -eu
root=$1
shift
place=/usr/share/lab-packages

chroot "$root" apt-get --quiet=2 --yes --download-only install "$@"
mkdir -p "$root$place"
mv "$root"/var/cache/apt/archives/*.deb "$root$place/"
for package in "$root$place"/*.deb; do
    dpkg-deb --field "$package"
    echo "Filename: ./$(basename "$package")"
    echo "Size: $(stat --format %s "$package")"
    echo "SHA256: $(sha256sum "$package" | cut -d ' ' -f 1)"
    echo
done >"$root$place/Packages"
cat >"$root$place/Release" <<EOF
Suite: lab
Date: $(date --utc --rfc-email)
SHA256:
 $(sha256sum "$root$place/Packages" | cut -d ' ' -f 1) $(stat --format %s "$root$place/Packages") Packages
EOF
rm -f "$root"/etc/apt/sources.list.d/* "$root/etc/apt/apt.conf.d/99mmdebstrap"
echo "deb [trusted=yes] file:$place ./" >"$root/etc/apt/sources.list"
printf 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n' >"$root/etc/apt/apt.conf.d/50lab"
: >"$root/etc/machine-id"
rm -f "$root/etc/hostname" "$root/etc/resolv.conf"
