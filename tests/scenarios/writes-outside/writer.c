/* Tries to write where a build has no business; succeeds only when each attempt is denied. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const PLACES[] = {
    "/etc/passwd",
    "/etc/ld.so.preload",
    "/usr/bin/kiln-was-here",
    "/usr/local/bin/cc",
    "/root/.profile",
    "/home/kiln-was-here",
    "/var/tmp/kiln-was-here",
    "/run/kiln-was-here",
    "/dev/kiln-was-here",
    "/kiln-was-here",
    "/proc/sys/kernel/core_pattern",
    "/proc/sysrq-trigger",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/fs/cgroup/kiln-was-here",
    "../../../../../../etc/kiln-was-here",
};

int main(void) {
    int wrote = 0;
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        int fd = open(PLACES[i], O_WRONLY | O_CREAT | O_APPEND, 0644);
        printf("%s: %s\n", PLACES[i], fd < 0 ? strerror(errno) : "WRITABLE");
        if (fd >= 0) {
            wrote = 1;
            close(fd);
        }
    }
    return wrote;
}
