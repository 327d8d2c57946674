#!/usr/bin/env bash
# Makes the secrets that docker-compose.yml and the Swarm stack need, each once, with mode 0600. What
# is there is kept: to change one, remove its file first.
#
#   deploy/secrets.sh [FOLDER]       default: deploy/secrets
#
# The servers' containers run as user 10001, who must be able to read what is mounted: run as root,
# the files are given to that user; otherwise set KILN_COMPOSE_USER to yourself, as printed at the end.
set -euo pipefail
umask 077

folder=${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/secrets}
mkdir -p "$folder"

# 32 random bytes; S3 keys must not be longer than 40 characters.
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

make() {
    local file=$folder/$1 value=$2
    if [[ -s $file ]]; then
        echo "kept  $file"
    else
        printf '%s\n' "$value" >"$file.new"
        mv "$file.new" "$file"
        echo "made  $file"
    fi
    chmod 0600 "$file"
}

make admin_token "$(random 32)"
make enrollment_token "$(random 32)"
make secret_key "$(random 32)"
make database_password "$(random 24)"
make s3_access_key "kiln$(random 8)"
make s3_secret_key "$(random 20)"

if ((EUID == 0)); then
    chown 10001:10001 "$folder"/*
else
    echo "docker-compose: put this into .env beside docker-compose.yml, so that servers can read these files:"
    echo "KILN_COMPOSE_USER=$(id -u):$(id -g)"
fi
