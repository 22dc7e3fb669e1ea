#!/bin/sh
# Makes the layer that lies on the root: the overlay, the stack and its commands.
# usage: stack.sh ROOT LAYER STAGED ENABLE DISABLE MASK GENERATORS   (run with mounts of its own; STAGED is a tree to copy in)
set -eu
root=$1 layer=$2 staged=$3 enable=$4 disable=$5 mask=$6 generators=$7
here=$(dirname "$0")

work=$(mktemp -d "$layer.work.XXXXXX")
mkdir "$work/work" "$work/merged"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$layer,workdir=$work/work" "$work/merged"
cp -r --preserve=mode,links "$staged/." "$work/merged/"
cp "$here/finish-stack.sh" "$work/merged/finish-stack.sh"
for step in files "enable $enable" "disable $disable" "mask $mask" "generators $generators"; do
    # shellcheck disable=SC2086 # the lists are words
    chroot "$work/merged" sh /finish-stack.sh $step
done
rm "$work/merged/finish-stack.sh"
umount "$work/merged"
rm -rf "$work"
