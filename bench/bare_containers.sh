#!/usr/bin/env bash
# The floor that `lab up` is measured against: starts the containers of a box and waits for etcd, and does nothing
# else. Run in a mount namespace of its own: bare_containers.sh FOLDER LAB LAYERS MACHINE...
set -euo pipefail
folder=$1 lab=$2 netns=lab-$2 layers=$3
shift 3

ip netns add "$netns"
ip -netns "$netns" link set lo up
for bridge in control private public; do
    ip -netns "$netns" link add "$bridge" type bridge stp_state 0 forward_delay 0
    ip -netns "$netns" link set "$bridge" up
done
ip -netns "$netns" address add 10.1.0.1/24 dev private

start() {
    local name=$1 number=$2 place=$folder/machines/$1
    mkdir -p "$place"/{work,root,docker}
    mount -t overlay overlay -o "lowerdir=$layers,upperdir=$place/upper,workdir=$place/work" "$place/root"
    ip netns add "$netns-$number"
    local link=0 bridge
    for bridge in control private public; do
        ip -netns "$netns" link add "v$number$link" type veth peer name "eth$link" netns "$netns-$number"
        ip -netns "$netns" link set "v$number$link" master "$bridge" up
        link=$((link + 1))
    done
    (
        for group in /sys/fs/cgroup/discovery-lab/$lab/"$name" /sys/fs/cgroup/*/discovery-lab/$lab/"$name"; do
            [ ! -d "$group" ] || echo "$BASHPID" >"$group/cgroup.procs"
        done
        exec systemd-nspawn --quiet --register=no --keep-unit --directory="$place/root" --machine="$name" \
            --network-namespace-path="/run/netns/$netns-$number" --capability=all \
            --system-call-filter="add_key keyctl bpf @keyring" --resolv-conf=off --timezone=off --link-journal=no \
            --console=read-only --bind="$place/docker:/var/lib/docker" --boot
    ) >"$place/console.log" 2>&1 </dev/null &
}

number=0
for name in "$@"; do
    number=$((number + 1))
    start "$name" "$number"
done

for index in $(seq "$number"); do
    until nsenter --net="/run/netns/$netns" timeout 1 bash -c "
        exec 3<>/dev/tcp/10.1.0.$((100 + index))/2379 && printf 'GET /health HTTP/1.0\r\n\r\n' >&3 &&
        grep -q true <&3" 2>/dev/null; do
        sleep 0.05
        [ "$SECONDS" -lt 60 ] || { echo "etcd $index is not healthy"; exit 1; }
    done
done
for index in $(seq "$number"); do ip netns delete "$netns-$index"; done # they live on with the containers
