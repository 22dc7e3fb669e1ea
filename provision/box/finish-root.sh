#!/bin/sh
# Last steps inside the new root (chroot): the user core, and nothing that one machine would share with another.
set -eu

groupadd --gid 500 core
useradd --uid 500 --gid core --groups docker,sudo,systemd-journal --create-home --shell /bin/bash --password '*' core
mkdir -p /usr/lib/discovery-lab /etc/lab /var/log/journal /home/core/.ssh
chown core:core /home/core/.ssh
chmod 700 /home/core/.ssh

# The plain name is a wrapper of the overlay, which speaks v2 as the articles do.
dpkg-divert --quiet --local --rename --divert /usr/lib/discovery-lab/etcdctl --add /usr/bin/etcdctl

# Debian's own loads at start: keys, ids, caches and a cluster of one are made afresh by each machine.
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /etc/docker/key.json
rm -rf /var/lib/etcd/* /var/lib/docker /var/lib/containerd /var/lib/docker-registry/* /var/cache/apt/* /var/log/journal/*
mkdir -p /var/lib/docker /var/lib/containerd
: > /etc/machine-id # empty, not absent: absent means a first boot, which runs every preset
rm -f /var/lib/dbus/machine-id /etc/hostname /etc/resolv.conf
# No machine of the lab can reach a mirror, and a proxy of this host is no business of theirs.
rm -f /etc/apt/apt.conf.d/99mmdebstrap /etc/apt/sources.list.d/*
: > /etc/apt/sources.list
find /var/log -type f -exec truncate --size 0 {} +
