# HAProxy from Debian's packages, where the official image cannot be had; like that one it runs as
# `haproxy`.
ARG BASE
FROM ${BASE}
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update && apt-get install -y --no-install-recommends haproxy \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
USER haproxy
STOPSIGNAL SIGUSR1
