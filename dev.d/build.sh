# Building kiln and its images; tests and benches.

profile=debug

target_dir() { echo "${CARGO_TARGET_DIR:-$root/target}"; }
kiln() { "$(target_dir)/$profile/kiln" "$@"; }

# A debug build is two minutes from nothing, a release build more than four.
build_kiln() {
    local flags=()
    [[ $profile == debug ]] || flags=(--release)
    build_web
    say "Building kiln ($profile)"
    cargo build --locked "${flags[@]}"
}

build_images() {
    say "Building toolchain images${*:+: $*} (minutes the first time, nothing when they are there)"
    kiln images build "$@"
}

cmd_images() {
    prepare_machine
    ensure_engine
    build_kiln
    build_images "$@"
    kiln images list
}

# Never asks anything: tests run where nobody answers. With --all also the further real projects.
# What a test run takes on the disk, in GiB: compiled tests, images, containers, repositories.
readonly TEST_SPACE=15

warn_of_space() {
    local free
    free=$(df --output=avail --block-size=1G "$root" | tail -n 1 | tr -dc 0-9)
    ((free >= TEST_SPACE)) || note "only $free GiB are free here; the tests may need $TEST_SPACE, and fail without saying so"
}

cmd_test() {
    local chosen=(--profile default) skipped=(--skip more_projects::)
    if [[ ${1:-} == --all ]]; then
        shift
        chosen=(--profile all) skipped=()
    fi
    exec </dev/null
    prepare_machine
    warn_of_space
    ensure_sshd
    ensure_engine
    build_kiln
    build_images
    local failed=()
    if cargo nextest --version >/dev/null 2>&1; then
        say "Running the tests (cargo nextest)"
        cargo nextest run --locked --no-fail-fast "${chosen[@]}" "$@" || failed+=("cargo nextest")
    else
        say "Running the tests (cargo test)"
        cargo test --locked --no-fail-fast --lib --bins --tests --examples -- "${skipped[@]}" "$@" ||
            failed+=("cargo test")
    fi
    # A filter names tests of the first kind.
    (($#)) || test_web || failed+=("the web page")
    ((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
}

# The one place that knows what the bench program is called. Measured is the release build of kiln;
# the program that measures it needs none, and is compiled for tests already.
cmd_bench() {
    exec </dev/null
    prepare_machine
    if (($# == 0)) || [[ $* == diagnostics ]]; then
        cargo bench --locked --quiet --bench diagnostics
        [[ $* != diagnostics ]] || return 0
    fi
    ensure_engine
    profile=release
    build_kiln
    build_images
    say "Measuring (about five minutes; needs an otherwise idle machine)"
    if [[ $* != web ]]; then
        KILN_BENCH_BIN="$(target_dir)/release/kiln" cargo test --locked --quiet --bench farm -- "$@"
    fi
    if (($# == 0)) || [[ $* == web ]]; then bench_web; fi
}
