# The container engine: started if none answers, never stopped. It stays when the script ends, so
# that the next run finds it; an engine that somebody else started is only used.

# How long an engine may take to answer, in seconds. A first start makes its folders and networks.
readonly ENGINE_WAIT=60

engine_answers() { timeout 10 docker version >/dev/null 2>&1; }

ensure_engine() {
    if engine_answers; then
        note "container engine: $(docker version --format '{{.Server.Version}} (API {{.Server.APIVersion}})')"
        return
    fi
    [[ -z ${DOCKER_HOST:-} ]] || die "no engine answers at DOCKER_HOST=$DOCKER_HOST"
    # One runs, but not for this user: a second one would not help.
    if pidof dockerd >/dev/null && ((EUID != 0)) && [[ -S /var/run/docker.sock && ! -w /var/run/docker.sock ]]; then
        die "the engine is running, but $(id -un) may not use it: run as root, or 'sudo usermod -aG docker $(id -un)' and log in again"
    fi
    start_engine
}

start_engine() {
    local log=$state/dockerd.log waited=0
    mkdir -p "$state"
    say "Starting the container engine (log: $log)"
    # Cut off from this script's session and files, so that it outlives both. The socket belongs to
    # the caller's group: whoever started it may use it.
    as_root setsid --fork env PATH="$PATH:/usr/sbin:/sbin" dockerd --group "$(id -gn)" >"$log" 2>&1 </dev/null 9>&-
    until engine_answers; do
        sleep 1
        waited=$((waited + 1))
        if ((waited >= ENGINE_WAIT)) || { ((waited > 3)) && ! pidof dockerd >/dev/null; }; then
            note "the last lines of $log:"
            tail -n 15 "$log" | sed 's/^/      /' >&2
            die "the container engine did not start within $waited s"
        fi
    done
    note "it answers after $waited s"
}
