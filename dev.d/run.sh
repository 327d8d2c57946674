# A farm to try: server, images and a first build of a real project.

readonly SAMPLE=lua5.4
readonly SAMPLE_TOOLCHAINS=gcc:14,clang:19
# How long the server may take to answer, and to stop before it is ended the hard way, in seconds.
readonly SERVER_WAIT=30
readonly SERVER_STOP=30

listen=${KILN_LISTEN:-127.0.0.1:8000}
server_pid=
client_pid=

# Connects to where the server listens, on descriptor 3 of a subshell.
connect() {
    local host=${listen%:*} port=${listen##*:}
    host=${host#[}
    exec 3<>"/dev/tcp/${host%]}/$port"
}

port_taken() { (connect) 2>/dev/null; }

healthy() {
    local status
    status=$(
        connect 2>/dev/null || exit 1
        printf 'GET /healthz HTTP/1.0\r\nHost: %s\r\n\r\n' "$listen" >&3
        timeout 5 head -n 1 <&3
    ) 2>/dev/null || return 1
    [[ $status == *" 200 "* ]]
}

require_free_port() {
    ! port_taken || die "something already listens on $listen: stop it, or choose another address, for example KILN_LISTEN=127.0.0.1:8001 ./dev run"
}

start_server() {
    local data=${KILN_DATA:-$state/data} log=$state/server.log waited=0
    require_free_port
    mkdir -p "$state"
    say "Starting the server on http://$listen (data: $data, log: $log)"
    note "the sample is a repository on this machine, which kiln refuses by default:"
    note "for this server only, KILN_SOURCE_SCHEMES allows file URLs and KILN_SOURCE_PRIVATE=allow private places"
    # In a session of its own: a Ctrl-C reaches this script only, which then stops the server once.
    KILN_SOURCE_SCHEMES=https,http,git,ssh,file KILN_SOURCE_PRIVATE=allow \
        setsid "$(target_dir)/$profile/kiln" serve --listen "$listen" --data "$data" >"$log" 2>&1 </dev/null &
    server_pid=$!
    trap stop_server EXIT
    # One place ends everything, whichever signal comes: EXIT runs stop_server.
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    until healthy; do
        if ! kill -0 "$server_pid" 2>/dev/null || ((waited >= SERVER_WAIT * 5)); then
            tail -n 15 "$log" | sed 's/^/      /' >&2
            die "the server did not come up; the last lines of $log are above"
        fi
        sleep 0.2
        waited=$((waited + 1))
    done
}

stop_server() {
    local waited=0
    trap '' INT TERM HUP
    if [[ -n $client_pid ]]; then
        kill -TERM "$client_pid" 2>/dev/null || true
        wait "$client_pid" 2>/dev/null || true
    fi
    [[ -n $server_pid ]] || return 0
    if kill -TERM "$server_pid" 2>/dev/null; then
        say "Stopping the server"
        while kill -0 "$server_pid" 2>/dev/null; do
            if ((waited >= SERVER_STOP * 10)); then
                note "it does not stop: ending it"
                kill -KILL "$server_pid" 2>/dev/null || true
                break
            fi
            sleep 0.1
            waited=$((waited + 1))
        done
    fi
    wait "$server_pid" 2>/dev/null || true
    server_pid=
}

build_sample() {
    local repository=$state/sample/$SAMPLE.git version commit code=0
    say "Fetching the source of a real C project: $SAMPLE"
    version=$(tests/projects/fetch.sh "$SAMPLE" "$repository")
    commit=$(git --git-dir="$repository" rev-parse main)
    export KILN_SERVER=http://$listen
    say "kiln build file://$repository -t $SAMPLE_TOOLCHAINS --follow   ($SAMPLE $version)"
    # Waited for, not run in front: bash acts on a signal at once only while it waits.
    "$(target_dir)/$profile/kiln" build "file://$repository" -t "$SAMPLE_TOOLCHAINS" --follow &
    client_pid=$!
    wait "$client_pid" || code=$?
    client_pid=
    if ((code == 0)); then
        say "kiln artifacts $commit"
        kiln artifacts "$commit" || code=$?
        note "download them: KILN_SERVER=$KILN_SERVER $(target_dir)/$profile/kiln artifacts $commit --download DIR"
        note "stored under:  ${KILN_DATA:-$state/data}"
    else
        note "the build ended with exit code $code; the server's log: $state/server.log"
    fi
    return "$code"
}

cmd_run() {
    local once=false code=0 server_code=0
    while (($#)); do
        case $1 in
            --once) once=true ;;
            --release) profile=release ;;
            *) die "run: '$1' is not known; there is --once and --release" ;;
        esac
        shift
    done
    require_free_port
    prepare_machine
    ensure_engine
    build_kiln
    build_images
    start_server
    build_sample || code=$?
    if $once; then
        exit "$code"
    fi
    say "Serving on http://$listen (API: http://$listen/docs) until Ctrl-C"
    # From here on, to be stopped is the good end.
    trap 'exit 0' INT TERM HUP
    wait "$server_pid" || server_code=$?
    server_pid=
    die "the server ended by itself with exit code $server_code; its log: $state/server.log"
}
