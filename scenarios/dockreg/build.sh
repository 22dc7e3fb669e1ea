#!/bin/sh
# Builds an image of provision/images on a machine of the lab, as the article's own build.sh does.
# usage: scenarios/dockreg/build.sh MACHINE IMAGE      (in the checkout; LAB_NAME names the lab)
set -eu
cd "$(dirname "$0")/../.."
machine=$1 image=$2
folder=provision/images/$image
value() { sed -n "s/^$1: \[\(.*\)\]$/\1/p" "$folder/image.yaml" | tr -d ,; }

# The folder and, beside its Dockerfile, the packages of the stack that the image runs.
{
    tar -C "$folder" --exclude=image.yaml -c .
    # shellcheck disable=SC2046 # a list of words
    tar -C provision --exclude=__pycache__ -c $(value stack | sed 's|[^ ]*|stack/&|g')
} | lab run "$machine" -- "mkdir -p '$image' && tar -C '$image' --ignore-zeros -x"
lab run "$machine" -- docker build --quiet --tag "$(value tags)" "$image"
