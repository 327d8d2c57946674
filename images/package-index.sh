#!/bin/sh
# Writes the index of a release: which package has which header, library, program and so on. Reads
# the mirror's lists of contents, which apt fetches; a mirror without them, or with some that it has
# not brought up to date, makes the index smaller and nothing else, because it only serves to give
# people advice. Packages themselves are always checked by apt.
#
# Lines of kind, name and packages, separated by tabs, sorted. Kinds: h header, l library, p
# pkg-config module, c CMake package, b program, m file of Autoconf macros, y Python module, r Perl
# module; wh, wl and wp the same for mingw-w64; n a package's name, followed by its Multi-Arch field.
set -eu
out=$1
work=$(mktemp -d)

apt-get update
apt-cache dumpavail | awk '
  /^Package: / { name = $2; multi = "no" }
  /^Multi-Arch: / { multi = $2 }
  /^$/ && name != "" { print "n\t" name "\t" multi; name = "" }
' > "$work/lines"

# apt takes only what the release signs. Where that has failed, the same file is taken unsigned.
apt-get update \
  -o 'Acquire::IndexTargets::deb::Contents-deb::MetaKey=$(COMPONENT)/Contents-$(ARCHITECTURE)' \
  -o 'Acquire::IndexTargets::deb::Contents-deb::ShortDescription=Contents-$(ARCHITECTURE)' \
  -o 'Acquire::IndexTargets::deb::Contents-deb::Description=$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents' \
  -o 'Acquire::IndexTargets::deb::Contents-deb::KeepCompressed=true' || true
architecture=$(dpkg --print-architecture)
apt-get indextargets --format '$(URI) $(FILENAME)' 'Created-By: Packages' > "$work/targets"
number=0
while read -r uri file; do
  # Of the address and the file of a list of packages, the part that all lists of a component have.
  uri=${uri%/"binary-$architecture"/Packages*}
  file=${file%_"binary-$architecture"_Packages*}
  for contents in "Contents-$architecture" Contents-all; do
    number=$((number + 1))
    found=
    for name in "${file}_$contents" "${file}_$contents".*; do
      if [ -s "$name" ]; then found=$name; fi
    done
    if [ -z "$found" ]; then
      found=$work/$number.gz
      /usr/lib/apt/apt-helper download-file "$uri/$contents.gz" "$found" || continue
    fi
    /usr/lib/apt/apt-helper cat-file "$found" > "$work/$number.text" || rm -f "$work/$number.text"
  done
done < "$work/targets"

for text in "$work"/*.text; do
  [ -e "$text" ] || continue
  awk '
    function say(kind, name) {
      # Names with spaces or control characters are of no use to anyone who builds.
      if (name != "" && name !~ /[^!-~]/) {
        count = split($NF, list, ",")
        for (i = 1; i <= count; i++) {
          package = list[i]
          sub(/.*\//, "", package)
          print kind "\t" name "\t" package
        }
      }
    }
    function headers(kind, path) {
      if (path ~ /\.(h|hh|hpp|hxx|H|inc|ipp|tcc|def)$/ || path !~ /\./) say(kind, path)
    }
    NF != 2 { next }
    { path = $1; base = path; sub(/.*\//, "", base) }
    path ~ /^(usr\/)?s?bin\/[^\/]+$/ { say("b", base); next }
    path ~ /^usr\/include\// {
      sub(/^usr\/include\/(x86_64-linux-gnu\/)?/, "", path)
      headers("h", path)
      next
    }
    path ~ /^(usr\/)?lib\/(x86_64-linux-gnu\/)?lib[^\/]+\.(so|a)$/ {
      sub(/^lib/, "", base)
      sub(/\.(so|a)$/, "", base)
      say("l", base)
      next
    }
    path ~ /^usr\/(lib|lib\/x86_64-linux-gnu|share)\/pkgconfig\/[^\/]+\.pc$/ {
      sub(/\.pc$/, "", base)
      say("p", base)
      next
    }
    path ~ /^usr\/(lib|share)\/.*(Config|-config)\.cmake$/ {
      sub(/(Config|-config)\.cmake$/, "", base)
      say("c", base)
      next
    }
    path ~ /^usr\/share\/aclocal\/[^\/]+\.m4$/ { sub(/\.m4$/, "", base); say("m", base); next }
    path ~ /^usr\/lib\/python3\/dist-packages\/[^\/]+(\.py|\/__init__\.py)$/ {
      sub(/^usr\/lib\/python3\/dist-packages\//, "", path)
      sub(/(\.py|\/__init__\.py)$/, "", path)
      say("y", path)
      next
    }
    path ~ /^usr\/(share\/perl5|lib\/x86_64-linux-gnu\/perl5\/[0-9.]+)\/.*\.pm$/ {
      sub(/^usr\/(share\/perl5|lib\/x86_64-linux-gnu\/perl5\/[0-9.]+)\//, "", path)
      sub(/\.pm$/, "", path)
      gsub(/\//, "::", path)
      say("r", path)
      next
    }
    path ~ /^usr\/x86_64-w64-mingw32\/include\// {
      sub(/^usr\/x86_64-w64-mingw32\/include\//, "", path)
      headers("wh", path)
      next
    }
    path ~ /^usr\/x86_64-w64-mingw32\/lib\/lib[^\/]+\.a$/ {
      sub(/^lib/, "", base)
      sub(/(\.dll)?\.a$/, "", base)
      say("wl", base)
      next
    }
    path ~ /^usr\/x86_64-w64-mingw32\/lib\/pkgconfig\/[^\/]+\.pc$/ {
      sub(/\.pc$/, "", base)
      say("wp", base)
    }
  ' "$text" >> "$work/lines"
done

# One line for a name, with all packages that have it.
LC_ALL=C sort -u "$work/lines" | awk -F '\t' '
  $1 "\t" $2 != key { if (key != "") print key "\t" all; key = $1 "\t" $2; all = $3; next }
  { all = all "," $3 }
  END { if (key != "") print key "\t" all }
' | gzip -9n > "$out"
rm -r "$work"
