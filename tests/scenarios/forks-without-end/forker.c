/* Every process makes another, until there may be no more; then the first one says so and fails. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    for (int children = 0;; children++) {
        pid_t child = fork();
        if (child < 0) {
            printf("fork %d: %s\n", children, strerror(errno));
            return 1;
        }
        if (child == 0) {
            for (;;) {
                pause();
            }
        }
    }
}
