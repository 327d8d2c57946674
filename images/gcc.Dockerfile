# One version of gcc and g++, under its plain names too, and no other compiler.
ARG PARENT
FROM ${PARENT}
ARG VERSION
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc-${VERSION} g++-${VERSION} \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
 && for tool in gcc g++ cpp gcc-ar gcc-nm gcc-ranlib gcov; do \
      ln -s "/usr/bin/$tool-${VERSION}" "/usr/local/bin/$tool" || exit 1; \
    done \
 && ln -s gcc /usr/local/bin/cc \
 && ln -s g++ /usr/local/bin/c++ \
 && test "$(cc -dumpversion)" = "${VERSION}" && test "$(c++ -dumpversion)" = "${VERSION}"
