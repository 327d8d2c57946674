#!/bin/sh
# Runs in a toolchain's container: compiles the inputs, which all have something wrong with them, and
# says what the compiler, the assembler and the linkers there said of each.
cc=cc
cxx=$(command -v c++)
case $("$cc" -dumpmachine) in
    x86_64-*linux-gnu) linkers="gold lld mold" ;;
    *) linkers= ;;
esac
cd /workspace/src || exit 1
say() {
    echo "=== $1"
    shift
    "$@" 2>&1
}
say warnings "$cc" -Wall -Wextra -c warnings.c -o /dev/null
say missing "$cc" -c missing.c -o /dev/null
say stop "$cc" -c stop.c -o /dev/null
say strict "$cc" -Wall -Werror -c strict.c -o /dev/null
say assembler "$cc" -c bad.s -o /dev/null
say option "$cc" --no-such-option -c strict.c -o /dev/null
[ -z "$cxx" ] || say templates "$(basename "$cxx")" -std=c++17 -fdiagnostics-color=always -c templates.cc -o /dev/null
say undefined "$cc" -g one.c -o /tmp/a.out
say multiple "$cc" -g one.c two.c -o /tmp/a.out
say library "$cc" two.c -lnotthere -o /tmp/a.out
for linker in $linkers; do
    command -v "ld.$linker" >/dev/null || continue
    say "undefined-$linker" "$cc" -fuse-ld="$linker" -g one.c -o /tmp/a.out
    say "multiple-$linker" "$cc" -fuse-ld="$linker" -g one.c two.c -o /tmp/a.out
done
