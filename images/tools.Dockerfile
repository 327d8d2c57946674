# Everything an ordinary C or C++ project needs to build, except the compiler. Shared by all
# toolchains of a release, so that one more toolchain costs one thin layer.
ARG PARENT
FROM ${PARENT}
ARG DEBIAN_FRONTEND=noninteractive
# First line: build systems and what they start. Second: generators and helpers that builds and
# their tests call. Third: the development files of the libraries C projects ask for most.
#
# libtool insists on a compiler; an empty package says that there will be one, in the next layer.
RUN mkdir -p /tmp/promise/DEBIAN \
 && printf '%s\n' 'Package: kiln-compiler' 'Version: 1' 'Architecture: all' 'Maintainer: kiln' \
      'Provides: c-compiler' 'Description: the compiler of the toolchain layer' \
      > /tmp/promise/DEBIAN/control \
 && dpkg-deb --build /tmp/promise /tmp/promise.deb && dpkg -i /tmp/promise.deb \
 && rm -r /tmp/promise /tmp/promise.deb \
 && apt-get update \
 && apt-get install -y --no-install-recommends \
      autoconf autoconf-archive autoconf2.69 automake autopoint autotools-dev ccache cmake \
      libtool make meson mold ninja-build pkg-config \
      bc binutils bison bzip2 ca-certificates diffutils dos2unix file flex gawk gettext git gperf help2man \
      less libc6-dev libtool-bin lz4 m4 nasm openssl patch perl procps python3 rsync tcl texinfo \
      unzip xxd xz-utils zip zstd \
      check libbsd-dev libbz2-dev libcap-dev libcmocka-dev libcurl4-openssl-dev libedit-dev \
      libelf-dev libevent-dev libexpat1-dev libffi-dev libglib2.0-dev libgmp-dev libjansson-dev \
      libjpeg-dev liblz4-dev liblzma-dev libmpfr-dev libncurses-dev libpcre2-dev libpng-dev \
      libreadline-dev libsqlite3-dev libssl-dev libuv1-dev libxml2-dev libyaml-dev libzstd-dev \
      uuid-dev zlib1g-dev \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && for c in cc c++ gcc g++ clang tcc; do ! command -v "$c" || { echo "a compiler slipped in: $c"; exit 1; }; done
