/* Leaves a process behind that has its own session, keeps stdout open, ignores signals and goes on
 * writing for ever; the build itself ends at once and well. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void) {
    if (fork() != 0) {
        puts("the build is done");
        return 0;
    }
    setsid();
    if (fork() != 0) {
        _exit(0);
    }
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    for (unsigned long n = 0;; n++) {
        FILE *file = fopen("still-alive", "w");
        if (file != NULL) {
            fprintf(file, "%lu\n", n);
            fclose(file);
        }
        usleep(10000);
    }
}
