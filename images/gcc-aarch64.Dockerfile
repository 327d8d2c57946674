# gcc for 64-bit ARM Linux. The plain names mean the cross compiler; the machine's own gcc is there
# as gcc-VERSION, for the programs that a build makes in order to run them itself.
ARG PARENT
FROM ${PARENT}
ARG VERSION
ARG TRIPLE
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      gcc-${VERSION}-${TRIPLE} g++-${VERSION}-${TRIPLE} libc6-dev-arm64-cross gcc-${VERSION} g++-${VERSION} \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
 && for tool in gcc g++ cpp gcc-ar gcc-nm gcc-ranlib; do \
      ln -s "/usr/bin/${TRIPLE}-$tool-${VERSION}" "/usr/local/bin/${TRIPLE}-$tool" \
      && ln -s "${TRIPLE}-$tool" "/usr/local/bin/$tool" || exit 1; \
    done \
 && for tool in ar nm ranlib strip objcopy objdump; do \
      ln -s "/usr/bin/${TRIPLE}-$tool" "/usr/local/bin/$tool" || exit 1; \
    done \
 && ln -s gcc /usr/local/bin/cc && ln -s g++ /usr/local/bin/c++ \
 && test "$(cc -dumpmachine)" = "${TRIPLE}" && test "$(cc -dumpversion)" = "${VERSION}"
COPY cross/aarch64.cmake /usr/local/share/kiln/toolchain.cmake
COPY cross/aarch64.meson /usr/local/share/kiln/cross.meson
