#!/bin/sh
# Last steps on root + overlay + stack (chroot): byte code, modes that git does not keep, and what starts at boot.
# usage: finish-stack.sh enable|disable|mask|generators NAME...   (several calls); finish-stack.sh files
set -eu

if [ "$1" = files ]; then
    chmod 0440 /etc/sudoers.d/*
    chown -R core:core /home/core
    # D-Bus starts logind when somebody says "reboot"; until then nobody needs it.
    rm -f /usr/lib/systemd/system/multi-user.target.wants/systemd-logind.service
    # Unchecked: the files never change, and a check costs a stat for each import in software emulation.
    /usr/bin/python3 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/discovery-lab/stack
    exit
fi
verb=$1
shift
for unit; do
    case $verb in
    generators)
        mkdir -p /etc/systemd/system-generators
        ln -sfn /dev/null "/etc/systemd/system-generators/$unit"
        ;;
    mask) ln -sfn /dev/null "/etc/systemd/system/$unit" ;;
    *) systemctl --quiet "$verb" "$unit" 2>/dev/null || echo "no $unit to $verb" ;;
    esac
done
