/* Tries to get out in the ways that would get far; succeeds only when each of them fails.
 * The addresses are those that are reserved for documentation, the usual gateway of containers, and
 * the one that clouds answer questions on. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int reached(const char *address, int port, int type) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &to.sin_addr);
    int fd = socket(AF_INET, type, 0);
    int bad = fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ||
              (type == SOCK_DGRAM && send(fd, "x", 1, 0) != 1);
    printf("%s %s:%d: %s\n", type == SOCK_STREAM ? "tcp" : "udp", address, port,
           bad ? strerror(errno) : "REACHED");
    if (fd >= 0) {
        close(fd);
    }
    return !bad;
}

int main(void) {
    struct addrinfo *found = NULL;
    int any = 0;
    int error = getaddrinfo("example.org", "443", NULL, &found);
    printf("name example.org: %s\n", error != 0 ? gai_strerror(error) : "REACHED");
    any |= error == 0;
    any |= reached("192.0.2.1", 443, SOCK_STREAM);
    any |= reached("172.17.0.1", 2375, SOCK_STREAM);
    any |= reached("169.254.169.254", 80, SOCK_STREAM);
    any |= reached("192.0.2.1", 53, SOCK_DGRAM);
    return any;
}
