# Installs packages into a toolchain's image. The arguments are the architecture that builds in it are
# for, if it is not the machine's own, and the names. What kiln has to know stands on lines of their
# own that begin with "kiln-packages: ".
set -u
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
say() { printf 'kiln-packages: %s\n' "$*"; }
stop() { say "$@"; exit 1; }

target=$1
shift
for program in apt-get apt-cache dpkg dpkg-query; do
  command -v "$program" > /dev/null || stop foreign
done
[ "$(id -u)" = 0 ] || stop foreign
native=$(dpkg --print-architecture)
if [ -n "$target" ] && [ "$target" != "$native" ]; then
  dpkg --add-architecture "$target"
else
  target=$native
fi
apt-get update -o APT::Update::Error-Mode=any || stop mirror

# As for Debian's own cross builds: programs and data for the machine that builds, everything else
# for the one that the result is for.
for name; do
  shift
  case $name in
    *:*) ;;
    *)
      if [ "$target" != "$native" ] && ! apt-cache show --no-all-versions "$name" 2> /dev/null \
        | grep -qE '^(Architecture: all|Multi-Arch: foreign)$'; then
        name=$name:$target
      fi
      ;;
  esac
  if [ -z "$(apt-cache show --no-all-versions "$name" 2> /dev/null)" ]; then
    plain=${name%":$target"}
    # shellcheck disable=SC2046
    set -- $(apt-cache showpkg "$name" 2> /dev/null | sed '1,/^Reverse Provides/d; s/ .*//' | sort -u | head -n 8)
    if [ $# -gt 0 ]; then stop virtual "$plain" "$@"; fi
    stop unknown "$plain"
  fi
  set -- "$@" "$name"
done

plan=$(apt-get install -s -y --no-install-recommends "$@" 2>&1) || {
  printf '%s\n' "$plan"
  stop unmet "$(printf '%s\n' "$plan" | sed -n 's/^ *\([a-z0-9][^ ]* : [A-Z][a-z-]*: .*\)/\1/p' | tr -s ' ' | head -n 3 | paste -s -d ';')"
}
removed=$(printf '%s\n' "$plan" | sed -n 's/^Remv \([^ ]*\).*/\1/p' | paste -s -d ' ')
[ -z "$removed" ] || stop removes "$removed"

list() { dpkg-query -W -f '${Package} ${Architecture} ${Version} ${db:Status-Abbrev}\n' | grep ' ii *$' | sort; }
list > /tmp/kiln-before
apt-get install -y -d --no-install-recommends --no-remove "$@" || stop mirror
# Nothing that a package brings is started: this is no machine.
guard=/usr/sbin/policy-rc.d
if [ ! -e "$guard" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$guard"
  chmod 755 "$guard"
else
  guard=
fi
apt-get install -y --no-install-recommends --no-remove "$@" || stop failed
[ -z "$guard" ] || rm -f "$guard"
find / -xdev -type f -perm /6000 -exec chmod a-s {} +
list > /tmp/kiln-after
comm -13 /tmp/kiln-before /tmp/kiln-after > /tmp/kiln-new
while read -r package architecture version _; do
  case $architecture in all | "$native") ;; *) package=$package:$architecture ;; esac
  say installed "$package" "$version"
done < /tmp/kiln-new
for name; do
  if ! grep -q "^${name%%:*} " /tmp/kiln-new; then
    say present "$name" "$(dpkg-query -W -f '${Version}\n' "$name" 2> /dev/null | head -n 1)"
  fi
done
rm -rf /tmp/kiln-* /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb \
  /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log
