# One version of clang with its linker and archive tools, under their plain names too, and no
# other compiler. The C++ library is Debian's libstdc++; -stdlib=libc++ takes the version's own.
ARG PARENT
FROM ${PARENT}
ARG VERSION
ARG DEBIAN_FRONTEND=noninteractive
# Until version 13 the sanitizers' libraries are part of another package.
RUN apt-get update \
 && sanitizers=$(apt-cache pkgnames "libclang-rt-${VERSION}-dev") \
 && apt-get install -y --no-install-recommends \
      clang-${VERSION} lld-${VERSION} llvm-${VERSION} ${sanitizers} \
      libc++-${VERSION}-dev libc++abi-${VERSION}-dev \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
 && for tool in clang clang++ clang-cpp lld ld.lld llvm-ar llvm-nm llvm-ranlib llvm-strip \
                llvm-objcopy llvm-objdump llvm-cov llvm-profdata llvm-symbolizer; do \
      ln -s "/usr/bin/$tool-${VERSION}" "/usr/local/bin/$tool" && test -x "/usr/local/bin/$tool" || exit 1; \
    done \
 && ln -s clang /usr/local/bin/cc \
 && ln -s clang++ /usr/local/bin/c++ \
 && ln -s clang-cpp /usr/local/bin/cpp \
 && ! command -v gcc \
 && test "$(cc -dumpversion | cut -d. -f1)" = "${VERSION}" \
 && printf '%s\n' '#include <iostream>' '#include <stdexcept>' \
      'int main() { try { throw std::runtime_error("ok"); } catch (std::exception& e) { std::cout << e.what(); } }' \
      > /tmp/a.cc \
 && for library in libstdc++ libc++; do \
      c++ -stdlib=$library /tmp/a.cc -o /tmp/a && test "$(/tmp/a)" = ok \
      && ldd /tmp/a | grep -qF "$library.so" || exit 1; \
    done \
 && c++ /tmp/a.cc -o /tmp/a && ldd /tmp/a | grep -qF libstdc++.so && rm /tmp/a /tmp/a.cc
