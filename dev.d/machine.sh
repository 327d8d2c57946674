# What has to be on the machine, and how it gets there. Only what is missing is installed.

# A program or a file that must be there, and the Debian package that has it.
readonly NEEDS=(
    git:git
    cc:gcc
    /usr/include/stdio.h:libc6-dev
    pkg-config:pkg-config
    openssl/ssl.h:libssl-dev
    /etc/ssl/certs/ca-certificates.crt:ca-certificates
    xz:xz-utils
    flock:util-linux
    ssh-keygen:openssh-client
    dockerd:docker.io
    docker-compose:docker-compose
    mmdebstrap:mmdebstrap
    initdb:postgresql
    ensurepip:python3-venv
    /usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring
)

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# Debian's Docker is two packages in newer releases; the program `docker` is for this script and the
# tests only, kiln itself speaks to the engine's socket.
needs() {
    printf '%s\n' "${NEEDS[@]}"
    if command -v docker >/dev/null; then return; fi
    if apt-cache show docker-cli >/dev/null 2>&1; then echo docker:docker-cli; else echo docker:docker.io; fi
}

present() {
    case $1 in
        /*) [[ -e $1 ]] ;;
        *.h) [[ -n $(find /usr/include -path "*/$1" -print -quit 2>/dev/null) ]] ;;
        # Debian keeps PostgreSQL's programs in a folder for each of its versions.
        initdb) compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ;;
        # Without it there is a venv module that cannot make any.
        ensurepip) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
        # An engine elsewhere or of another make needs no program here.
        dockerd) command -v dockerd >/dev/null || PATH=$PATH:/usr/sbin command -v dockerd >/dev/null || engine_answers ;;
        *) command -v "$1" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
    esac
}

missing_packages() {
    local need
    needs | while IFS= read -r need; do
        present "${need%%:*}" || echo "${need##*:}"
    done | sort -u
}

is_supported_debian() {
    [[ -r /etc/os-release ]] || return 1
    (
        # shellcheck source=/dev/null
        source /etc/os-release
        # Testing and unstable have no number and are newer than any that has.
        [[ ${ID:-} == debian && ${VERSION_ID:-99} -ge 12 ]]
    )
}

needed_rust() { sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml; }

# Says what is wrong with Rust, or nothing.
rust_problem() {
    local need have
    need=$(needed_rust)
    if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
        echo "Rust $need or newer is missing"
        return
    fi
    have=$(rustc --version | awk '{ print $2 }')
    if [[ $(printf '%s\n' "$need" "${have%%-*}" | sort -V | head -n 1) != "$need" ]]; then
        echo "Rust $need or newer is needed, this is $have ($(command -v rustc))"
    fi
}

rust_advice() {
    echo "get it with rustup (rustup.rs; Debian 13 has a package 'rustup'), then 'rustup toolchain install stable'; the rustc that Debian packages is too old"
}

# Everything that cannot be put right from here is said at once, not one thing a run.
prepare_machine() {
    local problems=() missing rust
    # rustup's folder is in PATH only for login shells that read its file.
    [[ -x $HOME/.cargo/bin/cargo ]] && ! command -v cargo >/dev/null && PATH=$HOME/.cargo/bin:$PATH
    rust=$(rust_problem)
    [[ -z $rust ]] || problems+=("$rust: $(rust_advice)")
    mapfile -t missing < <(missing_packages)
    if ((${#missing[@]})); then
        if ! is_supported_debian; then
            problems+=("this is not Debian 12 or newer, so nothing is installed by itself. Install what these Debian packages have: ${missing[*]}")
        elif ((EUID != 0)) && ! command -v sudo >/dev/null; then
            problems+=("as root, run: apt-get install --no-install-recommends ${missing[*]}")
        fi
    fi
    if ((${#problems[@]})); then
        say "This machine is not ready:"
        printf '  - %s\n' "${problems[@]}" >&2
        exit 1
    fi
    ((${#missing[@]})) || return 0
    install_packages "${missing[@]}"
}

# A server for the tests of ssh: the program alone, unpacked. Its package would start it, now and with the
# machine, at a port that others reach.
ensure_sshd() {
    local folder=$state/sshd
    [[ ! -x /usr/sbin/sshd && ! -x $folder/usr/sbin/sshd ]] || return 0
    is_supported_debian || die "there is no /usr/sbin/sshd, which tests of ssh start: install an ssh server"
    say "Unpacking an ssh server for the tests into $folder"
    rm -rf "$folder" "$folder.new"
    mkdir -p "$folder.new"
    (
        cd "$folder.new"
        apt-get download -q openssh-server libwrap0 >&2 ||
            { as_root apt-get update -q >&2 && apt-get download -q openssh-server libwrap0 >&2; } || exit
        for package in *.deb; do
            dpkg-deb -x "$package" . || exit
            rm "$package"
        done
    ) || die "the packages openssh-server and libwrap0 could not be fetched"
    mv "$folder.new" "$folder"
}

install_packages() {
    local still
    say "Installing $*"
    as_root apt-get update -q >&2 || note "apt-get update failed; going on with the lists there are"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2 ||
        die "apt-get could not install: $*"
    mapfile -t still < <(missing_packages)
    # The second round is for what only shows once the first is there (docker-cli).
    if ((${#still[@]})); then
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${still[@]}" >&2
        mapfile -t still < <(missing_packages)
        ((${#still[@]} == 0)) || die "installed, but still not found: ${still[*]}"
    fi
}
