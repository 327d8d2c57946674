# The package index of a release, which agents read to say what package has a missing header,
# library or program. An image of its own: toolchains stay small, and none is made again for it.
ARG PARENT
FROM ${PARENT}
ARG DEBIAN_FRONTEND=noninteractive
COPY package-index.sh /usr/local/share/kiln/package-index.sh
RUN sh /usr/local/share/kiln/package-index.sh /usr/local/share/kiln/packages.gz \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
