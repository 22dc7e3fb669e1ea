#!/bin/sh
# Bakes the images: a dockerd of the root builds them and pushes them to a registry of the root, whose
# storage becomes the seed of every lab's registry. Has no network but its own loopback.
# usage: bake.sh ROOT BASE.tar OUT PLAN
#   OUT/docker, OUT/registry: where the results go.   PLAN: lines "CONTEXT push|cached TAG..."
set -eu
root=$1 base=$2 out=$3 plan=$4
group=lab-bake-$(basename "$out")

quit() {
    echo "bake: $*" >&2
    tail -n 15 "$out/log" >&2 || true
    exit 1
}
soon() { # soon WHAT COMMAND...: wait for it, 30 s at most
    what=$1 tries=0
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || quit "$what did not come up within 30 s"
        sleep 0.05
    done
}
sweep_groups() { # ours, and those of bakes that were killed: their processes are gone, their control groups are not
    find /sys/fs/cgroup -maxdepth 2 -type d -name 'lab-bake-*' | while read -r left; do
        name=$(basename "$left")
        [ "$name" != "$group" ] && [ -d "$(dirname "$out")/${name#lab-bake-}" ] ||
            find "$left" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
}

work=$out/work
mkdir -p "$work/upper" "$work/work" "$work/merged" "$out/docker" "$out/registry"
at=$work/merged
mount -t overlay overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/work" "$at"
mount -t proc proc "$at/proc"
mount -t sysfs sysfs "$at/sys" # a fresh one: without the host's AppArmor, into which nothing must be loaded
mount --rbind /sys/fs/cgroup "$at/sys/fs/cgroup"
mount --rbind /dev "$at/dev"
mount -t tmpfs tmpfs "$at/run"
mount -t tmpfs tmpfs "$at/tmp"
mount --bind "$out/docker" "$at/var/lib/docker"
mount --bind "$out/registry" "$at/var/lib/docker-registry"
ip link set lo up
sweep_groups

# Docker Hub's own names, answered here: so Docker remembers the layers as known to the Hub, and a later
# push or pull on a machine of the lab finds them there.
names="docker.io registry-1.docker.io index.docker.io auth.docker.io"
echo "127.0.0.1 localhost $names" >"$at/etc/hosts"
echo "nameserver 127.0.0.1" >"$at/etc/resolv.conf"
alternatives=$(for name in $names; do printf ',DNS:%s' "$name"; done)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=bake" \
    -addext "subjectAltName=${alternatives#,}" -keyout "$at/run/key.pem" -out "$at/run/cert.pem" 2>>"$out/log"
cat "$at/run/cert.pem" >>"$at/etc/ssl/certs/ca-certificates.crt"
cat >"$at/run/registry.yml" <<EOF
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: /var/lib/docker-registry}}
http: {addr: "127.0.0.1:443", tls: {certificate: /run/cert.pem, key: /run/key.pem}}
EOF
chroot "$at" docker-registry serve /run/registry.yml >>"$out/log" 2>&1 &
chroot "$at" dockerd --storage-driver=overlay2 --bridge=none --iptables=false --ip-forward=false --ip-masq=false \
    --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent="/$group" --log-level=warn \
    >>"$out/log" 2>&1 &
dockerd=$!
docker() {
    date +"%T.%N docker $*" >>"$out/log"
    chroot "$at" env -i PATH="$PATH" HOME=/root DOCKER_BUILDKIT=0 docker "$@" >>"$out/log" 2>&1
}
soon dockerd docker version
soon "the registry" chroot "$at" curl -fsS https://registry-1.docker.io/v2/

mkdir "$at/tmp/bake"
mount --bind "$(dirname "$base")" "$at/tmp/bake"
docker import --change 'CMD ["bash"]' /tmp/bake/"$(basename "$base")" debian:12 || quit "the base image was not imported"
docker tag debian:12 debian:latest
docker tag debian:12 ubuntu:14.04 # what the articles build from: their commands and FROM lines run
for name in debian ubuntu; do docker push --all-tags $name || quit "the base image was not pushed"; done
mkdir "$at/tmp/context"
while read -r context kind tags; do
    mount --bind "$context" "$at/tmp/context"
    set --
    for tag in $tags; do set -- "$@" --tag="$tag"; done
    docker build --network=none "$@" /tmp/context || quit "the image $tags was not built"
    umount "$at/tmp/context"
    for tag in $tags; do
        if [ "$kind" = push ]; then
            docker push "$tag" || quit "$tag was not pushed"
        else
            # Docker forgets the last layers of an image that loses its last name: it keeps another one. That one is
            # pushed, so that a reader's push finds its layers there: packing them takes minutes in emulation.
            kept="lab/cache:$(basename "${tag%%:*}")"
            docker tag "$tag" "$kept"
            docker push "$kept" || quit "$kept was not pushed"
            docker rmi "$tag"
        fi
    done
done <"$plan"

kill -TERM $dockerd
wait $dockerd || true
sweep_groups
# What dockerd makes again at each start, and this machine's own.
rm -rf "$out/docker/containerd" "$out/docker/runtimes" "$out/docker/network" "$out/docker/tmp" "$out/docker/containers"/*
# The mounts go with the namespace; only then can the caller remove what they lie on.
