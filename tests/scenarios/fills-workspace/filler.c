/* Writes files until there is no room left. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    static char block[1 << 20];
    for (int n = 0;; n++) {
        char name[32];
        snprintf(name, sizeof name, "fill-%d", n);
        FILE *file = fopen(name, "w");
        if (file == NULL || fwrite(block, sizeof block, 1, file) != 1 || fclose(file) != 0) {
            printf("%s: %s\n", name, strerror(errno));
            return 1;
        }
    }
}
