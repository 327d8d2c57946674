# mingw-w64: programs for 64-bit Windows. The plain names mean the cross compiler; the machine's
# own gcc is there as gcc-14, for the programs that a build makes in order to run them itself.
ARG PARENT
FROM ${PARENT}
ARG VERSION
ARG TRIPLE
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      gcc-mingw-w64-x86-64-posix g++-mingw-w64-x86-64-posix binutils-mingw-w64-x86-64 \
      libz-mingw-w64-dev gcc-${VERSION} g++-${VERSION} \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
 && for tool in gcc g++ cpp gcc-ar gcc-nm gcc-ranlib; do \
      ln -s "/usr/bin/${TRIPLE}-$tool-posix" "/usr/local/bin/${TRIPLE}-$tool" \
      && ln -s "${TRIPLE}-$tool" "/usr/local/bin/$tool" || exit 1; \
    done \
 && for tool in ar nm ranlib strip objcopy objdump windres dlltool; do \
      ln -s "/usr/bin/${TRIPLE}-$tool" "/usr/local/bin/$tool" || exit 1; \
    done \
 && ln -s gcc /usr/local/bin/cc && ln -s g++ /usr/local/bin/c++ \
 && test "$(cc -dumpmachine)" = "${TRIPLE}" && test "$(cc -dumpversion | cut -d- -f1)" = "${VERSION}"
COPY cross/mingw64.cmake /usr/local/share/kiln/toolchain.cmake
COPY cross/mingw64.meson /usr/local/share/kiln/cross.meson
