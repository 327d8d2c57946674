#!/usr/bin/env bash
# Makes a bare git repository from the pristine source of a real C project, as its authors
# released it: the upstream tarball that a Debian source package carries, without Debian's changes.
# Used by the tests and by ./dev, so that both build the very same thing. Needs no root: apt works
# on lists of its own, and verifies signature and checksums as always.
#
#   fetch.sh PACKAGE DEST.git      prints the version; a repository that is there already is kept
set -euo pipefail

# The same releases of Debian whatever this machine runs, so that everybody builds the same
# versions; the second only for what the first does not give, since mirrors have holes.
readonly SUITES=${KILN_TEST_SUITES:-trixie bookworm}
readonly CACHE=${KILN_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kiln-tests}
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
# Lists older than this are read anew before a package is fetched, in minutes.
readonly LISTS_AGE=1440

die() {
    echo "fetch.sh: $*" >&2
    exit 1
}

# Where this machine gets its Debian packages from.
mirror() {
    if [[ -n ${KILN_TEST_MIRROR:-} ]]; then
        echo "$KILN_TEST_MIRROR"
        return
    fi
    apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $2 == "main" && $3 !~ /-/ { print $4; exit }'
}

apt() {
    local tool=$1
    shift
    "$tool" -qq -o Dir::Etc::SourceList="$CACHE/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$CACHE/apt/lists" -o Dir::Cache="$CACHE/apt/cache" \
        -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User= "$@"
}

update_lists() {
    local mirror lines suite
    mirror=$(mirror)
    [[ -n $mirror ]] || die "no Debian mirror in this machine's apt configuration: run 'apt-get update', or set KILN_TEST_MIRROR"
    [[ -r $KEYRING ]] || die "$KEYRING is missing: apt-get install debian-archive-keyring"
    lines=$(for suite in $SUITES; do echo "deb-src [signed-by=$KEYRING] $mirror $suite main"; done)
    mkdir -p "$CACHE/apt/lists/partial" "$CACHE/apt/cache/archives/partial"
    if [[ $(cat "$CACHE/apt/sources.list" 2>/dev/null) == "$lines" ]] &&
        [[ -n $(find "$CACHE/apt/updated" -mmin "-$LISTS_AGE" 2>/dev/null) ]]; then
        return
    fi
    echo "$lines" >"$CACHE/apt/sources.list"
    apt apt-get update -o APT::Update::Error-Mode=any >&2 || die "could not read the package lists of $SUITES from $mirror"
    touch "$CACHE/apt/updated"
}

# Only the upstream tarball: apt checks it against the signed index, and the rest is not needed.
download() {
    local package=$1 folder=$2 suite
    for suite in $SUITES; do
        (cd "$folder" && apt apt-get source --download-only --tar-only --only-source "$package/$suite" >&2) &&
            return
    done
    return 1
}

# The commit is a pure function of the tarball: same name, same date, same tree, same id.
make_repository() {
    local tree=$1 version=$2 dest=$3
    local -x GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
    local -x GIT_AUTHOR_NAME=upstream GIT_AUTHOR_EMAIL=upstream@example.org
    local -x GIT_COMMITTER_NAME=upstream GIT_COMMITTER_EMAIL=upstream@example.org
    local -x GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'
    rm -rf "$tree/.git" "$tree/.pc"
    git init -q --bare -b main "$dest"
    # Everything is taken as it is: what upstream ignores but ships belongs to the release.
    git --git-dir="$dest" --work-tree="$tree" -c core.autocrlf=false add --all --force .
    git --git-dir="$dest" --work-tree="$tree" commit -q -m "$package $version, as released"
    git --git-dir="$dest" config --unset core.worktree || true
    rm -f "$dest/index"
}

(($# == 2)) || die "usage: fetch.sh PACKAGE DEST.git"
package=$1 dest=$2
for tool in apt-get git tar awk; do
    command -v "$tool" >/dev/null || die "$tool is missing"
done

mkdir -p "$CACHE" "$(dirname "$dest")"
# One fetch at a time: tests run side by side, and apt locks its lists.
exec 9>"$CACHE/lock"
flock 9

if [[ ! -f $dest/kiln-version ]]; then
    update_lists
    work=$(mktemp -d "$CACHE/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    download "$package" "$work" || die "could not fetch the source of $package"
    orig=$(find "$work" -maxdepth 1 -name '*.orig.tar.*' ! -name '*.asc' | head -n 1)
    [[ -n $orig ]] || die "$package has no upstream tarball"
    mkdir "$work/tree"
    # Some tarballs hold one folder, some none.
    tar -C "$work/tree" --no-same-owner -xf "$orig"
    tree=$work/tree
    entries=("$tree"/*)
    ((${#entries[@]} == 1)) && [[ -d ${entries[0]} ]] && tree=${entries[0]}
    version=$(basename "$orig" | sed -E 's/^[^_]*_(.*)\.orig\.tar\..*$/\1/')
    make_repository "$tree" "$version" "$work/new.git"
    echo "$version" >"$work/new.git/kiln-version"
    rm -rf "$dest"
    mv "$work/new.git" "$dest"
fi
cat "$dest/kiln-version"
