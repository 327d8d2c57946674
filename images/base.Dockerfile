# A minimal Debian of one release: parent of all toolchain images of that release, and, as it is,
# the image of the holder container (which needs sh, tar, find, sort and base64, nothing more).
#
# ROOT is an official slim image or one made from Debian's packages. apt/ in the build context is
# written by kiln: where this machine gets its packages from, and its settings for getting there.
ARG ROOT
FROM ${ROOT}
ARG DEBIAN_FRONTEND=noninteractive
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
COPY apt/ /etc/apt/kiln/
# An image that is not finished is thrown away, so dpkg need not wait for the disk after each file.
# A root file system has no security updates yet. Programs that change the user are of no use in a sandbox. Builds run as 10240, which gets a name
# because git, python and others ask for one.
RUN rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/* \
 && ln -s ../kiln/kiln.sources /etc/apt/sources.list.d/kiln.sources \
 && ln -s ../kiln/kiln.conf /etc/apt/apt.conf.d/99kiln \
 && printf 'path-exclude=/usr/share/%s/*\n' man info locale doc lintian bug > /etc/dpkg/dpkg.cfg.d/kiln \
 && echo force-unsafe-io >> /etc/dpkg/dpkg.cfg.d/kiln \
 && printf 'path-include=/usr/share/doc/*/copyright\n' >> /etc/dpkg/dpkg.cfg.d/kiln \
 && apt-get update && apt-get upgrade -y --no-install-recommends && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && echo 'build:x:10240:10240:build:/tmp:/bin/sh' >> /etc/passwd \
 && echo 'build:x:10240:' >> /etc/group
