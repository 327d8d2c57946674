#!/bin/bash
# Health check of a server's container: whether the process answers. Not whether it is ready: a
# database that is away is no reason to end the server, and the proxy asks /readyz by itself.
#
#   kiln-alive [PORT [PATH]]
exec 3<>"/dev/tcp/127.0.0.1/${1:-8000}" || exit 1
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "${2:-/healthz}" >&3
read -r -t 3 _ status _ <&3
[[ $status == 200 ]]
