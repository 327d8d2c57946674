# Static programs against musl, for Linux on the machine's own processor: they run anywhere. C only:
# Debian has no C++ library for musl. The plain names mean the wrapper, which links statically
# whether the project's build files say so or not.
ARG PARENT
FROM ${PARENT}
ARG VERSION
ARG DEBIAN_FRONTEND=noninteractive
# The kernel's headers do not depend on the C library, but Debian's musl has none.
RUN apt-get update \
 && apt-get install -y --no-install-recommends musl-tools gcc-${VERSION} \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
 && for headers in linux asm-generic mtd x86_64-linux-gnu/asm; do \
      target=/usr/include/x86_64-linux-musl/$(basename "$headers"); \
      test -e "$target" || ln -s "/usr/include/$headers" "$target" || exit 1; \
    done \
 && ln -s /usr/bin/gcc-${VERSION} /usr/local/bin/musl-backend-gcc \
 && for tool in gcc-ar gcc-nm gcc-ranlib gcov; do \
      ln -s "/usr/bin/$tool-${VERSION}" "/usr/local/bin/$tool" || exit 1; \
    done \
 && for name in gcc cc x86_64-linux-musl-gcc musl-gcc; do \
      ln -s /usr/local/share/kiln/musl-gcc "/usr/local/bin/$name" || exit 1; \
    done
COPY cross/musl-gcc /usr/local/share/kiln/musl-gcc
COPY cross/musl.site /usr/local/share/kiln/config.site
COPY cross/musl.cmake /usr/local/share/kiln/toolchain.cmake
RUN chmod 755 /usr/local/share/kiln/musl-gcc \
 && test "$(cc -dumpversion)" = "${VERSION}" \
 && echo 'int main(void) { return 0; }' > /tmp/a.c && cc /tmp/a.c -o /tmp/a && /tmp/a \
 && file /tmp/a | grep -q 'statically linked' && rm /tmp/a /tmp/a.c
