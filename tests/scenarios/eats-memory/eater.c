/* Takes memory, and touches it, until somebody stops it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 8 << 20 };

int main(void) {
    for (unsigned taken = CHUNK >> 20;; taken += CHUNK >> 20) {
        char *chunk = malloc(CHUNK);
        if (chunk == NULL) {
            perror("malloc");
            return 1;
        }
        memset(chunk, 1, CHUNK);
        printf("%u MiB\n", taken);
        fflush(stdout);
    }
}
