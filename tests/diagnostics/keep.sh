#!/bin/sh
# Keeps what the compilers of these toolchains (gcc-14 clang-19 …) say of the inputs; all images
# that are there if none is named. Look at the difference before you commit it.
set -eu
cd "$(dirname "$0")"
[ $# -gt 0 ] || set -- $(docker image ls --format '{{.Tag}}' kiln/toolchain | sort)
for tag in "$@"; do
    docker run --rm --network none --pull never -v "$PWD/inputs:/workspace/src:ro" \
        -v "$PWD/run.sh:/run.sh:ro" "kiln/toolchain:$tag" sh /run.sh >"outputs/$tag.txt"
    echo "$tag"
done
