# The gate for style: everything that needs no container. All of it runs, then it says what failed.

# Versions are pinned so that a new release of a tool cannot fail an old commit.
readonly TOOLS=(
    "cargo-machete 0.9.2 cargo-machete"
    "cargo-deny 0.20.2 cargo-deny"
    "typos-cli 1.52.0 typos"
)
# Schemas of every release of Kubernetes, as a Python package.
readonly KUBERNETES_VALIDATE=1.37.0
# The oldest release that deploy/kubernetes is for, and the newest that there is a schema of.
readonly KUBERNETES=(1.29 1.37)

tools=${KILN_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/kiln-tools}

# Built in a folder of their own, once: they take minutes.
install_tools() {
    local entry crate version program
    for entry in "${TOOLS[@]}"; do
        read -r crate version program <<<"$entry"
        [[ $(cat "$tools/$program.version" 2>/dev/null) == "$version" && -x $tools/bin/$program ]] && continue
        say "Installing $crate $version into $tools (once, takes minutes)"
        CARGO_TARGET_DIR=$tools/target cargo install --quiet --locked --force --root "$tools" "$crate@$version" || return
        echo "$version" >"$tools/$program.version"
    done
    rm -rf "$tools/target"
    install_kubernetes_validate
}

install_kubernetes_validate() {
    local folder=$tools/kubernetes-validate-$KUBERNETES_VALIDATE
    [[ ! -x $folder/bin/kubernetes-validate ]] || return 0
    say "Installing kubernetes-validate $KUBERNETES_VALIDATE into $folder (once)"
    rm -rf "$tools"/kubernetes-validate-*
    python3 -m venv --clear "$folder" &&
        "$folder/bin/pip" install --quiet "kubernetes-validate==$KUBERNETES_VALIDATE"
}

# What ships is held to everything; helpers of tests may unwrap and need no documentation.
check_clippy() {
    cargo clippy --locked --lib --bins -- -D warnings &&
        cargo clippy --locked --tests --benches -- -D warnings -A missing_docs -A unreachable_pub \
            -A clippy::unwrap_used -A clippy::struct_excessive_bools -A clippy::result_large_err \
            -A clippy::format_collect -A clippy::print_stdout -A clippy::print_stderr
}
check_doc() { RUSTDOCFLAGS=-Dwarnings cargo doc --locked --no-deps --document-private-items; }
# What is left out by default has to build and work all the same.
check_otel() { cargo test --locked --quiet --features otel --test app traces::; }
check_tidy() { cargo test --locked --quiet --test tidy; }
check_machete() { "$tools/bin/cargo-machete" "$root"; }
# Advisories change by themselves and need another host than the registry: not part of the gate.
check_deny() { "$tools/bin/cargo-deny" --locked --all-features check licenses bans sources; }
# No cluster, but every field against the schema. kustomization.yaml is for kubectl itself.
check_kubernetes() {
    local file release
    for release in "${KUBERNETES[@]}"; do
        for file in deploy/kubernetes/*.yaml; do
            [[ $file == */kustomization.yaml ]] ||
                "$tools/kubernetes-validate-$KUBERNETES_VALIDATE/bin/kubernetes-validate" \
                    --quiet --strict --kubernetes-version "$release" "$file" || return
        done
    done
}
check_typos() { "$tools/bin/typos"; }
check_fmt() { cargo fmt --check; }

cmd_check() {
    local failed=() step start
    prepare_machine
    install_tools || die "could not install the tools"
    for step in fmt clippy otel doc tidy web machete deny typos kubernetes; do
        say "check: $step"
        start=$SECONDS
        "check_$step" || failed+=("$step")
        note "$step: $((SECONDS - start)) s"
    done
    ((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
    say "All checks passed"
}
