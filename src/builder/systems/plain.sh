# The step that builds a tree of nothing but sources; plain.rs fills in what stands between @.
# Lines that begin with a hash and a blank are left out.
#
# Everything is compiled, several files at a time. A file that another one includes is no unit of
# its own. The standard libraries that are not linked by themselves are offered to the linker.
out=@BUILD@
mkdir -p $out/obj
includes='@INCLUDE@'
find . \( @PRUNE@ \) -prune -o -type f -print | LC_ALL=C sort >$out/obj/files
grep -E '\.(c|cc|cpp|cxx|c\+\+|C)$' $out/obj/files >$out/obj/all
tr '\n' '\0' <$out/obj/files | xargs -0 grep -hE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*\.(c|cc|cpp|cxx|c\+\+|C)"' |
  sed 's/^[^"]*"\([^"]*\)".*/\1/; s,.*/,,' | sort -u >$out/obj/included
awk 'FILENAME == ARGV[1] { included[$0]; next } { name = $0; sub(".*/", "", name) } !(name in included)' \
  $out/obj/included $out/obj/all >$out/obj/units
if grep -qv '\.c$' $out/obj/units; then link=${CXX:?this toolchain has no C++ compiler}; else link=$CC; fi
export out includes
tr '\n' '\0' <$out/obj/units | xargs -0 -n 1 -P "${CMAKE_BUILD_PARALLEL_LEVEL:-1}" sh -c '
  unit=${1#./}
  case $unit in *.c) cc="$CC $CPPFLAGS ${CFLAGS--O2 -g}" ;; *) cc="$CXX $CPPFLAGS ${CXXFLAGS--O2 -g}" ;; esac
  mkdir -p "$(dirname "$out/obj/$unit")"
  echo "$cc $includes -c $unit"
  $cc $includes -c "$unit" -o "$out/obj/$unit.o"
' sh
: >$out/obj/mains
: >$out/obj/rest
while IFS= read -r unit; do
  unit=${unit#./}
  if "${NM:-nm}" "$out/obj/$unit.o" | grep -qE ' T (main|WinMain|wWinMain|wmain)$'; then list=mains; else list=rest; fi
  echo "$unit" >>$out/obj/$list
done <$out/obj/units
pack() {
  rm -f "$1"
  while IFS= read -r unit; do printf '%s\0' "$out/obj/$unit.o"; done | xargs -0 -r "${AR:-ar}" qc "$1"
  if test -f "$1"; then "${RANLIB:-ranlib}" "$1"; fi
}
pack $out/obj/rest.a <$out/obj/rest
if ! test -s $out/obj/mains; then
  echo "no file has a main: they become a library, $out/libproject.a"
  mv $out/obj/rest.a $out/libproject.a
  exit 0
fi
while IFS= read -r main; do
  program=$out/${main%.*}
  mkdir -p "$(dirname "$program")"
  set -- "$out/obj/$main.o"
  if test "$(wc -l <$out/obj/mains)" = 1; then
    while IFS= read -r unit; do set -- "$@" "$out/obj/$unit.o"; done <$out/obj/rest
    if $link -o "$program" "$@" $LDFLAGS -lm -lpthread $LIBS 2>$out/obj/complaints; then
      echo "$link -o $program $*"
      break
    fi
    set -- "$out/obj/$main.o"
  fi
  folder=
  case $main in */*) folder=${main%/*}/ ;; esac
  while IFS= read -r unit; do
    case ${unit#"$folder"} in */*) ;; *) case $unit in "$folder"*) echo "$unit" ;; esac ;; esac
  done <$out/obj/rest | pack $out/obj/near.a
  if test -f $out/obj/near.a; then set -- "$@" $out/obj/near.a; fi
  if test -f $out/obj/rest.a; then set -- "$@" $out/obj/rest.a; fi
  echo "$link -o $program $*"
  $link -o "$program" "$@" $LDFLAGS -lm -lpthread $LIBS
done <$out/obj/mains
rm -f $out/obj/near.a $out/obj/rest.a
