# How this script talks: what it does goes to stderr, so that stdout is only the programs' own.

say() { printf '\n\033[1m==> %s\033[0m\n' "$*" | plain >&2; }
note() { printf '    %s\n' "$*" >&2; }

die() {
    printf 'dev: %s\n' "$*" >&2
    exit 1
}

# Colors only for a terminal.
plain() {
    if [[ -t 2 && -z ${NO_COLOR:-} ]]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi
}

# Folder for what this script makes; git ignores it.
state=$root/.kiln
